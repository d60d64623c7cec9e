"""A turn of the engine ends by what its states cost, not by their number alone."""

from __future__ import annotations

import itertools
import json
from typing import Any

import orjson
import pytest

from express.budget import GENERATED, UNITS
from express.compiler import compile_definition
from express.engine import About, Program, advance, start
from express.engine.effects import Yield
from express.engine.execution import TURN_SECONDS
from express.engine.handover import inflate
from express.engine.interpreter import STEPS_PER_TURN
from express.engine.program import END
from express.engine.segments import begin
from tests.engine.scripts import Fixed

TEXT = json.dumps(list(range(12_000)))
ITEMS = list(range(990))


class Ticking(Fixed):
    """A clock of processor time by which each look at it takes a tenth of a turn."""

    def __init__(self) -> None:
        self.now = 1.0

    def spent(self) -> float:
        self.now += TURN_SECONDS / 10
        return self.now


def loop(language: str, *states: dict[str, Any]) -> Program:
    """An endless loop over some Pass states."""
    condition = (
        {"Condition": "{% $states.input = 7 %}"} if language == "JSONata" else {"Variable": "$.no", "IsPresent": True}
    )
    named: dict[str, Any] = {f"S{i}": {"Type": "Pass", **s, "Next": f"S{i + 1}"} for i, s in enumerate(states)}
    named[f"S{len(states)}"] = {"Type": "Choice", "Choices": [{**condition, "Next": "E"}], "Default": "S0"}
    named["E"] = {"Type": "Succeed"}
    return compile_definition({"QueryLanguage": language, "StartAt": "S0", "States": named})


def chain(states: int, members: int, text: str) -> Program:
    """Pass states one behind the other, each of so many members."""
    made = {f"m{number}.$": text for number in range(members)}
    named: dict[str, Any] = {
        f"S{i}": {"Type": "Pass", "Parameters": made, "ResultPath": "$.made", "Next": f"S{i + 1}"}
        for i in range(states)
    }
    named[f"S{states}"] = {"Type": "Succeed"}
    return compile_definition({"StartAt": "S0", "States": named})


COSTLY = {
    "a text parsed by JSONata": ("JSONata", {"Assign": {"n": "{% $count($parse($states.input.t)) %}"}}),
    "a text written by JSONata": ("JSONata", {"Assign": {"n": "{% $length($string($states.input)) %}"}}),
    "a text parsed by an intrinsic": (
        "JSONPath",
        {"Parameters": {"x.$": "States.StringToJson($.t)"}, "ResultPath": "$.r"},
    ),
    "generated code": ("JSONata", {"Assign": {"n": "{% $sum($map($states.input.n, function($x) {$x * 2})) %}"}}),
    "a filter": ("JSONPath", {"Parameters": {"x.$": "$.n[?(@ > 5)]"}, "ResultPath": "$.r"}),
}


@pytest.mark.parametrize("kind", COSTLY)
def test_states_that_cost_more_make_a_turn_of_fewer(kind: str) -> None:
    """Whatever is charged counts as steps: without any clock, a turn is a fraction of what cheap states may be."""
    language, state = COSTLY[kind]
    x, effects = start(loop(language, state), {"t": TEXT, "n": ITEMS}, 0.0, entropy=Fixed())
    entered = []
    for _ in range(5):
        assert Yield() in effects
        entered.append(x.transitions)
        effects = advance(x, 0.0)
    turns = [after - before for before, after in itertools.pairwise(entered)]
    assert max(turns) <= STEPS_PER_TURN // 5, turns


def test_a_turn_ends_when_its_time_is_up() -> None:
    """Where the host has a clock, what nobody counts ends a turn, too: it is looked at every few states."""
    program = loop("JSONPath", {"Result": 1})
    x, _ = start(program, {}, 0.0, entropy=Fixed())
    assert x.transitions == STEPS_PER_TURN
    x, effects = start(program, {}, 0.0, entropy=Ticking())
    assert Yield() in effects
    assert x.transitions < STEPS_PER_TURN // 2


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("$.n[?(@ > 5)]", 20),
        ("States.ArrayUnique($.n)", 20),
        ("States.JsonToString($.n)", 20),
        ("States.JsonMerge($.w, $.w, false)", 4),
    ],
)
def test_segments_hand_over_what_takes_long(text: str, members: int) -> None:
    """Generated code of many states gives what is large to the interpreter, which yields; the output is the same."""
    program = chain(60, members, text)
    assert program.segments is not None
    data = {"n": ITEMS, "w": {f"k{number}": number for number in range(2_000)}}
    GENERATED.units = UNITS
    point = begin(program, program.segments, data, len(orjson.dumps(data)), lambda *_: None)
    assert point[0] != END
    assert GENERATED.units > -UNITS
    x, effects = inflate(program, point, data, 0.0, About(), Fixed(), 300.0, 0.0)
    turns = 0
    while x.finished is None:
        assert Yield() in effects
        effects, turns = advance(x, 0.0), turns + 1
    assert turns > 2
    assert x.finished.status == "SUCCEEDED"
    assert x.finished.output["made"].keys() == {f"m{number}" for number in range(members)}


def test_one_record_does_not_spoil_the_next() -> None:
    """What one execution has spent is no other one's: the interpreter begins with a full budget."""
    program = chain(2, 2, "States.ArrayUnique($.n)")
    assert program.segments is not None
    data = {"n": ITEMS}
    GENERATED.units = -1
    point = begin(program, program.segments, data, 4_000, lambda *_: None)
    assert point[0] != END
    inflate(program, point, data, 0.0, About(), Fixed(), 300.0, 0.0)
    assert GENERATED.units > 0
    assert begin(program, program.segments, data, 4_000, lambda *_: None)[0] == END
