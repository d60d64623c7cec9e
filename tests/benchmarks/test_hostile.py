"""The corpus of hostile expressions: each ends within the budget of its state, whatever it is given."""

from typing import Any

import orjson
import pytest

from benchmarks import hostile
from express.budget import UNITS
from express.engine import About, Program, start
from express.engine.effects import Finish
from express.expr.intrinsics.functions import FUNCTIONS
from express.expr.jsonpath.filters import COMPARISONS

LANGUAGES = ("jsonata", "jsonpath", "intrinsics")
ENDS = (
    "Expression evaluation timeout",
    "Expression evaluation memory limit exceeded",
    "Stack overflow",
    "The JSONPath expression visits more than 100000 nodes",
    "The JSONPath expression selects more than 262144 bytes",
    "is given too much data",
    "a size exceeding the maximum number of bytes service limit",
    "Invalid arguments in ",
    "returned nothing (undefined)",
    ". D",
    ". T",
)
"""How an expression of the corpus may fail: by a bound, or since it is wrong."""


class Still:
    """Chance, and a clock of processor time that stands: only what is counted can end an expression."""

    def random(self) -> float:
        return 0.5

    def uuid(self) -> str:
        return "00000000-0000-4000-8000-000000000000"

    def token(self, key: str) -> str:
        return key

    def spent(self) -> float:
        return 0.0


def spent(program: Program, data: Any) -> tuple[Finish, int]:
    """How the one state of a machine ends on the table, and the units that it has spent."""
    x, effects = start(program, data, 0.0, about=About(), entropy=Still(), size=len(orjson.dumps(data)))
    finish = hostile.finished(x, effects)
    return finish, UNITS - (x.allowance.units if x.allowance else UNITS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_hostile_expression_ends_within_the_units_of_its_state(language: str) -> None:
    """It succeeds with what it may spend, or fails by a bound; no expression spends more, or for nothing known."""
    count = paid = 0
    for case in hostile.cases():
        if case.language != language:
            continue
        count += 1
        finish, units = spent(case.program, case.data)
        assert 0 <= units <= UNITS, case.text
        assert finish.status == "SUCCEEDED" or any(end in str(finish.cause) for end in ENDS), (case.text, finish.cause)
        paid += units > 0
    assert count >= 100
    assert paid >= count // 2


def test_both_tiers_end_hostile_expressions_alike() -> None:
    """Generated code leaves to the table what is large: output, error and cause are the same over 8 KiB."""
    compared = 0
    for case in hostile.cases(size=8_192):
        if any(name in case.text for name in ("shuffle", "Random", "UUID", "=~")):  # a pattern remembers what it met
            continue
        ends = [
            hostile.run(case.program, case.data, 8_192, segments=segments, entropy=Still())
            for segments in (True, False)
        ]
        if any("timeout" in str(end.cause) for end in ends):  # at a limit of wall time, which is last resort
            continue
        compared += 1
        assert ends[0].status == ends[1].status, case.text
        assert ends[0].error == ends[1].error, case.text
        assert ends[0].cause == ends[1].cause, case.text
        assert ends[0].output == ends[1].output, case.text
    assert compared > 300


def jsonata(*fields: str) -> dict[str, Any]:
    """A machine of one Pass state, whose Output has many members."""
    output = {f"m{number}": f"{{% {text} %}}" for number, text in enumerate(fields)}
    state = {"Type": "Pass", "Output": output, "End": True}
    return {"QueryLanguage": "JSONata", "StartAt": "S", "States": {"S": state}}


def test_the_expressions_of_a_state_share_one_budget() -> None:
    """What one of them may do once, forty of them may not do once each."""
    one = "$count($sort($states.input.numbers))"
    data = hostile.document(one, 100_000)
    alone, _ = spent(hostile.compile_definition(jsonata(one)), data)
    together, units = spent(hostile.compile_definition(jsonata(*[one] * 40)), data)
    assert alone.status == "SUCCEEDED"
    assert together.error == "States.QueryEvaluationError"
    assert units == UNITS


def test_the_paths_and_intrinsics_of_a_state_share_one_budget() -> None:
    """The members of one template pay from the same budget."""
    text = "$.numbers[?(@ > 5)]"
    data = hostile.document(text, 100_000)
    ends = []
    for members in (1, 40):
        parameters = {f"m{number}.$": text for number in range(members)}
        state = {"Type": "Pass", "Parameters": {"x": parameters}, "ResultPath": None, "End": True}
        machine = {"StartAt": "S", "States": {"S": state}}
        ends.append(spent(hostile.compile_definition(machine), data)[0])
    assert [end.status for end in ends] == ["SUCCEEDED", "FAILED"]
    assert ends[1].error == "States.Runtime"


def test_every_state_has_a_budget_of_its_own() -> None:
    """Forty states may each do what one may do."""
    one = "{'n': $count($sort($states.input.numbers)), 'numbers': $states.input.numbers}"
    states = {
        f"S{number}": {"Type": "Pass", "Output": f"{{% {one} %}}", "Next": f"S{number + 1}"} for number in range(40)
    }
    states["S40"] = {"Type": "Succeed"}
    machine = {"QueryLanguage": "JSONata", "StartAt": "S0", "States": states}
    data = hostile.document(one, 100_000)
    assert spent(hostile.compile_definition(machine), data)[0].status == "SUCCEEDED"


def test_every_intrinsic_function_declares_its_charge() -> None:
    """One whose cost grows with its arguments has units; the others are known to be cheap whatever they are given."""
    cheap = {name for name, function in FUNCTIONS.items() if function.units is None}
    constant = {"Array", "ArrayGetItem", "ArrayLength", "MathAdd", "MathRandom", "UUID"}
    assert cheap == {f"States.{name}" for name in constant}


@pytest.mark.parametrize("operator", sorted(COMPARISONS))
def test_every_operator_of_filters_is_paid_for(operator: str) -> None:
    """Over and over, each comparison of large values costs units, as long as there are any."""
    text = f"$.same[?($.words {operator} $.words)]"
    case = hostile.Case("jsonpath", text, hostile.compile_definition(hostile.definition("jsonpath", text)), None)
    data = hostile.document(text, hostile.BYTES)
    _, units = spent(case.program, data)
    assert units >= 4 * len(data["same"])
