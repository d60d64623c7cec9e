"""`express validate`: what it prints, where, in which format, and its exit codes."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from .conftest import Run

THREE = """\
{
  "StartAt": "Validate order",
  "States": {
    "Validate order": {
      "Type": "Task",
      "Resource": "arn:aws:states:::lambda:invoke",
      "Retrry": [{"ErrorEquals": ["States.ALL"], "BackoffRate": 2}],
      "Next": "Order sise?"
    },
    "Order size?": {
      "Type": "Choice",
      "Choices": [{"Variable": "$.n", "NumericGreaterThan": 10, "Next": "Dead letter"}],
      "Default": "Done"
    },
    "Dead letter": {
      "Type": "Pass"
    },
    "Done": {"Type": "Succeed"}
  }
}
"""

THREE_AS_TEXT = """\
three.asl.json:7:7: error E0102 Field 'Retrry' is not supported
  SCHEMA_VALIDATION_FAILED at /States/Validate order/Retrry
  7 |       "Retrry": [{"ErrorEquals": ["States.ALL"], "BackoffRate": 2}],
    |       ^^^^^^^^
  help: did you mean 'Retry'?

three.asl.json:8:15: error E0201 Missing 'Next' target: Order sise?
  MISSING_TRANSITION_TARGET at /States/Validate order/Next
  8 |       "Next": "Order sise?"
    |               ^^^^^^^^^^^^^
  help: did you mean 'Order size?'?

three.asl.json:15:5: error E0101 One of these fields is required: [Next, End]
  SCHEMA_VALIDATION_FAILED at /States/Dead letter
  15 |     "Dead letter": {
     |     ^^^^^^^^^^^^^
"""

GOOD = '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'
WARNING = '{"StartAt": "A", "States": {"A": {"Type": "Fail", "Error": "$.error"}}}'
SYNC = (
    '{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync", '
    '"End": true}}}'
)


def write(name: str, text: str) -> None:
    """A file in the current folder."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_three_mistakes_are_three_errors(run: Run) -> None:
    """Place, code, message, pointer, excerpt with carets, proposal; nothing that only follows (U7)."""
    write("three.asl.json", THREE)
    result = run("validate", "three.asl.json")
    assert result.stdout == THREE_AS_TEXT
    assert result.stderr == "1 file: 3 errors, 0 warnings\n"
    assert result.exit_code == 1


def test_what_follows_is_marked_and_counted_apart(run: Run) -> None:
    """A finding that goes when its cause goes is a note that names the cause."""
    write("a.json", '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Z"}, "B": {"Type": "Succeed"}}}')
    result = run("validate", "a.json")
    assert 'a.json:1:65: note E0202 State "B" is not reachable.' in result.stdout
    assert "  follows from E0201" in result.stdout
    assert result.stderr == "1 file: 1 error, 0 warnings, 1 that follows from these\n"


def test_nothing_found(run: Run) -> None:
    """stdout stays empty, the exit code is 0."""
    write("good.asl.json", GOOD)
    result = run("validate", "good.asl.json")
    assert (result.exit_code, result.stdout, result.stderr) == (
        0,
        "",
        "1 file: 0 errors, 0 warnings; 1 can be STANDARD or EXPRESS\n",
    )


def test_warnings_never_fail(run: Run) -> None:
    """They are shown unless they are not wanted."""
    write("w.asl.json", WARNING)
    result = run("validate", "w.asl.json")
    assert (result.exit_code, "warning W0411" in result.stdout) == (0, True)
    result = run("validate", "w.asl.json", "--no-warnings")
    assert (result.exit_code, result.stdout) == (0, "")


def test_the_type_matters(run: Run) -> None:
    """What a Standard machine may do, an Express machine may not."""
    write("sync.asl.json", SYNC)
    assert run("validate", "sync.asl.json").exit_code == 0
    result = run("validate", "sync.asl.json", "--type", "express")
    assert result.exit_code == 1
    assert "error E0901 Express state machine does not support '.sync' service integration" in result.stdout


def test_strict(run: Run) -> None:
    """What AWS refuses though others take it fails a strict run."""
    write("s.json", '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Assign": {"a-b": 1}, "End": true}}}')
    assert run("validate", "s.json").exit_code == 0
    assert run("validate", "s.json", "--strict").exit_code == 1


def test_json_is_the_answer_of_aws(run: Run) -> None:
    """AWS's object; each diagnostic has file, line, column and rule besides."""
    write("three.asl.json", THREE)
    answer = json.loads(run("validate", "--format", "json", "three.asl.json").stdout)
    assert (answer["result"], answer["truncated"]) == ("FAIL", False)
    assert answer["diagnostics"][0] == {
        "severity": "ERROR",
        "code": "SCHEMA_VALIDATION_FAILED",
        "message": "Field 'Retrry' is not supported",
        "location": "/States/Validate order",
        "file": "three.asl.json",
        "rule": "E0102",
        "line": 7,
        "column": 7,
        "hint": "did you mean 'Retry'?",
    }
    write("good.json", GOOD)
    assert json.loads(run("validate", "--format", "json", "good.json").stdout) == {
        "result": "OK",
        "diagnostics": [],
        "truncated": False,
    }


def test_github_annotations(run: Run) -> None:
    """One workflow command per finding, with its special characters escaped."""
    write("a,b.json", '{"StartAt": "100%", "States": {"A": {"Type": "Succeed"}}}')
    assert run("validate", "--format", "github", "a,b.json").stdout == (
        "::error file=a%2Cb.json,line=1,col=13,title=E0201 MISSING_TRANSITION_TARGET::Missing 'Next' target: 100%25\n"
    )


def test_sarif(run: Run) -> None:
    """Version 2.1.0: the rules that occur with their explanation, and each result with its region."""
    write("three.asl.json", THREE)
    (log,) = json.loads(run("validate", "--format", "sarif", "three.asl.json").stdout)["runs"]
    rules = log["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["E0101", "E0102", "E0201"]
    first = log["results"][0]
    assert rules[first["ruleIndex"]]["id"] == first["ruleId"] == "E0102"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "three.asl.json"},
        "region": {"startLine": 7, "startColumn": 7, "endColumn": 15},
    }


def test_files_patterns_and_folders(run: Run) -> None:
    """Folders are searched for definitions; other JSON in them is left alone; a name counts once."""
    write("flows/a.asl.json", GOOD)
    write("flows/deep/b.asl.yaml", "StartAt: A\nStates: {A: {Type: Succeed}}\n")
    write("flows/c.json", GOOD)
    write("flows/package.json", "{}")
    write("flows/node_modules/d.asl.json", "broken")
    assert run("validate", "flows").stderr.startswith("3 files:")
    assert run("validate", "flows/**/*.asl.*").stderr.startswith("3 files:")
    assert run("validate", "flows", "flows/a.asl.json").stderr.startswith("3 files:")
    assert run("validate", "flows/package.json").exit_code == 1


def test_yaml_has_places_too(run: Run) -> None:
    """Line and column are those of the YAML text."""
    write("a.asl.yaml", "StartAt: A\nStates:\n  A:\n    Type: Pass\n    Ende: true\n    End: true\n")
    assert run("validate", "a.asl.yaml").stdout.startswith("a.asl.yaml:5:5: error E0102 Field 'Ende'")


def test_broken_json_has_a_place(run: Run) -> None:
    """AWS's sentence, at the character that it is about."""
    write("a.asl.json", '{\n  "StartAt": "A"\n  "States": {}\n}\n')
    result = run("validate", "a.asl.json")
    assert result.stdout == (
        "a.asl.json:3:3: error E0001 Unexpected character ('\"' (code 34)): was expecting comma to separate Object "
        'entries\n  INVALID_JSON_DESCRIPTION\n  3 |   "States": {}\n    |   ^\n'
    )


def test_a_state_given_twice(run: Run) -> None:
    """JSON parsers drop the first one silently; the validator points at the second."""
    write("a.json", '{"StartAt": "A", "States": {\n"A": {"Type": "Fail"},\n"A": {"Type": "Succeed"}}}')
    result = run("validate", "a.json")
    assert result.exit_code == 1
    assert result.stdout.startswith("a.json:3:1: error E0204 Duplicate State name: A")


def test_definitions_inside_templates(run: Run) -> None:
    """Places are those of the template, the type is the template's unless another is asked for."""
    template = {
        "Resources": {
            "Flow": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"StateMachineType": "EXPRESS", "Definition": json.loads(SYNC)},
            }
        }
    }
    write("template.json", json.dumps(template, indent=1))
    result = run("validate", "template.json")
    assert result.stdout.startswith("template.json:12:20: error E0901")
    assert run("validate", "template.json", "--type", "STANDARD").exit_code == 0


def test_placeholders(run: Run) -> None:
    """What a deployment tool fills in may stand anywhere, unquoted too, unless it is forbidden."""
    write("a.asl.json", '{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": ${Delay}, "End": true}}}')
    assert run("validate", "a.asl.json").exit_code == 0
    assert run("validate", "a.asl.json", "--no-placeholders").exit_code == 1


def test_the_standard_input(run: Run) -> None:
    """`-` reads from it."""
    result = run("validate", "-", stdin=SYNC.replace("End", "Ende"))
    assert result.stdout.startswith("<stdin>:1:")


@pytest.mark.parametrize("arguments", [("nowhere.json",), (), ("--format", "xml", "x"), ("--type", "FAST", "x")])
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    """Exit code 2, the reason on stderr, nothing on stdout."""
    result = run("validate", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


def test_an_empty_folder_is_wrong_usage(run: Run) -> None:
    """A check that checked nothing must not look like a success."""
    Path("empty").mkdir()
    assert run("validate", "empty").exit_code == 2


@pytest.mark.parametrize("raw", [b"\xff\xfe{", b"", b"\xef\xbb\xbf[]", b"\x00", b'"\xed\xa0\x80"'])
def test_any_bytes(run: Run, raw: bytes) -> None:
    """Bytes that are no definition are a finding, never a crash; a byte-order mark does not matter."""
    Path("x.asl.json").write_bytes(raw)
    for style in ("text", "json", "github", "sarif"):
        assert run("validate", "x.asl.json", "--format", style).exit_code == 1


def test_a_long_line_is_cut_around_the_place(run: Run) -> None:
    """Minified files stay readable."""
    write("a.json", '{"Comment": "' + "x" * 5000 + '", "StartAt": "A", "Statess": {"A": {"Type": "Succeed"}}}')
    lines = run("validate", "a.json").stdout.splitlines()
    assert max(map(len, lines)) < 200
    excerpt = next(i for i, line in enumerate(lines) if '"Statess"' in line and line.startswith("  1 |"))
    start = lines[excerpt].index('"Statess"')
    assert lines[excerpt + 1][start : start + 9] == "^" * 9


def test_one_file_takes_no_time(run: Run) -> None:
    """A hundred states are validated in a few milliseconds, with slack for slow machines."""
    states: dict[str, object] = {f"S{i}": {"Type": "Pass", "Next": f"S{i + 1}"} for i in range(100)}
    write("a.json", json.dumps({"StartAt": "S0", "States": {**states, "S100": {"Type": "Succeed"}}}, indent=2))
    run("validate", "a.json")
    started = time.process_time()
    assert run("validate", "a.json").exit_code == 0
    assert time.process_time() - started < 0.25
