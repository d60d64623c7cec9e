"""What an execution is started with: one limit and one rule for integers, wherever it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from express.api.jsontext import NotJson, parse
from express.cli import main
from express.errors import ConfigError
from express.runtime.records.json_input import Rejected, admit
from express.testing import run
from express.values import PAYLOAD_LIMIT, dumps

MACHINE: dict[str, Any] = {"StartAt": "S", "States": {"S": {"Type": "Pass", "End": True}}}

FITS = json.dumps("x" * (PAYLOAD_LIMIT - 2))
REFUSED = {
    "too large": json.dumps("x" * (PAYLOAD_LIMIT - 1)),
    "an integer of 65 bits": '{"n": 9223372036854775808}',
    "an integer below": '{"n": [-9223372036854775809]}',
    "a long integer": '{"n": 123456789012345678901234567890}',
}


@pytest.fixture
def machine(tmp_path: Path) -> str:
    """A file with a machine that gives its input."""
    file = tmp_path / "m.asl.json"
    file.write_bytes(dumps(MACHINE))
    return str(file)


def exec_(machine: str, text: str, folder: Path) -> Any:
    file = folder / "in.json"
    file.write_text(text)
    return CliRunner().invoke(main, ["exec", machine, "-i", f"@{file}"])


@pytest.mark.parametrize("case", REFUSED)
def test_every_entrance_refuses_the_same_input(case: str, machine: str, tmp_path: Path) -> None:
    """Records, requests, `express exec` and `express.testing` refuse it; nothing becomes another number."""
    text = REFUSED[case]
    with pytest.raises(Rejected):
        admit(text.encode())
    with pytest.raises(NotJson):
        parse(text)
    assert exec_(machine, text, tmp_path).exit_code == 2
    with pytest.raises(ConfigError, match="the input can't be used"):
        run(MACHINE, input=json.loads(text))


def test_every_entrance_takes_the_largest_input(machine: str, tmp_path: Path) -> None:
    """At the limit, and the largest integers with it."""
    assert parse(FITS) == admit(FITS.encode())
    assert exec_(machine, FITS, tmp_path).exit_code == 0
    assert run(MACHINE, input=json.loads(FITS)).status == "SUCCEEDED"
    assert run(MACHINE, input=[2**63 - 1, -(2**63)]).output == [2**63 - 1, -(2**63)]


def jsonata(expression: str) -> Any:
    return run(
        {"StartAt": "S", "QueryLanguage": "JSONata", "States": {"S": {**PASS, "Output": f"{{% {expression} %}}"}}}
    )


PASS = {"Type": "Pass", "End": True}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$floor(1e25)", 1e25),
        ("$ceil(-1e25)", -1e25),
        ("$round(1e25)", 1e25),
        ("10000000000 * 10000000000", 1e20),
        ("{'a': [10000000000 * 10000000000]}", {"a": [1e20]}),
        ("$sum([9223372036854775807, 9223372036854775807])", 2.0**64),
        ("$parse('123456789012345678901')", 123456789012345678901.0),
        ("$floor(2.5)", 2),
    ],
)
def test_jsonata_calculates_with_doubles(expression: str, value: Any) -> None:
    """A whole result beyond 64 bits is a double, never an integer that can't be written."""
    result = jsonata(expression)
    assert (result.status, result.output) == ("SUCCEEDED", value)
    assert [type(item) for item in _leaves(result.output)] == [type(item) for item in _leaves(value)]


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _leaves(item)]
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("$sqrt(-2)", "D3060: The sqrt function cannot be applied to a negative number: -2"),
        ("$power(-2, 0.5)", "as a JSON number: base=-2, exponent=0.5"),
        ("$formatBase(1, 40)", "must be between 2 and 36.  It was given 40"),
        ("[1..100000000]", "Attempted to allocate 100000000."),
    ],
)
def test_whole_numbers_in_texts_have_no_fraction(expression: str, text: str) -> None:
    """As the reference implementation writes them."""
    assert text in (jsonata(expression).cause or "")


def test_a_text_with_a_long_integer_is_no_json_for_string_to_json() -> None:
    """States.StringToJson fails where it would give another number."""
    state = {**PASS, "Parameters": {"a.$": "States.StringToJson($.t)"}}
    machine = {"StartAt": "S", "States": {"S": state}}
    assert run(machine, input={"t": "9223372036854775807"}).output == {"a": 2**63 - 1}
    failed = run(machine, input={"t": "9223372036854775808"})
    assert (failed.status, failed.error) == ("FAILED", "States.IntrinsicFailure")
