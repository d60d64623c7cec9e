"""`express deploy` with the files that deployment tools write: what they leave open is filled in, or named."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.server import Running, serving

from .conftest import Run

CORPUS = Path(__file__).parents[2].parent / "shared" / "conformance" / "definitions"
PLACEHOLDER = re.compile(r"\$\{([^{}]+)\}")
CALL = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "${FunctionArn}", "End": True}}}
ECHO = "arn:aws:lambda:us-east-1:123456789012:function:echo"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A server that the command finds through the environment."""
    with serving() as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SFN", running.url)
        yield running


def deployed(run: Run, server: Running, *arguments: str) -> Any:
    """Deploy one machine: its description."""
    done = run("deploy", *arguments)
    assert done.exit_code == 0, done.stderr
    return server.client().describe_state_machine(stateMachineArn=done.stdout.strip())


def write(path: Path, content: Any) -> str:
    """A file: text as it is, the rest as JSON."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


SAM = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
Resources:
  Work:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: echo, Handler: a.b}
  Table:
    Type: AWS::Serverless::SimpleTable
  Topic:
    Type: AWS::SNS::Topic
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub "orders-${Stage}"}
  Orders:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: !Sub orders-${Stage}
      Type: EXPRESS
      DefinitionUri: statemachine/orders.asl.json
      DefinitionSubstitutions:
        FunctionArn: !GetAtt Work.Arn
        TableName: !Ref Table
        TopicArn: !Ref Topic
        QueueUrl: !Ref Queue
        Place: !Sub "${AWS::Region}/${AWS::AccountId}/${Queue.Arn}"
        Joined: !Join ["-", [a, !Ref Stage]]
      Logging:
        Level: ERROR
        IncludeExecutionData: true
        Destinations: [{CloudWatchLogsLogGroup: {LogGroupArn: !GetAtt Logs.Arn}}]
      Role: !GetAtt OrdersRole.Arn
"""


def test_a_sam_template(run: Run, server: Running, tmp_path: Path) -> None:
    """DefinitionUri and DefinitionSubstitutions, with functions, tables, queues, topics; name, type and logging."""
    (tmp_path / "statemachine").mkdir()
    names = ("FunctionArn", "TableName", "TopicArn", "QueueUrl", "Place", "Joined")
    machine = {**CALL, "States": {"P": {"Type": "Pass", "Result": [f"${{{n}}}" for n in names], "Next": "T"}}}
    machine["States"] |= CALL["States"]
    machine["StartAt"] = "P"
    write(tmp_path / "statemachine" / "orders.asl.json", machine)
    found = deployed(run, server, write(tmp_path / "template.yaml", SAM))

    assert (found["name"], found["type"]) == ("orders-dev", "EXPRESS")
    assert found["loggingConfiguration"]["level"] == "ERROR"
    answer = server.client().start_sync_execution(stateMachineArn=found["stateMachineArn"])
    assert json.loads(answer["output"]) == [
        ECHO,
        "Table",
        "arn:aws:sns:us-east-1:123456789012:Topic",
        "https://sqs.us-east-1.amazonaws.com/123456789012/orders-dev",
        "us-east-1/123456789012/arn:aws:sqs:us-east-1:123456789012:orders-dev",
        "a-dev",
    ]


def test_a_parameter_is_given_on_the_command_line(run: Run, server: Running, tmp_path: Path) -> None:
    """Before its default."""
    (tmp_path / "statemachine").mkdir()
    write(tmp_path / "statemachine" / "orders.asl.json", CALL)
    found = deployed(run, server, write(tmp_path / "template.yaml", SAM), "-s", "Stage=prod")

    assert found["name"] == "orders-prod"


@pytest.mark.parametrize(
    "properties",
    [
        {"DefinitionString": {"Fn::Sub": json.dumps(CALL).replace("${FunctionArn}", "${Work.Arn}")}},
        {"DefinitionString": {"Fn::Sub": [json.dumps(CALL), {"FunctionArn": {"Fn::GetAtt": ["Work", "Arn"]}}]}},
        {"DefinitionString": {"Fn::Join": ["", json.dumps(CALL).replace("${FunctionArn}", "\0").split("\0")]}},
        {"Definition": {**CALL, "States": {"T": {**CALL["States"]["T"], "Resource": {"Fn::GetAtt": "Work.Arn"}}}}},
        {"DefinitionString": json.dumps(CALL), "DefinitionSubstitutions": {"FunctionArn": {"Ref": "Given"}}},
        {
            "DefinitionString": json.dumps(CALL),
            "DefinitionSubstitutions": {"FunctionArn": {"Fn::ImportValue": "Given"}},
        },
    ],
    ids=["sub", "sub-map", "join", "object", "ref", "import"],
)
def test_forms_of_cloudformation(run: Run, server: Running, tmp_path: Path, properties: Any) -> None:
    """A template in JSON, as `cdk synth` writes it too."""
    if "Fn::Join" in properties.get("DefinitionString", ""):
        properties["DefinitionString"]["Fn::Join"][1].insert(1, {"Fn::GetAtt": ["Work", "Arn"]})
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"StateMachineType": "EXPRESS", **properties}}
    work = {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "echo"}}
    template = {"Parameters": {"Given": {"Type": "String"}}, "Resources": {"Work": work, "Machine": machine}}
    found = deployed(run, server, write(tmp_path / "t.template.json", template), "-s", f"Given={ECHO}")

    assert json.loads(found["definition"])["States"]["T"]["Resource"] == ECHO


def test_what_a_template_does_not_say_is_named_at_once(run: Run, server: Running, tmp_path: Path) -> None:
    """Every name, under which it can be given; exit code 104; nothing is deployed."""
    states = {
        "T": {**CALL["States"]["T"], "Resource": {"Fn::GetAtt": "Other.Arn"}, "Comment": {"Fn::If": ["Far", 1, 2]}}
    }
    properties = {"Definition": {**CALL, "States": states, "Comment": {"Ref": "Who"}, "X": "${Left}"}}
    template = {"Resources": {"M": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}
    done = run("deploy", write(tmp_path / "t.json", template))

    assert done.exit_code == 104
    assert "has ${Far}, ${Other.Arn}, ${Who}: say what they stand for with -s NAME=VALUE" in done.stderr
    assert server.client().list_state_machines()["stateMachines"] == []


def test_what_no_substitution_names_stays(run: Run, server: Running, tmp_path: Path) -> None:
    """`${Name}` in a template's definition that nothing substitutes stays, as it does at AWS, and is told."""
    machine = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": "${Left}", "End": True}}}
    row = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"Definition": machine}}
    done = run("deploy", write(tmp_path / "t.json", {"Resources": {"M": row}}))

    assert done.exit_code == 0
    assert "M keeps ${Left} as it is" in done.stderr
    found = server.client().describe_state_machine(stateMachineArn=done.stdout.strip())
    assert json.loads(found["definition"]) == machine


def test_a_placeholder_of_a_definition_can_stand_for_itself(run: Run, server: Running, tmp_path: Path) -> None:
    """In a file that is a definition alone `${x}` may be a text that is meant: it is given as itself."""
    machine = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Result": "${x}", "End": True}}}
    found = deployed(run, server, write(tmp_path / "m.asl.json", machine), "-s", "x=${x}")

    assert json.loads(found["definition"]) == machine


def test_what_did_not_change_is_told(run: Run, server: Running, tmp_path: Path) -> None:
    """Created, unchanged, updated by what changed; a version of what is unchanged can still be published."""
    machine = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
    file = write(tmp_path / "m.asl.json", machine)
    assert "express: created arn" in run("deploy", file).stderr
    again = run("deploy", file)
    assert "express: unchanged arn" in again.stderr
    assert again.stdout.strip().endswith(":stateMachine:m")
    revision = server.client().describe_state_machine(stateMachineArn=again.stdout.strip()).get("revisionId")
    role = ("--role", "arn:aws:iam::123456789012:role/other")
    assert "express: updated arn" in run("deploy", file, *role).stderr
    assert "express: unchanged arn" in run("deploy", file, *role).stderr
    assert run("deploy", file, *role, "--publish").stdout.strip().endswith(":1")
    write(tmp_path / "m.asl.json", {**machine, "Comment": "new"})
    assert "express: updated arn" in run("deploy", file).stderr
    assert server.client().describe_state_machine(stateMachineArn=again.stdout.strip()).get("revisionId") != revision
    assert (
        "stays EXPRESS: the type of a state machine can't be changed"
        in run("deploy", file, "--type", "STANDARD").stderr
    )


def test_a_refused_template_shows_the_place_in_the_template(run: Run, server: Running, tmp_path: Path) -> None:
    """Findings stand where they were written, not where they came to in the text that was sent."""
    text = """\
Resources:
  M:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineType: EXPRESS
      DefinitionString: !Sub |
        {"StartAt": "P",
         "States": {"P": {"Type": "Pass", "Ende": true}}}
"""
    done = run("deploy", write(tmp_path / "t.yaml", text))

    assert (done.exit_code, done.stdout) == (1, "")
    assert "t.yaml:8:43: error E0102 Field 'Ende' is not supported" in done.stderr
    assert "express: M of" in done.stderr


def test_terraform(run: Run, server: Running, tmp_path: Path) -> None:
    """A plan, a state that was shown, and a state file; modules too. What is only known later is told."""
    values = {"name": "tf", "type": "EXPRESS", "definition": json.dumps(CALL).replace("${FunctionArn}", ECHO)}
    row = {"address": "module.a.aws_sfn_state_machine.x", "type": "aws_sfn_state_machine", "values": values}
    modules = {"resources": [], "child_modules": [{"resources": [row]}]}
    plan = {"planned_values": {"root_module": modules}}
    instance = {"attributes": {**values, "logging_configuration": [{"level": "ALL", "include_execution_data": True}]}}
    kept = {"type": "aws_sfn_state_machine", "name": "x", "instances": [instance]}
    files = {"plan.json": plan, "shown.json": {"values": {"root_module": modules}}}
    files["terraform.tfstate"] = {"terraform_version": "1.9.0", "resources": [kept]}
    for name, content in files.items():
        found = deployed(run, server, write(tmp_path / name, content))
        assert (found["name"], found["type"]) == ("tf", "EXPRESS")
    assert found["loggingConfiguration"]["level"] == "ALL"

    del values["definition"]
    done = run("deploy", write(tmp_path / "plan.json", plan))
    assert done.exit_code == 104
    assert "known after `terraform apply` only" in done.stderr


def test_serverless(run: Run, server: Running, tmp_path: Path) -> None:
    """`stepFunctions.stateMachines`, with functions of the same file."""
    text = """
functions: {work: {handler: a.b, name: echo}}
stepFunctions:
  stateMachines:
    hello:
      type: EXPRESS
      name: hello-there
      definition:
        StartAt: T
        States:
          T: {Type: Task, Resource: !GetAtt work.Arn, End: true}
"""
    found = deployed(run, server, write(tmp_path / "serverless.yml", text))

    assert found["name"] == "hello-there"
    assert ECHO in found["definition"]


def test_several_machines(run: Run, server: Running, tmp_path: Path) -> None:
    """All of them, or the one that is named; one name can't be that of two."""
    machine = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
    row = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"Definition": machine}}
    file = write(tmp_path / "t.json", {"Resources": {"A": row, "B": row, "C": {"Type": "AWS::SNS::Topic"}}})

    assert len(run("deploy", file).stdout.splitlines()) == 2
    assert run("deploy", file, "-n", "x").exit_code == 2
    one = run("deploy", file, "-n", "x", "-r", "B", "--type", "EXPRESS")
    assert one.stdout.strip().endswith(":stateMachine:x")
    assert "created" in run("deploy", file, "-n", "y", "-r", "B").stderr
    assert "holds no state machine named D" in run("deploy", file, "-r", "D").stderr


def test_a_definition_in_yaml(run: Run, server: Running, tmp_path: Path) -> None:
    """As SAM takes them too."""
    found = deployed(run, server, write(tmp_path / "m.asl.yaml", "StartAt: A\nStates: {A: {Type: Pass, End: true}}\n"))

    assert found["name"] == "m"


@pytest.mark.skipif(not CORPUS.exists(), reason="needs shared/conformance beside the checkout")
def test_published_definitions_with_placeholders(run: Run, server: Running) -> None:
    """Every one of the corpus that deploys once its placeholders are filled in: none without, each with them."""
    rows = json.loads((CORPUS / "index.json").read_text())
    tried = 0
    for row in rows:
        file = CORPUS / row["file"]
        names = sorted(set(PLACEHOLDER.findall(file.read_text())))
        if row["verdict"] != "valid" or not names:
            continue
        tried += 1
        refused = run("deploy", str(file))
        assert (refused.exit_code, refused.stdout) == (104, "")
        assert all(f"${{{name}}}" in refused.stderr for name in names)
        given = [argument for name in names for argument in ("-s", f"{name}=arn:aws:lambda:us-east-1:1:function:f")]
        kind = "STANDARD" if row.get("standard_only") else "EXPRESS"
        done = run("deploy", str(file), "--type", kind, *given)
        assert done.exit_code == 0, (row, done.stderr)
    assert tried > 100
