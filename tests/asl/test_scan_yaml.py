"""YAML definitions: the data JSON would give, with places; bombs end as clean errors."""

from __future__ import annotations

import sys

import pytest

from express.asl.scan_yaml import scan_yaml
from express.errors import ConfigError, DefinitionError

MACHINE = """\
StartAt: Wait   # comment
States:
  Wait:
    Type: Wait
    Timestamp: 2016-03-14T01:59:00Z
    Comment: on
    Next: Call
  Call:
    Type: Task
    Resource: !GetAtt Function.Arn
    TimeoutSeconds: 5
    Retry: []
    End: true
"""


def test_it_reads_what_json_would_hold() -> None:
    """Timestamps and words such as `on` stay text; tags of CloudFormation become placeholders."""
    assert scan_yaml(MACHINE).data == {
        "StartAt": "Wait",
        "States": {
            "Wait": {"Type": "Wait", "Timestamp": "2016-03-14T01:59:00Z", "Comment": "on", "Next": "Call"},
            "Call": {
                "Type": "Task",
                "Resource": "${Function.Arn}",
                "TimeoutSeconds": 5,
                "Retry": [],
                "End": True,
            },
        },
    }


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("~", None),
        ("null", None),
        ("", None),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("0x10", "0x10"),
        ("-3", -3),
        ("2.5", 2.5),
        ("1e3", 1000.0),
        ("'5'", "5"),
        ("!Sub '${A}-x'", "${A}-x"),
        ("!Ref Name", "${Name}"),
        ("!Join ['', [a]]", "${Join}"),
    ],
)
def test_plain_words(word: str, value: object) -> None:
    """Words mean what JSON can say, quoted ones are text."""
    assert scan_yaml(f"a: {word}").data == {"a": value}


def test_places_and_repeated_names() -> None:
    """Places are those of the YAML text."""
    scanned = scan_yaml(MACHINE + "    End: true\n")
    position = scanned.find("/States/Call/Resource")
    assert (position.line, position.column, position.length) == (10, 5, 8)
    assert [(d.location, d.name) for d in scanned.duplicates] == [("/States/Call/End", "End")]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: [1", "E0001"),
        ("a: 'x", "E0001"),
        ("\tb: 1", "E0001"),
        ("", "E0002"),
        ("# nothing", "E0002"),
        ("a: &a [*a]", "E0004"),
        ("[" * 3000, "E0004"),
        ("- " * 3000, "E0004"),
        ("{" * 100_000, "E0004"),
        ("- &a x\n- *b", "E0001"),
        ("a: 1\n---\nb: 2", "E0001"),
        (
            "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 9)),
            "E0003",
        ),
    ],
)
def test_what_can_not_be_read(text: str, rule: str) -> None:
    """Syntax errors name a place; endless, deep and exploding texts end as errors, not as a full memory."""
    with pytest.raises(DefinitionError) as caught:
        scan_yaml(text)
    assert [d.rule for d in caught.value.diagnostics] == [rule]


TEMPLATE = """\
base: &base {Type: Pass, on: yes}
States:
  A: {<<: *base, End: true}
  B: {<<: [*base, {Extra: 1}], Type: Task}
Ref: !Ref A
Sub: !Sub
  - a${b}
  - {b: !GetAtt C.Arn}
Time: 2016-03-14T01:59:00Z
Account: 012345678901
"""


def test_a_template_is_read_as_cloudformation_reads_it() -> None:
    """Short tags are functions, words those of YAML 1.1, field names texts, and `<<` merges what is not there."""
    scanned = scan_yaml(TEMPLATE, template=True)
    assert scanned.data["States"] == {
        "A": {"Type": "Pass", "on": True, "End": True},
        "B": {"Type": "Task", "on": True, "Extra": 1},
    }
    assert scanned.data["Sub"] == {"Fn::Sub": ["a${b}", {"b": {"Fn::GetAtt": "C.Arn"}}]}
    assert (scanned.data["Ref"], scanned.data["Time"]) == ({"Ref": "A"}, "2016-03-14T01:59:00Z")
    assert scanned.data["Account"] == "012345678901"
    assert scanned.find("/Sub/Fn::Sub[1]/b/Fn::GetAtt").line == 8
    assert scanned.find("/States/A/on").line == 1
    assert scanned.duplicates == []


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("oN", "oN"),
        ("y", "y"),
        ("0x1F", 31),
        ("0b11", 3),
        ("1.5e+3", 1500.0),
        ("12:30:45", "12:30:45"),
        ("99999999999999999999", "99999999999999999999"),
        ("!!str yes", "yes"),
        ("'on'", "on"),
    ],
)
def test_words_of_a_template(word: str, value: object) -> None:
    """YAML 1.1, as CloudFormation reads it; whole numbers have 64 bits."""
    assert scan_yaml(f"a: {word}", template=True).data == {"a": value}


def test_without_pyyaml_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is an extra, and who needs it is told how to get it."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigError, match=r"pip install 'express\[yaml\]'"):
        scan_yaml("a: 1")
