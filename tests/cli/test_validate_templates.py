"""`express validate` over the files of deployment tools, which it reads as `express deploy` does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from express.cli.diagnosis import Options, diagnose
from express.deploy.templates import read_templates

from .conftest import Run

HEAD = "Resources:\n  M:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n"
GOOD = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": "${Who}", "End": true}}}'
BROKEN = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Ende": true}}}'


def write(name: str, text: str) -> None:
    """A file in the current folder."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "properties",
    [
        "      DefinitionUri: flow/m.asl.json\n      DefinitionSubstitutions: {Who: !Ref AWS::Region}\n",
        f"      DefinitionString: !Join ['', ['{GOOD[:30]}', '{GOOD[30:]}']]\n",
        f"      DefinitionString: !Sub ['{GOOD}', {{Who: you}}]\n",
        f"      DefinitionString: !Sub |\n        {GOOD.replace('Who', 'AWS::Region')}\n",
        "      Definition: {StartAt: A, States: {A: {Type: Pass, Result: !GetAtt X.Y, End: yes}}}\n",
    ],
    ids=["uri", "join", "sub-list", "sub", "object"],
)
def test_a_good_template_is_good(run: Run, properties: str) -> None:
    """Each form in which a definition is given, without a finding."""
    write("flow/m.asl.json", GOOD)
    write("template.yaml", HEAD + properties)
    done = run("validate", "template.yaml")
    assert (done.exit_code, done.stdout) == (0, ""), done.stdout


@pytest.mark.parametrize(
    ("properties", "file", "mark"),
    [
        ("      DefinitionUri: flow/m.asl.json\n", "flow/m.asl.json", '"Ende"'),
        ("      DefinitionUri: flow/m.asl.yaml\n", "flow/m.asl.yaml", "Ende"),
        (f"      DefinitionString: !Join ['', ['{BROKEN[:49]}', '{BROKEN[49:]}']]\n", "template.yaml", '"Ende"'),
        (f"      DefinitionString: !Join ['', ['{BROKEN[:55]}', '{BROKEN[55:]}']]\n", "template.yaml", '"En'),
        (f"      DefinitionString: !Sub ['{BROKEN}', {{}}]\n", "template.yaml", '"Ende"'),
        (f"      DefinitionString: !Sub |\n        {BROKEN}\n", "template.yaml", '"Ende"'),
        (f"      DefinitionString: >-\n        {BROKEN[:16]}\n\n        {BROKEN[17:]}\n", "template.yaml", '"Ende"'),
        (f"      DefinitionString: {json.dumps(BROKEN)}\n", "template.yaml", r"\"Ende"),
        ("      Definition: {StartAt: A, States: {A: {Type: Pass, Ende: true}}}\n", "template.yaml", "Ende"),
        (
            "      Definition: !If [X, {}, {StartAt: A, States: {A: {Type: Pass, Ende: true}}}]\nConditions:\n"
            "  X: !Equals [a, b]\n",
            "template.yaml",
            "Ende",
        ),
        (
            "      DefinitionString:\n        Fn::ToJsonString: {StartAt: A, States: {A: {Type: Pass, Ende: true}}}\n",
            "template.yaml",
            "Ende",
        ),
    ],
    ids=["uri", "uri-yaml", "join", "join-inside", "sub-list", "sub", "folded", "quoted", "object", "if", "json"],
)
def test_a_broken_template_is_broken_at_its_place(run: Run, properties: str, file: str, mark: str) -> None:
    """The file, line and column where the mistake is written, whatever functions it went through."""
    write("flow/m.asl.json", BROKEN.replace('"Ende"', '\n "Ende"'))
    write("flow/m.asl.yaml", "StartAt: A\nStates:\n  A:\n    Type: Pass\n    Ende: true\n")
    write("template.yaml", HEAD + properties)
    before = Path(file).read_text().partition(mark)[0]
    place = f"{file}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    done = run("validate", "template.yaml")
    assert done.exit_code == 1
    assert f"{place}: error E0102 Field 'Ende' is not supported" in done.stdout


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ("      DefinitionUri: s3://bucket/key\n", "its definition is in S3, as s3://bucket/key"),
        ("      DefinitionUri: {Bucket: b, Key: k}\n", "its definition is in S3, as s3://b/k"),
        ("      DefinitionUri: gone.json\n", "gone.json can't be read: No such file or directory"),
        ("      DefinitionUri: ../up.json\n", "../up.json is outside of the template's folder"),
        ("      DefinitionString: !Ref Text\n", "its definition hangs on Text"),
        ("      DefinitionUri: !Ref Place\n", "where its definition is hangs on Place"),
    ],
)
def test_what_can_not_be_seen_is_not_checked(run: Run, properties: str, reason: str) -> None:
    """It is named with its reason and place, and fails nothing; the rest of the template is checked."""
    write("template.yaml", HEAD + properties)
    done = run("validate", "template.yaml")
    assert done.exit_code == 0
    assert f"template.yaml:5:7: warning W0008 M is not checked: {reason}" in done.stdout
    assert "1 file: 0 errors, 1 warning" in done.stderr


def test_a_template_without_a_state_machine_is_not_checked(run: Run) -> None:
    """It is no definition, so it is not judged as one."""
    write("t.yaml", "Resources: {T: {Type: AWS::SNS::Topic}}\n")
    done = run("validate", "t.yaml")
    assert (done.exit_code, "it holds no state machine" in done.stdout) == (0, True)


def test_values_can_be_given(run: Run) -> None:
    """As for `express deploy`."""
    write("template.yaml", HEAD + "      DefinitionUri: !Sub '${Stage}.json'\nParameters: {Stage: {Type: String}}\n")
    write("dev.json", BROKEN)
    assert run("validate", "template.yaml").exit_code == 0
    done = run("validate", "template.yaml", "-s", "Stage=dev")
    assert (done.exit_code, "dev.json:1:" in done.stdout) == (1, True)


def test_the_type_is_the_templates(run: Run) -> None:
    """Of each machine its own; `--type` goes before it."""
    sync = '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", '
    sync += '"Parameters": {"JobName": "j"}, "End": true}}}'
    write("template.yaml", HEAD + f"      Type: !Ref Kind\n      DefinitionString: '{sync}'\n" + KIND)
    done = run("validate", "template.yaml")
    assert (done.exit_code, "E0901" in done.stdout) == (1, True)
    assert run("validate", "template.yaml", "--type", "STANDARD").exit_code == 0


KIND = "Parameters: {Kind: {Type: String, Default: EXPRESS}}\n"


def test_serverless_and_terraform(run: Run) -> None:
    """Files that a service names, and texts of a plan, with their places."""
    write("serverless.yml", "stepFunctions:\n  stateMachines:\n    m: ${file(m.yml)}\n    js: ${file(m.js)}\n")
    write("m.yml", "name: m\ndefinition:\n  StartAt: A\n  States:\n    A: {Type: Pass, Ende: yes}\n")
    done = run("validate", "serverless.yml")
    assert "m.yml:5:21: error E0102" in done.stdout
    assert "js is not checked: m.js is a program, which is not run" in done.stdout
    row = {"address": "a", "type": "aws_sfn_state_machine", "values": {"name": "m", "definition": BROKEN}}
    write("plan.json", json.dumps({"planned_values": {"root_module": {"resources": [row]}}}, indent=1))
    done = run("validate", "plan.json")
    assert (done.exit_code, "error E0102 Field 'Ende'" in done.stdout) == (1, True)


def test_the_standard_input_has_no_folder(run: Run) -> None:
    """A template from there names files that can't be found."""
    done = run("validate", "-", stdin=json.dumps({"Resources": {"M": ROW}}))
    assert (done.exit_code, "can't be found, as the template is not read from a file" in done.stdout) == (0, True)


ROW = {"Type": "AWS::Serverless::StateMachine", "Properties": {"DefinitionUri": "m.json"}}


def test_both_values_of_an_unknown_condition_are_checked(run: Run) -> None:
    """An Fn::If over a condition that hangs on a parameter without a value: each of its states is judged."""
    text = """\
Parameters: {Env: {Type: String}}
Conditions: {Prod: !Equals [!Ref Env, prod]}
Resources:
  M:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition:
        StartAt: A
        States:
          A: !If [Prod, {Type: Pass, Next: B}, {Type: Pass, Next: B, Comment: other}]
          B: !If [Prod, {Type: Succeed}, {Type: Fail}]
"""
    write("t.yaml", text)
    assert run("validate", "t.yaml").exit_code == 0
    for right in ("{Type: Succeed}", "{Type: Fail}"):
        broken = text.replace(right, "{Type: Sucseed}")
        write("t.yaml", broken)
        place = f"t.yaml:11:{broken.splitlines()[10].index('Sucseed') + 1}"
        done = run("validate", "t.yaml")
        assert (done.exit_code, done.stdout.count(" error "), place in done.stdout) == (1, 1, True), done.stdout


CORPUS = Path(__file__).parents[2].parent / "shared" / "conformance" / "definitions"


def forms(text: str) -> dict[str, dict[str, object]]:
    """One definition in each form that a template has for it."""
    third = len(text) // 3
    return {
        "text": {"DefinitionString": text},
        "joined": {"DefinitionString": {"Fn::Join": ["", [text[:third], text[third : 2 * third], text[2 * third :]]]}},
        "filled": {"DefinitionString": {"Fn::Sub": text.replace("${", "${!")}},
        "beside": {"DefinitionUri": "m.asl.json"},
        "object": {"Definition": json.loads(text)},
        "written": {"DefinitionString": {"Fn::ToJsonString": json.loads(text)}},
    }


@pytest.mark.skipif(not CORPUS.exists(), reason="needs shared/conformance beside the checkout")
def test_published_definitions_are_judged_alike_in_every_form(tmp_path: Path) -> None:
    """The findings of a definition alone are those of a template that holds it, and it is deployed unchanged."""
    rows = json.loads((CORPUS / "index.json").read_text())[::7]
    assert len(rows) > 100
    for row in rows:
        text = (CORPUS / row["file"]).read_text()
        alone = found(tmp_path / "m.asl.json", text)
        for form, properties in forms(text).items():
            machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
            template = json.dumps({"Resources": {"M": machine}})
            assert found(tmp_path / "t.json", template) == alone, (row["file"], form)
            (sent,) = read_templates(str(tmp_path / "t.json"), {})
            assert json.loads(sent.definition) == json.loads(text), (row["file"], form)


def found(file: Path, text: str) -> list[tuple[str, str]]:
    """Rule and pointer of every finding about a file."""
    file.write_text(text)
    findings = diagnose(str(file), text.encode(), Options(type="STANDARD"))
    return sorted((one.diagnostic.rule, one.diagnostic.at or one.diagnostic.location) for one in findings)


def test_formats_have_what_is_not_checked(run: Run) -> None:
    """JSON and SARIF too, as a warning."""
    write("t.json", json.dumps({"Resources": {"M": ROW}}))
    answer = json.loads(run("validate", "t.json", "--format", "json").stdout)
    assert (answer["result"], answer["diagnostics"][0]["rule"]) == ("OK", "W0008")
    assert (
        json.loads(run("validate", "t.json", "--format", "sarif").stdout)["runs"][0]["results"][0]["ruleId"] == "W0008"
    )
