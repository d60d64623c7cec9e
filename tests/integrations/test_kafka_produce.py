"""Kafka as a target, without a broker: what records carry of the execution that writes them."""

from __future__ import annotations

import pytest

from express.asl.resources import parse_resource
from express.engine.effects import StartTask
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
