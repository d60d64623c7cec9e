"""Rules of a topic for a batch that is sound: the times of its records, and their keys where it is compacted."""

from __future__ import annotations

import time

from express.devbroker.batch import CODEC_MASK, HEADER, Header
from express.devbroker.codes import Code, RefusedError
from express.devbroker.topics import CONFIGS, Topic
from express.record_format import read_sized, read_varint

NO_TIME = -1


def check_times(header: Header, topic: Topic) -> None:
    """Refuse records from too far ahead or too long ago: one of them refuses its batch, as in Kafka."""
    if topic.configs.get("message.timestamp.type") == "LogAppendTime":
        return
    now = time.time_ns() // 1_000_000
    ahead, behind = (
        topic.limit(name, int(CONFIGS[name]))
        for name in ("message.timestamp.after.max.ms", "message.timestamp.before.max.ms")
    )
    for stamp in (header.base_timestamp, header.max_timestamp):
        if stamp != NO_TIME and not -ahead <= now - stamp <= behind:
            raise RefusedError(Code.INVALID_TIMESTAMP, f"timestamp {stamp} is out of range")


def check_keys(data: bytes, header: Header) -> None:
    """Refuse records without a key. What is compressed is not looked at here."""
    if header.attributes & CODEC_MASK:
        return
    at = HEADER.size
    for _ in range(header.records):
        size, start = read_varint(data, at)
        _, after = read_varint(data, start + 1)
        _, after = read_varint(data, after)
        key, _ = read_sized(data, after)
        if key is None:
            raise RefusedError(Code.INVALID_RECORD, "a compacted topic takes no record without a key")
        at = start + size
