"""Whatever writes to Kafka besides the pipelines fits its topics, and outlives a refusal; on both brokers."""

from __future__ import annotations

import pytest

from express.errors import SinkError
from express.kafka.limits import Limits
from express.sinks.execution_log import LogTopic
from express.sinks.input_queue import KafkaQueue
from tests.kafka.clients import new_topic, read_all


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
async def test_a_refused_task_record_leaves_the_others_alone(
    address: str, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that is too large fails its task; the next one of the same partition is written."""
    if not told:
        monkeypatch.setattr(Limits, "learn", lambda self, found: None)
    out = await new_topic(address, 1, **{"max.message.bytes": "2000"})
    queue = KafkaQueue({"bootstrap_servers": address})
    await queue.start()
    try:
        for n in range(3):
            with pytest.raises(SinkError, match="does not fit" if told else "MessageSizeTooLarge"):
                await queue.put(out, b"x" * 5_000)
            assert (await queue.put(out, b"small")).offset == n
    finally:
        await queue.stop()


async def test_execution_logs_are_written_in_batches_that_fit(address: str) -> None:
    """Thousands of lines at once into a topic of 20 kB a batch: none is dropped."""
    out = await new_topic(address, 1, **{"max.message.bytes": "20000"})
    logs = LogTopic(out, {"bootstrap_servers": address})
    await logs.start()
    for n in range(300):
        logs.write(b'{"line":"%s"}\n' % (b"x" * 300) * 3, f"arn:{n}")
    await logs.stop()

    assert logs.dropped == 0
    assert len(await read_all(address, out, 900)) == 900
