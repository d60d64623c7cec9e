"""Hostile templates: each ends with a sentence that names the file, in bounded time and memory."""

from __future__ import annotations

import json
import os
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from express.cli.diagnosis import Options, diagnose
from express.deploy.templates import read_templates
from express.errors import ConfigError

MACHINE = {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}
SECONDS = 60
"""More processor time than any of these takes, by far."""


def stack(definition: Any, **sections: Any) -> dict[str, Any]:
    """A template with one machine."""
    rows = sections.pop("Resources", {})
    row = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionString": definition}}
    return {"Resources": {**rows, "M": row}, **sections}


def sam(**properties: Any) -> dict[str, Any]:
    """A template of SAM with one machine."""
    return {"Resources": {"M": {"Type": "AWS::Serverless::StateMachine", "Properties": properties}}}


def row(kind: str, **properties: Any) -> dict[str, Any]:
    """A resource."""
    return {"A": {"Type": kind, "Properties": properties}}


def plan(values: Any) -> dict[str, Any]:
    """A plan of Terraform with one machine, and what is no resource."""
    resource = {"type": "aws_sfn_state_machine", "values": values}
    return {"planned_values": {"root_module": {"resources": [resource, 4]}}}


def service(machine: Any) -> str:
    """A service of Serverless with one machine."""
    return json.dumps({"stepFunctions": {"stateMachines": {"m": machine}}})


def loops() -> dict[str, Any]:
    """Three loops, one in another, of ten, ten and a thousand items."""
    items = list("0123456789")
    body: Any = {"X${a}${b}${c}": {"Type": "x" * 100}}
    for name, values in (("c", items * 100), ("b", items), ("a", items)):
        body = {f"Fn::ForEach::{name.upper()}": [name, values, body]}
    return {"Resources": body}


def queues(name: Callable[[int], Any]) -> dict[str, Any]:
    """Forty queues, each named by a function of its number."""
    return {f"Q{n}": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name(n)}} for n in range(40)}


def tenfold(n: int) -> Any:
    """A name ten times as long as that of the queue before."""
    return {"Fn::Sub": f"${{Q{n - 1}.QueueName}}" * 10} if n else "0123456789"


def nested(levels: int, name: str) -> Any:
    """A function around itself."""
    value: Any = "x"
    for _ in range(levels):
        value = {name: ["", [value]]}
    return value


BOMB = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)
)
HOSTILE: dict[str, tuple[str, Any]] = {
    "aliases": ("t.yaml", f"{BOMB}Resources: {{M: *a8}}"),
    "merges": ("t.yaml", "a: &a {<<: *a}\nResources: {M: *a}"),
    "refs": ("t.json", stack({"Ref": "Q30"}, Resources=queues(tenfold))),
    "joins": ("t.json", stack({"Fn::Join": ["x", [{"Fn::GetAtt": "Q30.QueueName"}]]}, Resources=queues(tenfold))),
    "subs": ("t.json", stack({"Fn::Sub": ["${a}" * 1000, {"a": {"Fn::Sub": ["${b}" * 1000, {"b": "c" * 9999}]}}]})),
    "loop": ("t.json", stack({"Ref": "A"}, Resources=row("AWS::S3::Bucket", BucketName={"Ref": "A"}))),
    "conditions": (
        "t.json",
        stack({"Fn::If": ["A", 1, 2]}, Conditions={"A": {"Condition": "B"}, "B": {"Condition": "A"}}),
    ),
    "deep joins": ("t.json", stack(nested(300, "Fn::Join"))),
    "deep text": ("t.json", '{"Resources":' + '{"a":' * 100_000),
    "deep list": ("t.yaml", "Resources: " + "[" * 100_000),
    "splits": ("t.json", stack({"Fn::Join": ["", {"Fn::Split": ["a", "a" * 900_000]}]})),
    "for each": ("t.json", loops()),
    "self": ("serverless.yml", "custom: {a: '${self:custom.a}'}\nstepFunctions: {stateMachines: '${self:custom.a}'}"),
    "self doubled": (
        "serverless.yml",
        "custom:\n  a0: xxxxxxxxxx\n"
        + "".join(f"  a{n}: '{f'${{self:custom.a{n - 1}}}' * 10}'\n" for n in range(1, 12))
        + "stepFunctions: {stateMachines: {m: {definition: '${self:custom.a11}'}}}",
    ),
    "file of itself": ("serverless.yml", "stepFunctions: '${file(serverless.yml):stepFunctions}'"),
    "nested braces": ("serverless.yml", service({"definition": "${" * 200_000 + "}" * 200_000})),
    "one text in many places": (
        "t.yaml",
        "Text: &text "
        + "x" * 900_000
        + "\nResources:\n"
        + "".join(
            f"  M{n}: {{Type: AWS::Serverless::StateMachine, Properties: {{DefinitionString: *text}}}}\n"
            for n in range(1000)
        ),
    ),
    "one text by many maps": (
        "t.json",
        stack(
            {"Fn::Join": ["", [{"Fn::FindInMap": ["A", "b", "c"]}] * 5000]},
            Mappings={"A": {"b": {"c": "x" * 500_000}}},
        ),
    ),
    "one parameter in many places": (
        "t.json",
        stack(
            {"Fn::ToJsonString": [{"Ref": "P"}] * 5000},
            Parameters={"P": {"Type": "String", "Default": "x" * 500_000}},
        ),
    ),
    "open braces": ("serverless.yml", "stepFunctions: {stateMachines: {m: {definition: '" + "${" * 50_000 + "'}}}"),
}
"""Kind of bomb → file and content."""

SHAPES: dict[str, tuple[str, Any]] = {
    "resources": ("t.json", {"Resources": []}),
    "resource": ("t.json", {"Resources": {"M": "x", "N": {"Type": ["x"]}}}),
    "properties": ("t.json", {"Resources": {"M": {"Type": "AWS::Serverless::StateMachine", "Properties": 1}}}),
    "no properties": ("t.json", {"Resources": {"M": {"Type": "AWS::Serverless::StateMachine"}}}),
    "definition": ("t.json", stack(5)),
    "null": ("t.json", stack(None)),
    "list": ("t.json", stack([MACHINE])),
    "name": (
        "t.json",
        {"Resources": {"M": {"Type": "AWS::Serverless::StateMachine", "Properties": {"Name": {"a": 1}}}}},
    ),
    "ref": ("t.json", stack({"Ref": ["a"]})),
    "getatt": ("t.json", stack({"Fn::GetAtt": {"a": 1}})),
    "sub": ("t.json", stack({"Fn::Sub": ["a"]})),
    "sub of a number": ("t.json", stack({"Fn::Sub": 3})),
    "join": ("t.json", stack({"Fn::Join": "abc"})),
    "select": ("t.json", stack({"Fn::Select": ["-1", ["a"]]})),
    "if": ("t.json", stack({"Fn::If": [["a"], 1, 2]})),
    "map": ("t.json", stack({"Fn::FindInMap": ["a"]})),
    "condition": ("t.json", stack({"Fn::If": ["A", 1, 2]}, Conditions={"A": {"Fn::Equals": [1]}})),
    "for each": ("t.json", {"Resources": {"Fn::ForEach::X": "a", "Fn::ForEach": []}}),
    "parameters": ("t.json", stack({"Ref": "P"}, Parameters={"P": ["x"]})),
    "parameter": ("t.json", stack({"Ref": "P"}, Parameters=[1])),
    "alias": ("t.json", stack({"Ref": "A"}, Resources={"A": {"Type": "AWS::Lambda::Alias"}})),
    "machine alias": ("t.json", stack({"Ref": "A"}, Resources=row("AWS::StepFunctions::StateMachineAlias"))),
    "no alias": (
        "t.yaml",
        "Resources: {F: {Type: AWS::Serverless::Function}, M: {Type: AWS::Serverless::StateMachine, "
        "Properties: {DefinitionString: !Ref F.Alias}}}",
    ),
    "substitutions": ("t.json", sam(Definition=MACHINE, DefinitionSubstitutions=["a"])),
    "substitution": ("t.json", sam(Definition=MACHINE, DefinitionSubstitutions={"a": ["b"]})),
    "file for machines": ("serverless.yml", "stepFunctions: {stateMachines: {two: '${file(x)}'}}"),
    "file for the section": ("serverless.yml", "stepFunctions: {stateMachines: '${file(x.yml)}'}"),
    "section": ("serverless.yml", "stepFunctions: 3"),
    "machines": ("serverless.yml", "stepFunctions: {stateMachines: [1, two]}"),
    "machine": ("serverless.yml", "stepFunctions: {stateMachines: {a: [1]}}"),
    "no definition": ("serverless.yml", "stepFunctions: {stateMachines: {a: {name: x}}}"),
    "functions": ("serverless.yml", "functions: [x]\nstepFunctions: {stateMachines: {a: {definition: !Ref x}}}"),
    "plan": ("plan.json", plan({"definition": 3})),
    "state": (
        "plan.json",
        {
            "terraform_version": 1,
            "resources": [{"type": "aws_sfn_state_machine", "instances": [1, {"attributes": {"definition": {}}}]}],
        },
    ),
}
"""Wrong shape → file and content."""


def written(folder: Path, name: str, content: Any) -> str:
    """The file."""
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


def read(file: str) -> int | str:
    """How many characters the definitions have, or why there are none."""
    try:
        return sum(len(template.definition) for template in read_templates(file, {}))
    except ConfigError as error:
        return str(error)


def spent() -> float:
    """Processor time of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_bomb_ends_as_a_sentence(tmp_path: Path, kind: str) -> None:
    """For deploy and for validate, with the file's name, and nothing is made of it."""
    file = written(tmp_path, *HOSTILE[kind])
    began = spent()
    outcome = read(file)
    assert isinstance(outcome, int) or os.path.basename(file) in outcome
    assert outcome < 20_000_000 if isinstance(outcome, int) else len(outcome) < 2000
    assert diagnose(file, Path(file).read_bytes(), Options())
    assert spent() - began < SECONDS


@pytest.mark.parametrize("kind", SHAPES)
def test_a_wrong_shape_is_told(tmp_path: Path, kind: str) -> None:
    """By file, and for validate as a finding; never by a traceback."""
    file = written(tmp_path, *SHAPES[kind])
    with pytest.raises(ConfigError, match=os.path.basename(file)):
        read_templates(file, {})
    assert [found.diagnostic.rule for found in diagnose(file, Path(file).read_bytes(), Options())][:1] != []


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder for the template, with a file beside it that is outside."""
    (tmp_path / "secret.json").write_text(json.dumps(MACHINE))
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    (folder / "binary.json").write_bytes(b"\xff\xfe\x00")
    (folder / "large.json").write_text("1" * 5_000_000)
    (folder / "circle").symlink_to(folder / "circle")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "/dev/zero",
        "../secret.json",
        "link.json",
        "binary.json",
        "large.json",
        "circle",
        "folder",
        "pipe",
        "",
        "a\0b",
        "x" * 5000,
    ],
)
def test_files_are_regular_and_beside_the_template(outside: Path, name: str) -> None:
    """A device, a pipe, a link that leads out, what is no text and what is too large are not read, but named."""
    file = written(outside, "t.json", sam(DefinitionUri=name))
    with pytest.raises(ConfigError, match=r"t\.json"):
        read_templates(file, {})
    (found,) = diagnose(file, Path(file).read_bytes(), Options())
    assert found.diagnostic.rule in ("W0008", "E0009")
    named = written(outside, "serverless.yml", service(f"${{file({name})}}"))
    with pytest.raises(ConfigError, match=r"serverless\.yml"):
        read_templates(named, {})


def test_the_file_itself_is_bounded() -> None:
    """Even where it never ends."""
    with pytest.raises(ConfigError, match="/dev/zero can't be read: it has more than"):
        read_templates("/dev/zero", {})


# seeded mutations ------------------------------------------------------------------------------------

USED = ("refs", "loop", "conditions", "for each", "self")
SEEDS = [
    (name, content if isinstance(content, dict) else yaml.safe_load(content.replace("!Ref ", "")))
    for name, content in (*SHAPES.values(), *(HOSTILE[kind] for kind in USED))
]
FUNCTIONS = "Sub Join Select Split If GetAtt FindInMap Length Cidr ToJsonString Base64 ForEach::X Transform Equals"
ARGUMENTS = ("M.Arn", ["A", "${M}", {"Ref": "P"}], [1, ["a", "b"]], {"a": {"Ref": "Q2"}})
PARTS = [
    *({"Ref": name} for name in ("M", "P", "Q1", "AWS::NoValue", "AWS::Region", "A")),
    *({f"Fn::{name}": argument} for name in FUNCTIONS.split() for argument in ARGUMENTS),
    *("${self:custom.a}", "${file(t.json)}", "${file(serverless.yml):a.0}", "#{M.Arn}", "${opt:x, 'y'}"),
    *("${", "}", "${!a}", "{{resolve:ssm:a}}", "s3://a/b", "t.json", json.dumps(MACHINE)),
    *(None, True, 0, -1, 1.5, "", [], {}, [[]], MACHINE),
]
KEYS = [
    *("Condition", "Type", "Properties", "DefinitionUri", "Definition", "DefinitionSubstitutions", "Fn::ForEach::L"),
    *("Resources", "Parameters", "Conditions", "Mappings", "stepFunctions", "functions", "resources", "custom", "name"),
]
SCRAPS = ["", "[", "}", '"', "\\", "&a ", "*a", "!x "]


def mutated(value: Any, chance: random.Random, depth: int = 0) -> Any:
    """A copy with some of its parts replaced, dropped, doubled or moved."""
    if chance.random() < 0.06 and depth:
        return chance.choice(PARTS)
    if isinstance(value, dict):
        made = {
            chance.choice(KEYS) if chance.random() < 0.04 else key: mutated(item, chance, depth + 1)
            for key, item in value.items()
            if chance.random() > 0.03
        }
        if chance.random() < 0.1:
            made[chance.choice(KEYS)] = chance.choice(PARTS)
        return made
    if isinstance(value, list):
        made = [mutated(item, chance, depth + 1) for item in value if chance.random() > 0.05]
        return made * 2 if chance.random() < 0.05 else made
    return value


@pytest.mark.parametrize("start", range(0, 2000, 500))
def test_no_mutated_template_gives_a_traceback(tmp_path: Path, start: int) -> None:
    """Whatever a template holds, reading it ends with machines or with a sentence, and validate with findings."""
    for seed in range(start, start + 500):
        chance = random.Random(seed)
        name, content = chance.choice(SEEDS)
        text = json.dumps(mutated(content, chance))
        if chance.random() < 0.1:
            at = chance.randrange(len(text) + 1)
            text = (
                text[:at]
                + chance.choice(["", "[", "}", '"', "\\", "&a ", "*a", "!x "])
                + text[at + chance.randrange(3) :]
            )
        file = written(tmp_path, name, text)
        outcome = read(file)
        assert isinstance(outcome, int) or len(outcome) < 5000, seed
        diagnose(file, text.encode(), Options())
