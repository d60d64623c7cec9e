"""The real Kafka of the tests: that it can be killed, suspended and started again."""

from __future__ import annotations

import pytest

from tests.kafka.clients import end_offset, new_topic, producer, read_all
from tests.kafka.real import RealKafka


@pytest.mark.timeout(90)
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


def test_a_node_that_cannot_start_says_why(kafka_jars: None) -> None:
    """A node that dies while it starts ends the wait with what it wrote last, not after a minute."""
    broken = RealKafka(configs={"log.retention.ms": "no number"})
    with pytest.raises(RuntimeError, match=r"log\.retention\.ms"):
        broken.start()
