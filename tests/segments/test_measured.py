"""Data near the limit of 262,144 bytes: the segments find exactly what the table finds, and leave the rest alone."""

from __future__ import annotations

from typing import Any

import pytest

from express.engine import About, deliver, start
from express.engine.effects import Finish, StartTask
from express.engine.events import TaskFailed, TaskSucceeded
from express.engine.handover import inflate
from express.engine.program import END
from express.engine.segments import again, begin
from express.values import PAYLOAD_LIMIT, dumps, size
from tests.engine.scripts import Fixed, program, task

TAKE = {"id.$": "$.id", "n.$": "$.n"}
CATCH = [{"ErrorEquals": ["States.ALL"], "Next": "S2", "ResultPath": "$.error"}]
COPY = {"StartAt": "I", "States": {"I": {"Type": "Pass", "Parameters": {"v.$": "$", "w": 1}, "End": True}}}
MARK = {"StartAt": "J", "States": {"J": {"Type": "Pass", "Result": "x", "ResultPath": "$.mark", "End": True}}}
TEXT = "{% $states.input.id & '-' & $states.input.pad %}"

MACHINES = {
    "put": [{"Type": "Pass", "Parameters": TAKE, "ResultPath": f"$.a_rather_long_name_{i}"} for i in range(12)],
    "constant": [{"Type": "Pass", "Result": {"a": [1]}, "ResultPath": "$.deep.down.here"}, {"Type": "Succeed"}],
    "copy": [{"Type": "Pass", "Parameters": {"a.$": "$.pad", "b.$": "$.pad"}}, {"Type": "Pass", "InputPath": "$.a"}],
    "format": [{"Type": "Pass", "Parameters": {"t.$": "States.Format('{} of {}', $.id, $.pad)"}, "ResultPath": "$.r"}],
    "answer": [task(Parameters=TAKE, ResultPath="$.r"), {"Type": "Pass", "Parameters": {"r.$": "$.r", "p.$": "$.pad"}}],
    "replaced": [task(), {"Type": "Pass", "Parameters": {"a.$": "$.y", "b.$": "$"}}],
    "caught": [task(Parameters=TAKE, Catch=CATCH), {"Type": "Succeed"}, {"Type": "Pass", "ResultPath": "$.again"}],
    "parallel": [{"Type": "Parallel", "Branches": [COPY, MARK], "ResultPath": "$.p"}, {"Type": "Succeed"}],
    "map": [{"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": COPY, "ResultPath": "$.m"}],
    "choice": [
        {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 2, "Next": "S1"}], "Default": "S2"},
        {
            "Type": "Pass",
            "Parameters": {"a.$": "$", "b.$": "$", "c.$": "$", "d.$": "$"},
            "InputPath": "$.id",
            "End": True,
        },
        {"Type": "Pass", "Parameters": {"was.$": "$.pad"}, "ResultPath": "$.q"},
    ],
}
JSONATA = {
    "text": [{"Type": "Pass", "Output": {"t": TEXT, "u": "{% $states.input.n + 1 %}"}}],
    "variables": [
        {"Type": "Pass", "Assign": {"x": "{% $states.input.pad %}", "t": TEXT}},
        {"Type": "Pass", "Output": {"x": "{% $x %}", "items": "{% $states.input.items %}"}},
        {"Type": "Pass", "Output": {"x": "{% $states.input.x %}", "y": "{% $x %}"}},
    ],
    "answer": [task(Output={"r": "{% $states.result %}", "p": "{% $states.input.pad %}"}), {"Type": "Succeed"}],
}


def answer(payload: Any, bytes_: int, name: str) -> Any:
    """What the task of a machine answers."""
    return TaskFailed(1, "Boom", "y" * (bytes_ // 3)) if name == "caught" else {"y": "é" * (bytes_ // 6)}


def outcome(x: Any, effects: list[Any], answers: Any) -> tuple[Any, ...]:
    """How an execution ends on the table."""
    while x.finished is None:
        asked = next(effect for effect in effects if type(effect) is StartTask)
        found = answers(asked.input)
        failed = type(found) is TaskFailed
        event = TaskFailed(asked.seq, found.error, found.cause) if failed else TaskSucceeded(asked.seq, found)
        effects = deliver(x, event, 2.0)
    finish: Finish = x.finished
    return (finish.status, finish.error, finish.output)


def on_segments(machine: Any, data: Any, answers: Any) -> tuple[Any, ...]:
    """How it ends where the segments begin it."""
    call = lambda row, payload, counts, tries: answers(payload)  # noqa: E731
    point = begin(machine, machine.segments, data, size(data), call)
    while len(point) == 8:
        point = again(machine, machine.segments, point, call)
    if point[0] == END:
        return ("SUCCEEDED", None, point[1])
    return outcome(*inflate(machine, point, data, 1.0, About(), Fixed(), 300.0, 0.0), answers)


def near(machine: Any, name: str, pad: str) -> set[Any]:
    """Hold both to each other over inputs of all sizes; the errors that came up."""
    errors = set()
    whole = [*range(40), *range(40, PAYLOAD_LIMIT, 9_973)]
    for part in (1, 2, 3, 4):
        whole += [PAYLOAD_LIMIT // part - more for more in range(-4, 900, 31)]
    for bytes_ in whole:
        base = {"id": "evt-1", "n": 1, "items": [{"k": 1}, {"k": 2}], "deep": {}, "pad": ""}
        data = {**base, "pad": pad * max(0, (bytes_ - size(base)) // len(pad.encode()))}
        if size(data) > PAYLOAD_LIMIT:
            continue
        answers = lambda payload, bytes_=bytes_: answer(payload, bytes_, name)  # noqa: E731
        found = on_segments(machine, data, answers)
        assert found == outcome(*start(machine, data, 0.0, size=size(data)), answers), (name, bytes_)
        errors.add(found[1])
    return errors


@pytest.mark.parametrize("name", [*MACHINES, *(f"{name} in JSONata" for name in JSONATA)])
def test_the_limit_is_the_tables(name: str) -> None:
    """Inputs of every size, near the limit and its parts in small steps, end alike on both."""
    jsonata = name.removesuffix(" in JSONata")
    machine = program(*MACHINES[name]) if name in MACHINES else program(*JSONATA[jsonata], QueryLanguage="JSONata")
    assert None in near(machine, name, "x")
    near(machine, name, "é")


def test_data_of_a_hundred_kilobytes_stays_on_the_segments() -> None:
    """Only what may really pass the limit is left to the table."""
    machine = program(*MACHINES["put"])
    data = {"id": "evt-1", "n": 1, "pad": "x" * 100_000}
    point = begin(machine, machine.segments, data, size(data), None)  # type: ignore[arg-type]  # it calls nothing

    assert point[0] == END
    assert len(point[1]) == len(data) + 12
    assert len(dumps(point[1])) < PAYLOAD_LIMIT
