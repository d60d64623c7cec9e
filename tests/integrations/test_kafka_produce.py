"""Kafka as a target, without a broker: what records carry of the execution that writes them."""

from __future__ import annotations

import asyncio
import re

import pytest

from express.asl.resources import parse_resource
from express.engine.effects import StartTask
from express.errors import StatesError
from express.integrations.kafka_produce import KafkaProduce
from express.ports import Outgoing, Partition, Placed, TaskContext
from express.values import JSON

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Shelf:
    """Topics that keep what is put into them."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def produce(self, record: Outgoing) -> Placed:
        self.records.append(record)
        return Placed(Partition(record.topic, 0), 0, 1.0)


def sent(request: JSON, trace: tuple[str, str] | None = None) -> Outgoing:
    """The record that a request makes."""
    shelf = Shelf()
    task = StartTask(1, parse_resource("arn:express:kafka:::produce"), request, "S", "S#1")
    asyncio.run(shelf_of(shelf, task, trace))
    return shelf.records[0]


async def shelf_of(shelf: Shelf, task: StartTask, trace: tuple[str, str] | None) -> None:
    await KafkaProduce(["audit"], shelf, None).start(task, TaskContext("arn:e", "m", 1e12, trace))  # type: ignore[misc]


def test_a_list_of_headers_is_several_of_one_name() -> None:
    """As the envelope `record` gives them, so that what came in can go out; null is a header without a value."""
    request = {"Topic": "audit", "Value": 1, "Headers": {"a": ["1", None, "1"], "b": "2", "c": [], "d": None}}

    assert list(sent(request).headers)[:-2] == [("a", b"1"), ("a", None), ("a", b"1"), ("b", b"2"), ("d", None)]


def test_text_that_is_no_unicode_does_no_harm() -> None:
    """A lone surrogate in name or value is written as its escape."""
    request = {"Topic": "audit", "Value": 1, "Headers": {"a\ud800": "b\ud800"}}

    assert next(iter(sent(request).headers)) == ("a\\ud800", b"b\\ud800")


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"a": 1}, "must be an OBJECT of STRINGs, or of ARRAYs of STRINGs"),
        ({"a": ["1", 2]}, "must be an OBJECT of STRINGs, or of ARRAYs of STRINGs"),
        ({"a": [["1"]]}, "must be an OBJECT of STRINGs, or of ARRAYs of STRINGs"),
        ({"a": ["x"] * 65}, "more than 64 headers or 32768 bytes"),
        ({"a": ["x" * 16_384] * 2}, "more than 64 headers or 32768 bytes"),
        ({"a": "ü" * 16_384}, "more than 64 headers or 32768 bytes"),
        ({"express.x": ["1"]}, "names that begin with express."),
    ],
)
def test_headers_that_are_none_are_refused(headers: JSON, problem: str) -> None:
    """By their type, their number or their bytes, lists counted by what is in them."""
    with pytest.raises(StatesError, match=re.escape(problem)):
        sent({"Topic": "audit", "Value": 1, "Headers": headers})


@pytest.mark.parametrize(
    ("headers", "trace", "sent"),
    [
        ({}, (PARENT, "a=1"), {"traceparent": PARENT, "tracestate": "a=1"}),
        ({}, (PARENT, ""), {"traceparent": PARENT}),
        ({}, None, {}),
        ({"traceparent": "own"}, (PARENT, "a=1"), {"traceparent": "own"}),
    ],
)
async def test_records_carry_the_trace(headers: JSON, trace: tuple[str, str] | None, sent: dict[str, str]) -> None:
    """The trace context of the execution goes along, unless the state sets one of its own: then that alone."""
    shelf = Shelf()
    request = {"Topic": "audit", "Value": 1, "Headers": headers}
    task = StartTask(1, parse_resource("arn:express:kafka:::produce"), request, "S", "S#1")
    answer = KafkaProduce(["audit"], shelf, None).start(task, TaskContext("arn:e", "m", 1e12, trace))
    await answer

    found = {name: value.decode() for name, value in shelf.records[0].headers if name.startswith("trace")}
    assert found == sent
