"""Traces of what workers drain from Kafka: sampled ones with their states, every failure, linked to the producer."""

from __future__ import annotations

import json
from pathlib import Path

from aiokafka import AIOKafkaProducer
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.service.kit import DOUBLE, Lab, until
from tests.telemetry.collector import Collector, attributes

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
EVENTS = 1_000


async def test_sampled_executions_and_failures_are_traces(devbroker: str, tmp_path: Path) -> None:
    """A tenth of the successes, with a span for the state and the call; failures as one span; links where given."""
    collector = Collector()
    lab = Lab(devbroker, tmp_path, DOUBLE)
    await lab.prepare(1)
    await lab.produce([json.dumps({"n": i}).encode() for i in range(EVENTS)])
    producer = AIOKafkaProducer(**lab.properties)
    await producer.start()
    headers = [("traceparent", PARENT.encode())]
    for _ in range(3):
        await producer.send(lab.topics[0], b'{"n": null}', headers=headers)
    await producer.stop()
    settings = (f"traces.endpoint={collector.url}", "traces.ratio=0.1", "traces.slowest=0")
    try:
        async with lab.service(1, *settings) as service:
            await until(lambda: service.totals.overall().get("failed") == 3)
            await until(lambda: service.totals.traces().get("exported", 0) >= 95)
    finally:
        collector.close()

    roots = collector.roots()
    failed = [span for span in roots if attributes(span)["express.execution.status"] == "FAILED"]
    assert len(failed) == 3
    assert all(span.links[0].span_id.hex() == PARENT.split("-")[2] for span in failed)
    sampled = [span for span in roots if span not in failed]
    assert 95 <= len(sampled) <= 105
    assert all(span.kind == Span.SPAN_KIND_CONSUMER and span.name == "machine" for span in roots)
    for root in sampled:
        below = [span.name for span in collector.spans if span.trace_id == root.trace_id and span is not root]
        assert below == ["Double", "attempt 1"]
    told = attributes(sampled[0])
    assert told["messaging.destination.name"] == lab.topics[0]
    assert told["messaging.destination.partition.id"] == "0"
    offsets = {attributes(span)["messaging.kafka.offset"] for span in sampled}
    assert len(offsets) == len(sampled)
    assert service.totals.overall()["succeeded"] == EVENTS
