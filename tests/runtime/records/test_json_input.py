"""The door for payloads: what is let in can be run, held and written again."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Awaitable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.engine import About
from express.engine.effects import StartTask
from express.ports import Integration, TaskContext
from express.runtime.clock import SystemClock
from express.runtime.executor.executor import Executor
from express.runtime.records.json_input import OVERSIZE, POISON, Rejected, admit, heap_bytes
from express.values import JSON, PAYLOAD_LIMIT, dumps
from tests.engine.scripts import program, task

TASK = task()


class Sleeper(Integration):
    """An integration that never answers."""

    def start(self, task: StartTask, context: TaskContext) -> Awaitable[JSON]:
        return asyncio.sleep(3_600)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


ADMITTED = [
    (b"null", None),
    (b" 1 ", 1),
    (b'"text"', "text"),
    (b"true", True),
    (b'{"a":1,"a":2}', {"a": 2}),
    (b"9223372036854775807", 2**63 - 1),
    (b"-9223372036854775808", -(2**63)),
    (b"1e300", 1e300),
    (b"1e-400", 0.0),
    (b"-0.0", -0.0),
    (b"-0", 0),
    (b"0.12345678901234567890123", 0.12345678901234568),
    (b"12345678901234567890.5", 12345678901234567890.5),
    (b'"12345678901234567890123"', "12345678901234567890123"),
    (b'["\\"12345678901234567890123"]', ['"12345678901234567890123']),
    (b'"\\u0000"', "\x00"),
    (b'"\\ud83d\\ude00"', "\U0001f600"),
]

REFUSED = [
    b"",
    b" ",
    b"{",
    b"[1,]",
    b"nul",
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e400",
    b"-1e400",
    b"1" * 4301,
    b"9223372036854775808",
    b"-9223372036854775809",
    b"18446744073709551616",
    b'{"a":[1,{"b":123456789012345678901}]}',
    b'{"n":"12345678901234567890", "m":12345678901234567890}',
    b"\xef\xbb\xbf1",
    b"\x00",
    b'"\x00"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"\\ud800"',
    b"'a'",
    b"1 2",
    b"01",
]


@pytest.mark.parametrize(("value", "data"), ADMITTED)
def test_json_is_let_in(value: bytes, data: object) -> None:
    """Any JSON value is a payload, scalars too; of duplicate keys the last one counts."""
    assert admit(value) == data


@pytest.mark.parametrize("value", REFUSED, ids=repr)
def test_what_is_no_json_is_poison(value: bytes) -> None:
    """Text that is no JSON, not UTF-8, or a number that no 64-bit type holds is refused, never bent."""
    with pytest.raises(Rejected) as refused:
        admit(value)

    assert refused.value.disposition == POISON


def test_a_tombstone_is_poison() -> None:
    """A record without a value holds no payload."""
    with pytest.raises(Rejected, match="tombstone"):
        admit(None)


@pytest.mark.parametrize("depth", [199, 200])
def test_deep_values_within_the_limit_can_be_written_again(depth: int) -> None:
    """Whatever is let in can be written: 200 levels are well below the 254 that orjson writes."""
    assert dumps(admit(nested(depth))) == nested(depth)


@pytest.mark.parametrize("depth", [201, 254, 255, 1024, 1025, 130_000])
def test_deeper_values_are_poison(depth: int) -> None:
    """Values that could be read and not written again never reach an execution."""
    with pytest.raises(Rejected) as refused:
        admit(nested(depth))

    assert refused.value.disposition == POISON


def test_many_brackets_are_not_depth() -> None:
    """Brackets side by side or in a text nest nothing."""
    assert len(admit(b"[" + b",".join([b"[]"] * 500) + b"]")) == 500
    assert admit(b'"' + b"[" * 500 + b'"') == "[" * 500


@pytest.mark.parametrize(
    ("size", "fits"), [(PAYLOAD_LIMIT - 1, True), (PAYLOAD_LIMIT, True), (PAYLOAD_LIMIT + 1, False)]
)
@pytest.mark.parametrize("letter", ["a", "ä", "€"])
def test_the_size_limit_is_exact(size: int, fits: bool, letter: str) -> None:
    """262,144 bytes of UTF-8 are let in, one more is States.DataLimitExceeded, whatever the characters."""
    body = letter * ((size - 2) // len(letter.encode()))
    value = b'"' + body.encode() + b'"' + b" " * (size - 2 - len(body.encode()))

    if fits:
        assert admit(value) == body
        return
    with pytest.raises(Rejected) as refused:
        admit(value)
    assert (refused.value.disposition, refused.value.error) == (OVERSIZE, "States.DataLimitExceeded")


@pytest.mark.parametrize("element", [b"{}", b"[]", b"1", b'""'])
def test_heap_bombs_are_refused(element: bytes) -> None:
    """At most 50,000 values: 49,999 in an array are let in, 50,000 are not, whatever their kind."""
    assert len(admit(b"[" + b",".join([element] * 49_999) + b"]")) == 49_999
    with pytest.raises(Rejected) as refused:
        admit(b"[" + b",".join([element] * 50_000) + b"]")

    assert refused.value.disposition == OVERSIZE


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=5) | st.dictionaries(st.text(), children, max_size=5),
    max_leaves=30,
)


def integers_fit(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(integers_fit, value.values()))
    if isinstance(value, list):
        return all(map(integers_fit, value))
    return type(value) is not int or -(2**63) <= value < 2**63


@given(JSON_VALUES)
def test_the_quick_check_sees_what_a_walk_sees(value: object) -> None:
    """An integer beyond 64 bits is found wherever it stands, and nothing else is taken for one."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return

    if integers_fit(value):
        assert admit(text) == value
    else:
        with pytest.raises(Rejected):
            admit(text)


@pytest.mark.parametrize(
    "value",
    [
        b"[" + b",".join([b"{}"] * 40_000) + b"]",
        b"[" + b",".join([b"[]"] * 40_000) + b"]",
        b"[" + b",".join([b"1.5"] * 40_000) + b"]",
        b"[" + b",".join([b'"ab%d"' % i for i in range(25_000)]) + b"]",
        b"{" + b",".join([b'"k%d":%d' % (i, i + 1000) for i in range(15_000)]) + b"}",
        b'{"a":1,"b":"text","c":[1,2,3]}',
    ],
)
def test_the_heap_estimate_is_no_less_than_the_heap(value: bytes) -> None:
    """Back-pressure counts at least what a parsed payload really takes."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    data = admit(value)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()

    assert data
    assert heap_bytes(value) >= used


@pytest.mark.parametrize(("items", "inner"), [(1, TASK), (40, TASK), (40, {"Type": "Wait", "Seconds": 60})])
async def test_iterations_that_wait_are_in_the_estimate(items: int, inner: dict[str, Any]) -> None:
    """A Map whose iterations all wait takes no more than is estimated for its execution, give or take a tenth."""
    body = {"StartAt": "I", "States": {"I": {**inner, "End": True}}}
    machine = program({"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": body})
    executor = Executor(SystemClock(), Sleeper())
    value = dumps({"items": list(range(items))})
    tracemalloc.start()
    try:
        runs = [executor.submit(machine, admit(value), About("a", "b"), lambda run, finish: None)[1] for _ in range(50)]
        await asyncio.sleep(0)
        used = tracemalloc.get_traced_memory()[0] / len(runs)
    finally:
        tracemalloc.stop()
    for run in runs:
        assert run is not None
        executor.drop(run)
    await executor.close()

    assert heap_bytes(value, machine.width) >= 0.9 * used
