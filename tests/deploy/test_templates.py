"""Templates of deployment tools: what each function, reference and variable comes to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from express.deploy.resource_kinds import KINDS
from express.deploy.templates import Template, read_templates
from express.errors import ConfigError

MACHINE = {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}
PLACE = "us-east-1:123456789012"


def machine(definition: Any, **properties: Any) -> dict[str, Any]:
    """A resource that is a state machine."""
    return {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"Definition": definition, **properties}}


def read(folder: Path, content: Any, name: str = "template.json", **given: str) -> list[Template]:
    """The state machines of a file."""
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return read_templates(str(file), given)


def value(folder: Path, written: Any, template: dict[str, Any] | None = None, **given: str) -> Any:
    """What one value of a template comes to."""
    template = template or {}
    resources = {**template.get("Resources", {}), "M": machine({**MACHINE, "Comment": written})}
    (found,) = read(folder, {**template, "Resources": resources}, **given)
    return json.loads(found.definition).get("Comment", "nothing")


LISTS = {
    "Parameters": {
        "Names": {"Type": "CommaDelimitedList", "Default": "a, b,c"},
        "Ports": {"Type": "List<Number>", "Default": "80,443"},
        "Subnets": {"Type": "List<AWS::EC2::Subnet::Id>", "Default": "s-1"},
        "Empty": {"Type": "CommaDelimitedList", "Default": ""},
        "Delay": {"Type": "Number", "Default": 5},
    },
    "Mappings": {"Zones": {"us-east-1": {"names": ["x", "y"]}}},
}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"Ref": "Names"}, ["a", "b", "c"]),
        ({"Ref": "Ports"}, ["80", "443"]),
        ({"Ref": "Subnets"}, ["s-1"]),
        ({"Ref": "Empty"}, []),
        ({"Ref": "Delay"}, "5"),
        ({"Fn::Join": ["-", {"Ref": "Names"}]}, "a-b-c"),
        ({"Fn::Join": ["-", {"Fn::Split": [",", "x,y"]}]}, "x-y"),
        ({"Fn::Join": ["-", [{"Ref": "Delay"}, 1, True]]}, "5-1-true"),
        ({"Fn::Join": ["", {"Fn::FindInMap": ["Zones", {"Ref": "AWS::Region"}, "names"]}]}, "xy"),
        ({"Fn::Select": [1, {"Ref": "Names"}]}, "b"),
        ({"Fn::Select": ["0", {"Fn::Split": ["/", "p/q"]}]}, "p"),
        ({"Fn::Split": ["|", {"Fn::Join": ["|", {"Ref": "Names"}]}]}, ["a", "b", "c"]),
        ({"Fn::Length": {"Ref": "Names"}}, 3),
        ({"Fn::Base64": {"Fn::Sub": "${Delay}"}}, "NQ=="),
        ({"Fn::FindInMap": ["Zones", "eu", "names", {"DefaultValue": "none"}]}, "none"),
        ({"Fn::ToJsonString": {"a": [{"Ref": "Delay"}]}}, '{"a":["5"]}'),
    ],
)
def test_lists_are_lists(tmp_path: Path, written: Any, expected: Any) -> None:
    """Parameters of lists are lists for Ref, Join, Select, Split and Length; a number becomes a text by Ref."""
    assert value(tmp_path, written, LISTS) == expected


def test_a_list_that_is_given_is_a_list(tmp_path: Path) -> None:
    """On the command line it is written with commas, as for CloudFormation."""
    assert value(tmp_path, {"Fn::Select": [1, {"Ref": "Names"}]}, LISTS, Names="p, q") == "q"


@pytest.mark.parametrize(
    "written",
    [
        {"Fn::Sub": "${Names}"},
        {"Fn::Join": ["-", "a"]},
        {"Fn::Join": ["-", [["a"]]]},
        {"Fn::Select": [9, {"Ref": "Names"}]},
        {"Fn::Select": ["x", ["a"]]},
        {"Fn::Split": ["", "a"]},
    ],
)
def test_a_list_where_there_can_be_none_is_refused(tmp_path: Path, written: Any) -> None:
    """With the place in the file."""
    with pytest.raises(ConfigError, match=r"template\.json:1:\d+: "):
        value(tmp_path, written, LISTS)


def test_a_parameter_of_the_parameter_store_has_no_value_here(tmp_path: Path) -> None:
    """Its default is the name of the parameter, not its value; a dynamic reference likewise. Both can be given."""
    template = {"Parameters": {"P": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/a/b"}}}
    with pytest.raises(ConfigError, match=r"has \$\{P\}, \$\{resolve:ssm:/x\}"):
        value(tmp_path, [{"Ref": "P"}, "{{resolve:ssm:/x}}"], template)
    given = {"P": "v", "resolve:ssm:/x": "w"}
    assert value(tmp_path, [{"Ref": "P"}, "-{{resolve:ssm:/x}}-"], template, **given) == ["v", "-w-"]


REFS = {
    "AWS::Batch::JobDefinition": ({"JobDefinitionName": "n"}, f"arn:aws:batch:{PLACE}:job-definition/n:1"),
    "AWS::Batch::JobQueue": ({"JobQueueName": "n"}, f"arn:aws:batch:{PLACE}:job-queue/n"),
    "AWS::DynamoDB::Table": ({"TableName": "n"}, "n"),
    "AWS::ECS::Cluster": ({"ClusterName": "n"}, "n"),
    "AWS::ECS::Service": ({"ServiceName": "n"}, f"arn:aws:ecs:{PLACE}:service/n"),
    "AWS::ECS::TaskDefinition": ({"Family": "n"}, f"arn:aws:ecs:{PLACE}:task-definition/n:1"),
    "AWS::Glue::Database": ({"DatabaseInput": {"Name": "n"}}, "n"),
    "AWS::IAM::ManagedPolicy": ({"Path": "/p/"}, "arn:aws:iam::123456789012:policy/p/X"),
    "AWS::IAM::Role": ({}, "X"),
    "AWS::Lambda::Alias": ({"FunctionName": {"Ref": "F"}, "Name": "live"}, f"arn:aws:lambda:{PLACE}:function:F:live"),
    "AWS::Lambda::Function": ({}, "X"),
    "AWS::Lambda::Version": ({"FunctionName": {"Fn::GetAtt": "F.Arn"}}, f"arn:aws:lambda:{PLACE}:function:F:1"),
    "AWS::S3::Bucket": ({}, "X"),
    "AWS::SNS::Topic": ({"TopicName": "n"}, f"arn:aws:sns:{PLACE}:n"),
    "AWS::SQS::Queue": ({"QueueName": "n"}, "https://sqs.us-east-1.amazonaws.com/123456789012/n"),
    "AWS::SageMaker::Model": ({"ModelName": "n"}, f"arn:aws:sagemaker:{PLACE}:model/n"),
    "AWS::SecretsManager::Secret": ({"Name": "n"}, f"arn:aws:secretsmanager:{PLACE}:secret:n"),
    "AWS::Serverless::StateMachine": ({"Name": "n", "Definition": MACHINE}, f"arn:aws:states:{PLACE}:stateMachine:n"),
    "AWS::StepFunctions::Activity": ({"Name": "n"}, f"arn:aws:states:{PLACE}:activity:n"),
    "AWS::StepFunctions::StateMachineVersion": (
        {"StateMachineArn": {"Ref": "M"}},
        f"arn:aws:states:{PLACE}:stateMachine:M:1",
    ),
    "AWS::StepFunctions::StateMachineAlias": (
        {"Name": "live", "RoutingConfiguration": [{"StateMachineVersionArn": {"Fn::Sub": "${M}:3"}, "Weight": 100}]},
        f"arn:aws:states:{PLACE}:stateMachine:M:live",
    ),
}


@pytest.mark.parametrize("kind", REFS)
def test_ref_is_what_the_documentation_of_the_type_says(tmp_path: Path, kind: str) -> None:
    """A name, an ARN or an URL, from "Return values" of the type's page."""
    properties, expected = REFS[kind]
    resources = {"X": {"Type": kind, "Properties": properties}, "F": {"Type": "AWS::Lambda::Function"}}
    file = tmp_path / "template.json"
    comment = {**MACHINE, "Comment": {"Ref": "X"}}
    file.write_text(json.dumps({"Resources": {**resources, "M": machine(comment)}}))
    (found,) = read_templates(str(file), {}, "M")
    assert json.loads(found.definition)["Comment"] == expected


def test_ids_that_aws_draws_are_not_guessed(tmp_path: Path) -> None:
    """What a subnet, a key or a custom resource is called is known after the stack is made, and can be given."""
    resources = {"S": {"Type": "AWS::EC2::Subnet"}, "C": {"Type": "Custom::Thing"}}
    with pytest.raises(ConfigError, match=r"has \$\{C.Id\}, \$\{S\}: say"):
        value(tmp_path, [{"Ref": "S"}, {"Fn::GetAtt": ["C", "Id"]}], {"Resources": resources})
    assert value(tmp_path, {"Ref": "S"}, {"Resources": resources}, S="subnet-1") == "subnet-1"
    assert "AWS::EC2::Subnet" not in KINDS


def test_literals_stay(tmp_path: Path) -> None:
    """`${!x}` of Fn::Sub is `${x}`, and so is what no substitution names."""
    assert value(tmp_path, {"Fn::Sub": "${!a} ${AWS::Region} ${! b}"}) == "${a} us-east-1 ${ b}"
    text = json.dumps({**MACHINE, "Comment": "${a} ${b} ${!c}"})
    row = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"DefinitionString": text, "DefinitionSubstitutions": {"a": 1}},
    }
    (found,) = read(tmp_path, {"Resources": {"M": row}})
    assert json.loads(found.definition)["Comment"] == "1 ${b} ${!c}"
    assert found.left == ("!c", "b")


CONDITIONS = {
    "Parameters": {"Stage": {"Type": "String", "Default": "dev"}, "Open": {"Type": "String"}},
    "Conditions": {
        "Dev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]},
        "Not": {"Fn::Not": [{"Condition": "Dev"}]},
        "Both": {"Fn::And": [{"Condition": "Dev"}, {"Condition": "Not"}]},
        "One": {"Fn::Or": [{"Condition": "Dev"}, {"Condition": "Hangs"}]},
        "Hangs": {"Fn::Equals": [{"Ref": "Open"}, "x"]},
    },
}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"Fn::If": ["Dev", "a", "b"]}, "a"),
        ({"Fn::If": ["Not", "a", {"Ref": "Stage"}]}, "dev"),
        ({"Fn::If": ["Both", "a", "b"]}, "b"),
        ({"Fn::If": ["One", "a", "b"]}, "a"),
        ({"Fn::If": ["Dev", {"Ref": "AWS::NoValue"}, "b"]}, "nothing"),
        ([1, {"Fn::If": ["Dev", {"Ref": "AWS::NoValue"}, 2]}], [1]),
    ],
)
def test_conditions(tmp_path: Path, written: Any, expected: Any) -> None:
    """Fn::If over Equals, Not, And, Or and Condition; `AWS::NoValue` takes a property or an item away."""
    assert value(tmp_path, written, CONDITIONS) == expected


def test_a_condition_that_hangs_on_an_unknown_value_names_it(tmp_path: Path) -> None:
    """The parameter is what has to be given; the condition itself can be, too."""
    written = {"Fn::If": ["Hangs", "a", "b"]}
    with pytest.raises(ConfigError, match=r"has \$\{Open\}: say"):
        value(tmp_path, written, CONDITIONS)
    assert value(tmp_path, written, CONDITIONS, Open="x") == "a"
    assert value(tmp_path, written, CONDITIONS, Hangs="false") == "b"


def test_an_object_that_hangs_on_an_unknown_condition_is_not_deployed(tmp_path: Path) -> None:
    """Neither of its values is taken for granted."""
    with pytest.raises(ConfigError, match=r"has \$\{Open\}: say"):
        value(tmp_path, {"Fn::If": ["Hangs", {"a": [1]}, {"b": [2]}]}, CONDITIONS)
    with pytest.raises(ConfigError, match=r"has \$\{Open\}: say"):
        value(tmp_path, [{"c": {"Fn::If": ["Hangs", ["${AWS::Region}"], []]}}], CONDITIONS)


def test_a_machine_whose_condition_does_not_hold_is_left_out(tmp_path: Path) -> None:
    """As it would be from the stack."""
    rows = {"A": {**machine(MACHINE), "Condition": "Dev"}, "B": {**machine(MACHINE), "Condition": "Not"}}
    assert [found.name for found in read(tmp_path, {**CONDITIONS, "Resources": rows})] == ["A"]


SAM = """
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {AutoPublishAlias: live}}
Resources:
  Work: {Type: AWS::Serverless::Function, Properties: {FunctionName: echo}}
  Own: {Type: AWS::Serverless::Function, Properties: {AutoPublishAlias: !Ref AWS::Region}}
  M:
    Type: AWS::Serverless::StateMachine
    Properties:
      Role: !GetAtt MRole.Arn
      DefinitionString:
        Fn::ToJsonString:
          StartAt: on
          States: {on: {Type: Pass, End: yes}}
          Comment:
            - !Ref Work.Alias
            - !Ref Work.Version
            - !Sub "${Work.Alias}/${Own.Alias}"
            - !Ref WorkAliaslive
            - !GetAtt WorkRole.Arn
"""


def test_what_sam_makes_of_a_function(tmp_path: Path) -> None:
    """Versions, aliases and roles; the words of its YAML are those of YAML 1.1, but names stay names."""
    (found,) = read(tmp_path, SAM, "template.yaml")
    definition = json.loads(found.definition)
    function = f"arn:aws:lambda:{PLACE}:function"
    assert definition["Comment"] == [
        f"{function}:echo:live",
        f"{function}:echo:1",
        f"{function}:echo:live/{function}:Own:us-east-1",
        f"{function}:echo:live",
        "arn:aws:iam::123456789012:role/WorkRole",
    ]
    assert definition["States"] == {"on": {"Type": "Pass", "End": True}}
    assert definition["StartAt"] is True
    assert found.role == "arn:aws:iam::123456789012:role/MRole"


def test_loops(tmp_path: Path) -> None:
    """Fn::ForEach makes resources, and members of a definition."""
    comment = {"Fn::Sub": "${Name}/${AWS::Region}"}
    template = {
        "Parameters": {"Names": {"Type": "CommaDelimitedList", "Default": "a,b"}},
        "Resources": {
            "Fn::ForEach::Machines": [
                "Name",
                {"Ref": "Names"},
                {"Flow${Name}": machine({**MACHINE, "Comment": comment, "X": {"Ref": "Name"}})},
            ]
        },
    }
    found = read(tmp_path, template)
    assert [(row.name, json.loads(row.definition)["Comment"], json.loads(row.definition)["X"]) for row in found] == [
        ("Flowa", "a/us-east-1", "a"),
        ("Flowb", "b/us-east-1", "b"),
    ]


@pytest.mark.parametrize("form", ["listed", "metadata"])
def test_cdk_assets(tmp_path: Path, form: str) -> None:
    """A definition that CDK would upload lies beside the template, by its list of assets or by the metadata."""
    row = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "DefinitionS3Location": {
                "Bucket": {"Fn::Sub": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"},
                "Key": "0123.json",
            },
            "DefinitionSubstitutions": {"Who": "you"},
        },
    }
    if form == "metadata":
        row["Metadata"] = {"aws:asset:path": "asset.0123.json", "aws:asset:property": "DefinitionS3Location"}
    assets = {
        "files": {
            "0123": {
                "source": {"path": "asset.0123.json", "packaging": "file"},
                "destinations": {"current": {"bucketName": "b", "objectKey": "0123.json"}},
            }
        }
    }
    if form == "listed":
        (tmp_path / "Stack.assets.json").write_text(json.dumps(assets))
    (tmp_path / "asset.0123.json").write_text(json.dumps({**MACHINE, "Comment": "${Who}"}))
    (found,) = read(tmp_path, {"Resources": {"M": row}}, "Stack.template.json")
    assert json.loads(found.definition)["Comment"] == "you"


def cdk_stage(folder: Path, *stages: str, listed: bool, manifest: dict[str, Any] | None = None) -> Path:
    """Write what `cdk synth` writes for stages in one another; the template's path."""
    here, up = folder, ""
    for stage in stages:
        name = f"assembly-{stage}"
        artifact = {"type": "cdk:cloud-assembly", "properties": {"directoryName": name, "displayName": stage}}
        tree = {"type": "cdk:tree", "properties": {"file": "tree.json"}}
        written = {"version": "36.0.0", "artifacts": {"Tree": tree, name: artifact}} if manifest is None else manifest
        (here / "manifest.json").write_text(json.dumps(written))
        here, up = here / name, f"../{up}"
        here.mkdir()
    asset = f"{up}asset.0123.json"
    location = {"Bucket": {"Fn::Sub": "cdk-assets-${AWS::AccountId}"}, "Key": "0123.json"}
    row: dict[str, Any] = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionS3Location": location}}
    if listed:
        destinations = {"current": {"bucketName": "b", "objectKey": "0123.json"}}
        files = {"0123": {"source": {"path": asset, "packaging": "file"}, "destinations": destinations}}
        (here / "Stack.assets.json").write_text(json.dumps({"files": files}))
    else:
        row["Metadata"] = {"aws:asset:path": asset, "aws:asset:property": "DefinitionS3Location"}
    (folder / "asset.0123.json").write_text(json.dumps({**MACHINE, "Comment": "staged"}))
    template = here / "Stack.template.json"
    template.write_text(json.dumps({"Resources": {"M": row}}))
    return template


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "metadata"])
@pytest.mark.parametrize("stages", [("Prod",), ("Prod", "Inner")], ids=["one", "two"])
def test_cdk_stages_have_their_assets_in_the_outermost_assembly(
    tmp_path: Path, stages: tuple[str, ...], *, listed: bool
) -> None:
    """Each folder around is one whose manifest names the one inside as an assembly."""
    (found,) = read_templates(str(cdk_stage(tmp_path, *stages, listed=listed)), {})
    assert json.loads(found.definition)["Comment"] == "staged"


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        [],
        {"artifacts": []},
        {"artifacts": {"assembly-Prod": None}},
        {"artifacts": {"assembly-Prod": {"type": "cdk:cloud-assembly"}}},
        {"artifacts": {"assembly-Prod": {"type": "cdk:cloud-assembly", "properties": {"directoryName": "other"}}}},
        {"artifacts": {"x": {"type": "aws:cloudformation:stack", "properties": {"directoryName": "assembly-Prod"}}}},
    ],
    ids=json.dumps,
)
def test_a_folder_that_no_assembly_names_is_left_alone(tmp_path: Path, manifest: Any) -> None:
    """Files outside stay out of reach where the manifest around does not say that the folder is part of it."""
    with pytest.raises(ConfigError, match="outside of the template's folder"):
        read_templates(str(cdk_stage(tmp_path, "Prod", listed=True, manifest=manifest)), {})


def test_an_assembly_does_not_open_what_is_around_it(tmp_path: Path) -> None:
    """`../..` and links lead out of the outermost assembly as they lead out of any template's folder."""
    cdk = tmp_path / "cdk.out"
    cdk.mkdir()
    template = cdk_stage(cdk, "Prod", listed=False)
    (cdk / "asset.0123.json").rename(tmp_path / "secret.json")
    (cdk / "asset.0123.json").symlink_to(tmp_path / "secret.json")
    with pytest.raises(ConfigError, match="outside of the template's folder"):
        read_templates(str(template), {})
    template.write_text(template.read_text().replace("../asset.0123.json", "../../secret.json"))
    with pytest.raises(ConfigError, match="outside of the template's folder"):
        read_templates(str(template), {})


SERVERLESS = """
service: shop
custom:
  stage: ${opt:stage, self:provider.stage, 'dev'}
  names: {dev: one, prod: two}
  queue: ${self:service}-${self:custom.stage}
provider: {name: aws, region: eu-west-1}
params: {default: {owner: ops}}
functions:
  charge-card: {handler: a.b}
  work: {handler: a.b, name: "${self:custom.queue}-work"}
resources:
  - Resources:
      Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: "${self:custom.queue}"}}
      Other: {Type: AWS::SQS::Queue, Properties: {QueueName: "${ssm:/unused}"}}
stepFunctions:
  stateMachines:
    flow:
      type: express
      name: ${self:custom.queue}-flow
      definition:
        StartAt: A
        States: {A: {Type: Succeed}}
        Comment:
          - ${self:custom.names.${self:custom.stage}}
          - ${file(more.yml):inner.value}
          - ${env:EXPRESS_TEST_VALUE, 'unset'}
          - "#{AWS::Region}/#{Queue.Arn}"
          - Fn::GetAtt: [work, Arn]
          - !GetAtt ChargeDashcardLambdaFunction.Arn
          - !Ref Queue
          - ${param:owner}
          - ${sls:stage}
          - ${AWS::Region}
    whole: ${file(machine.yml)}
    text:
      definition: ${file(text.json)}
"""


def test_serverless_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`self`, `opt`, `env`, `file`, `param` and `sls`, nested and with what stands in; ids and `#{…}` of the plugin."""
    monkeypatch.setenv("EXPRESS_TEST_VALUE", "set")
    (tmp_path / "more.yml").write_text("inner: {value: '${self:service}'}")
    (tmp_path / "machine.yml").write_text("name: whole-one\ndefinition: {StartAt: A, States: {A: {Type: Succeed}}}")
    (tmp_path / "text.json").write_text(json.dumps(MACHINE))
    flow, whole, text = read(tmp_path, SERVERLESS, "serverless.yml")
    assert (flow.name, flow.type, whole.name, text.name) == ("shop-dev-flow", "EXPRESS", "whole-one", "text")
    assert json.loads(flow.definition)["Comment"] == [
        "one",
        "shop",
        "set",
        f"us-east-1/arn:aws:sqs:{PLACE}:shop-dev",
        f"arn:aws:lambda:{PLACE}:function:shop-dev-work",
        f"arn:aws:lambda:{PLACE}:function:charge-card",
        "https://sqs.us-east-1.amazonaws.com/123456789012/shop-dev",
        "ops",
        "dev",
        "${AWS::Region}",
    ]
    given = read_templates(str(tmp_path / "serverless.yml"), {"opt:stage": "prod"})
    assert json.loads(given[0].definition)["Comment"][0] == "two"


def test_a_serverless_variable_that_is_not_known_is_named(tmp_path: Path) -> None:
    """By its address, under which it can be given."""
    text = "stepFunctions: {stateMachines: {m: {definition: {StartAt: '${ssm:/a}', States: {A: {Type: Succeed}}}}}}"
    with pytest.raises(ConfigError, match=r"has \$\{ssm:/a\}: say"):
        read(tmp_path, text, "serverless.yml")
    (found,) = read(tmp_path, text, "serverless.yml", **{"ssm:/a": "A"})
    assert json.loads(found.definition)["StartAt"] == "A"


def test_a_large_plan_of_terraform(tmp_path: Path) -> None:
    """A plan holds all of an infrastructure; only its state machines are read."""
    values = {"name": "tf", "type": "EXPRESS", "definition": json.dumps({**MACHINE, "Comment": "${x}"})}
    rows = [{"address": "aws_sfn_state_machine.m", "type": "aws_sfn_state_machine", "values": values}]
    rows += [{"address": f"x.{n}", "type": "x", "values": {"text": "a" * 1000}} for n in range(2000)]
    (found,) = read(tmp_path, {"planned_values": {"root_module": {"resources": rows}}}, "plan.json")
    assert (found.name, found.left) == ("tf", ("x",))
