"""The versions of Kafka that we support × every compression, in and out, both promises.

What was written is judged twice from outside: by the bytes on the broker's disk, which say how they are compressed,
and by librdkafka, which checks every checksum.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from express.sinks.kafka import KafkaSink
from express.sinks.transactions import KafkaTransactions
from express.values import dumps, loads
from tests.kafka.clients import producer
from tests.kafka.real import RealKafka
from tests.runtime.test_delivery import PARTITIONS, Flow, once, promise

__all__ = ["promise"]  # a fixture

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
"""In the order of their numbers in a batch's attributes."""

RECORDS = 300
PAD = "the same again and again " * 20


class Packed(Flow):
    """A flow whose input and output are compressed."""

    def __init__(self, address: str, promise: str, codec: str) -> None:
        super().__init__(address, promise, None)
        self.codec = None if codec == "none" else codec

    async def fill(self) -> None:
        """Append the input, in batches of the codec."""
        async with producer(self.address, compression_type=self.codec, linger_ms=50) as client:
            for n in range(RECORDS):
                value = dumps({"n": n, "pad": PAD})
                await client.send(self.input, value, key=b"k%d" % n, partition=n % PARTITIONS)

    def sink(self) -> KafkaSink | KafkaTransactions:
        properties: dict[str, Any] = {"bootstrap_servers": self.address, "compression_type": self.codec}
        if self.promise == "exactly_once":
            return KafkaTransactions([self.output, self.dead], self.group, properties)
        return KafkaSink([self.output, self.dead], properties)


def codecs_on_disk(cluster: RealKafka, topic: str) -> set[str]:
    """How the batches of a topic are compressed, but for markers, which never are."""
    found = set()
    for number in range(PARTITIONS):
        (log,) = (cluster.folder / "data-1" / f"{topic}-{number}").glob("*.log")
        data = log.read_bytes()
        while len(data) > 23:
            length, attributes = struct.unpack_from(">8xi9xh", data)
            if length <= 0:
                break  # space that is not written yet
            if not attributes & 0x20:
                found.add(CODECS[attributes & 7])
            data = data[12 + length :]
    return found


def numbers_to_librdkafka(address: str, topic: str) -> list[int]:
    """The `n` of every record that librdkafka reads."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "check.crcs": True,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    found, ends = [], 0
    while ends < PARTITIONS:
        message = consumer.poll(10)
        assert message is not None
        error, value = message.error(), message.value()
        if error is not None:
            assert error.name() == "_PARTITION_EOF", error
            ends += 1
        else:
            assert value is not None
            found.append(loads(value)["n"])
    consumer.close()
    return found


async def test_every_compression_in_and_out(each_kafka: RealKafka, promise: str) -> None:
    """Every record has its one terminal record, compressed as the configuration says, readable to anybody."""
    flows = [Packed(each_kafka.address, promise, codec) for codec in CODECS]
    for f in flows:
        await f.create()
        await f.fill()
        f.worker()
    try:
        for f in flows:
            await f.until_terminal(RECORDS)
        for f in flows:
            await f.stop()
            assert await f.terminal() == once(RECORDS)
            read = await asyncio.to_thread(numbers_to_librdkafka, each_kafka.address, f.output)
            assert sorted(read) == list(range(RECORDS))
    finally:
        for f in flows:
            for worker in list(f.workers):
                await worker.crash()

    assert [codecs_on_disk(each_kafka, f.input) for f in flows] == [{codec} for codec in CODECS]
    assert [codecs_on_disk(each_kafka, f.output) for f in flows] == [{codec} for codec in CODECS]
