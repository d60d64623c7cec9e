"""The real Kafka of the tests: that it can be killed, suspended and started again."""

from __future__ import annotations

import pytest

from tests.kafka.clients import end_offset, new_topic, producer, read_all
from tests.kafka.real import RealKafka, dropped


async def test_a_killed_node_comes_back_with_its_data(kafka_jars: None) -> None:
    """SIGKILL and a restart: the same address, the same records; so does a suspended one go on."""
    with RealKafka() as cluster:
        topic = await new_topic(cluster.address)
        async with producer(cluster.address) as client:
            await client.send_and_wait(topic, b"before")
        address, pid = cluster.address, cluster.pid()
        cluster.kill()
        cluster.restart()
        assert (cluster.address, cluster.pid() != pid) == (address, True)
        assert [record.value for record in await read_all(cluster.address, topic, 1)] == [b"before"]
        cluster.suspend()
        cluster.resume()
        assert await end_offset(cluster.address, topic) == 1


def test_dropped_markers_are_counted() -> None:
    """The coordinator's log tells of each partition for which it has written no marker."""
    line = (
        "INFO TransactionMarkerChannelManager [Marker Channel Manager 1]: Couldn't find leader endpoint for "
        "partitions Set({}) while trying to send transaction markers for express-g-in-4, these partitions are likely "
        "deleted already and hence can be skipped\n"
    )
    log = line.format("in.results-4, __consumer_offsets-1") + "INFO in.results-4\n" + line.format("in.results-11")

    assert dropped(log) == 3


def test_a_node_that_cannot_start_says_why(kafka_jars: None) -> None:
    """A node that dies while it starts ends the wait with what it wrote last, not after a minute."""
    broken = RealKafka(configs={"log.retention.ms": "no number"})
    with pytest.raises(RuntimeError, match=r"log\.retention\.ms"):
        broken.start()
