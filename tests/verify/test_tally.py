"""The independent reader: finds what is missing, doubled or strange, by the headers of terminal records alone."""

from __future__ import annotations

from aiokafka import AIOKafkaProducer

from express.kafka.topics import create_topics, ends
from express.load.result_reader import DEAD_LETTER, terminal_of
from express.ports import Partition
from express.verify.tally import Tally, tally

INPUT = Partition("in", 0)


def result(offset: int, status: str = "SUCCEEDED", topic: str = "in") -> list[tuple[str, bytes]]:
    return [
        ("express.status", status.encode()),
        ("express.source-topic", topic.encode()),
        ("express.source-partition", b"0"),
        ("express.source-offset", str(offset).encode()),
        ("express.start-time", str(1000 + offset).encode()),
        ("express.stop-time", str(1500 + offset).encode()),
    ]


def dead_letter(offset: int) -> list[tuple[str, bytes]]:
    prefix = "__express.errors."
    values = {"topic": "in", "partition": "0", "offset": str(offset)}
    return [(prefix + name, value.encode()) for name, value in values.items()]


async def test_every_offset_is_accounted_for(devbroker: str) -> None:
    """Results and dead letters are held against the offsets of the input; order and topic do not matter."""
    properties = {"bootstrap_servers": devbroker}
    await create_topics(properties, ["out", "dead"], 2)
    producer = AIOKafkaProducer(**properties)
    await producer.start()
    for offset in (3, 0, 1, 1, 99):
        await producer.send_and_wait("out", b"{}", headers=result(offset, "FAILED" if offset == 0 else "SUCCEEDED"))
    await producer.send_and_wait("out", b"{}", headers=result(2, topic="other"))
    await producer.send_and_wait("dead", b"{no", headers=dead_letter(4))
    await producer.stop()
    outputs = {at: (0, end) for at, end in (await ends(properties, ["out", "dead"])).items()}
    found = await tally(properties, {INPUT: (0, 6)}, outputs)

    assert found == Tally(
        expected=6,
        found=4,
        duplicates=1,
        strangers=2,
        dead_letters=1,
        statuses={"SUCCEEDED": 5, "FAILED": 1},
        first_ms=1000,
        last_ms=1599,
    )
    assert found.missing == 2


async def test_the_dead_letter_of_a_result_is_a_dead_letter(devbroker: str) -> None:
    """A record that was a result of another pipeline has its headers still; ours say what it is. Nulls do no harm."""
    properties = {"bootstrap_servers": devbroker}
    await create_topics(properties, ["dead"], 1)
    producer = AIOKafkaProducer(**properties)
    await producer.start()
    await producer.send_and_wait("dead", b"{no", headers=[*result(9, topic="other"), *dead_letter(0)])
    await producer.send_and_wait("dead", b"{no", headers=[("express.source-topic", None), ("express.status", None)])
    await producer.stop()
    found = await tally(properties, {INPUT: (0, 1)}, {Partition("dead", 0): (0, 2)})
    terminal = terminal_of(
        dict([*result(9, topic="other"), *dead_letter(0), ("__express.errors.disposition", b"POISON")])
    )

    assert (found.found, found.dead_letters, found.strangers, found.statuses) == (1, 2, 1, {})
    assert terminal is not None
    assert (terminal.topic, terminal.offset, terminal.status) == ("in", 0, DEAD_LETTER)


async def test_ranges_leave_out_earlier_runs(devbroker: str) -> None:
    """Only output written in the range is read, only input in the range is expected."""
    properties = {"bootstrap_servers": devbroker}
    await create_topics(properties, ["out"], 1)
    producer = AIOKafkaProducer(**properties)
    await producer.start()
    for offset in range(5):
        await producer.send_and_wait("out", b"{}", headers=result(offset))
    await producer.stop()
    found = await tally(properties, {INPUT: (3, 5)}, {Partition("out", 0): (3, 5)})

    assert (found.expected, found.found, found.strangers) == (2, 2, 0)
