"""Preludes: expressions that may meet large values give what they give without one, and pay for it."""

from pathlib import Path
from typing import Any

import jlens
import pytest

from express.budget import UNITS, Budget
from express.expr.jsonata import JsonataError, JsonataSyntaxError
from express.expr.jsonata.charges import HOSTED, SPEND
from express.expr.jsonata.evaluator import Meter
from express.expr.jsonata.function_table import FUNCTIONS as TABLE
from express.expr.jsonata.functions import Hosted, replacing
from express.expr.jsonata.limits import RANGE_END, RANGE_START, Ranges, bounded
from express.expr.jsonata.names import FUNCTIONS
from express.expr.jsonata.numbers import escaped
from express.expr.jsonata.parser import parse
from express.expr.jsonata.preludes import paid, prelude
from express.expr.jsonata.references import references
from express.expr.jsonata.replace import replace
from express.expr.jsonata.sharing import HELD
from tests.conformance.jsonata import load

from .support import SHARED

CASES: Path = SHARED / "conformance/jsonata"
OWN = {name for name, function in TABLE.items() if function.hosted is not None}
BEHIND = {name: function.behind for name, function in TABLE.items() if function.behind is not None}
LIMITS: dict[str, Any] = {"max_depth": 400, "max_steps": 500_000, "seed": 1, "now": 0}


def test_every_function_declares_its_charge() -> None:
    """A function that nobody has measured is not there: what is free, counted by steps, or paid is in one table."""
    for name, charge in ((name, function.charge) for name, function in TABLE.items()):
        kinds = (charge.free, charge.steps, charge.own, bool(charge.parameters))
        assert sum(kinds) == 1, name
        assert not charge.own or name in OWN or name in ("random", "uuid"), name


def outcome(expression: jlens.Expression, data: Any, bindings: Any) -> Any:
    """The value, or the code of the error."""
    try:
        return expression.evaluate(data, bindings, **LIMITS)
    except jlens.JlensError as error:
        return error.code
    except JsonataError as error:
        return error.code


def with_prelude(text: str) -> jlens.Expression:
    """An expression as the evaluator compiles it for large data."""
    node = parse(text, later=True)
    paying = bounded(text, node, paid=True)
    expression = jlens.Expression(f"({prelude(references(node).free, paying)}\n{paying}\n)")
    expression.register_function(f"{HELD}§", lambda *_: None)
    meter, ranges = Meter(), Ranges()
    meter.budget = Budget(10**9)
    behind = {**BEHIND, "replace": Hosted(replace, replacing, "<s-(sf)(sf)n?:s>")}
    for name, hosted in behind.items():
        expression.register_function(f"{name}{HOSTED}", meter.paying(hosted), hosted.signature)
    expression.register_function(SPEND, meter.spend)
    expression.register_function(RANGE_START, ranges.start)
    expression.register_function(RANGE_END, ranges.end)
    return expression


def test_a_prelude_changes_no_value_and_no_error() -> None:
    """Every case of the language suite that calls what pays, with and without a prelude."""
    if not CASES.exists():
        pytest.skip("shared/conformance/jsonata is not there")
    compared, different = 0, {}
    for case in load(CASES):
        text = escaped(case["expr"])
        try:
            node = parse(text, later=True)
            plain = jlens.Expression(text)
        except (JsonataSyntaxError, jlens.JlensError):
            continue
        if not paid(references(node).free) and "&" not in text:
            continue
        data, bindings = case.get("data"), case.get("bindings") or None
        if any(name in FUNCTIONS for name in bindings or ()) or "$eval" in text or "$shuffle" in text:
            continue
        compared += 1
        made, expected = outcome(with_prelude(text), data, bindings), outcome(plain, data, bindings)
        if made != expected:
            different[case["id"]] = (text, made, expected)
    assert not different
    assert compared > 400


@pytest.mark.parametrize("name", sorted({*paid(FUNCTIONS)} - OWN))
def test_a_function_that_pays_keeps_its_signature(name: str) -> None:
    """Called with what it does not take it says what it says without a prelude."""
    for text in (f"${name}(function() {{1}}, 1, 2, 3, 4)", f"$type(${name})", f"[1].${name}({{}}, {{}}, {{}}, {{}})"):
        assert outcome(with_prelude(text), {}, None) == outcome(jlens.Expression(text), {}, None)
    assert UNITS == 200_000
