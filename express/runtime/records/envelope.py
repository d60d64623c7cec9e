"""Envelopes: the input of an execution is the value of a record, or the record around it.

| envelope | input |
|---|---|
| `value` | the record's value, which is JSON |
| `record` | topic, partition, offset, timestamp, timestampType, key, headers and value |
| `pipes` | the same as EventBridge Pipes hands it to a target: an array with one event, bytes in Base64 |
| `cloudevents` | the record as a CloudEvent in JSON, whichever of the two modes it came in |

Each opener gives the input and its JSON text, since an input is limited, metered and held by its size as text.
Raises `Rejected` for what no execution can be started with.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any, TypeAlias

from express.config.model import Envelope
from express.errors import DATA_LIMIT_EXCEEDED
from express.ports import ConsumedRecord, Headers, Partition
from express.runtime.records.cloudevents import read_event
from express.runtime.records.headers import HEADER_LIMIT, HEADERS_BYTES
from express.runtime.records.json_input import OVERSIZE, Rejected, admit
from express.runtime.records.terminal_record import without_letter
from express.values import JSON, dumps

Open: TypeAlias = Callable[[Partition, ConsumedRecord], tuple[JSON, bytes]]

TIMESTAMP_TYPES = ("CREATE_TIME", "LOG_APPEND_TIME")

SELF_MANAGED = "SelfManagedKafka"
"""`eventSource` of a cluster that is not Amazon's."""


def opener(envelope: Envelope, limit: int, bootstrap_servers: str = "") -> Open:
    """Return what opens the records of a pipeline; inputs of more than `limit` bytes are refused."""

    def value(partition: Partition, record: ConsumedRecord) -> tuple[JSON, bytes]:
        data = admit(record.value, limit)
        return data, record.value or b""

    def whole(partition: Partition, record: ConsumedRecord) -> tuple[JSON, bytes]:
        return _fitting(record_envelope(partition, record, limit), limit)

    def pipes(partition: Partition, record: ConsumedRecord) -> tuple[JSON, bytes]:
        check_headers(record.headers)
        return _fitting([pipes_event(partition, record, bootstrap_servers)], limit)

    def event(partition: Partition, record: ConsumedRecord) -> tuple[JSON, bytes]:
        check_headers(record.headers)
        return _fitting(read_event(record.headers, record.value, limit), limit)

    openers: dict[Envelope, Open] = {"value": value, "record": whole, "pipes": pipes, "cloudevents": event}
    return openers[envelope]


def record_envelope(partition: Partition, record: ConsumedRecord, limit: int) -> dict[str, JSON]:
    """A whole record. What is no text stands in a member of its own, in Base64; a tombstone has the value null."""
    check_headers(record.headers)
    texts, binaries = header_members(record.headers)
    key, key_text = record.key, _text(record.key)
    envelope: dict[str, JSON] = {
        "topic": partition.topic,
        "partition": partition.number,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestampType": _timestamp_type(record),
        "key": key_text,
        "headers": texts,
        "value": None if record.value is None else admit(record.value, limit),
    }
    if key is not None and key_text is None:
        envelope["keyBase64"] = _base64(key)
    if binaries:
        envelope["headersBase64"] = binaries
    return envelope


def header_members(headers: Headers) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """Headers by name: those that are text, and in Base64 those that are not. Several of one name are an array.

    >>> header_members([("a", b"1"), ("b", b"x"), ("b", None), ("c", bytes([255]))])
    ({'a': '1', 'b': ['x', None]}, {'c': '/w=='})
    """
    texts: dict[str, JSON] = {}
    binaries: dict[str, JSON] = {}
    for name, content in headers:
        if name in texts or name in binaries:
            return _with_arrays(headers)
        text = _text(content)
        if content is not None and text is None:
            binaries[name] = _base64(content)
        else:
            texts[name] = text
    return texts, binaries


def _with_arrays(headers: Headers) -> tuple[dict[str, JSON], dict[str, JSON]]:
    """The same where some have one name: all of a name are in Base64 where one of them is no text."""
    found: dict[str, list[bytes | None]] = {}
    for name, content in headers:
        found.setdefault(name, []).append(content)
    texts: dict[str, JSON] = {}
    binaries: dict[str, JSON] = {}
    for name, contents in found.items():
        values: list[JSON] = [_text(content) for content in contents]
        members = texts
        if any(value is None and content is not None for value, content in zip(values, contents, strict=True)):
            members = binaries
            values = [None if content is None else _base64(content) for content in contents]
        members[name] = values[0] if len(values) == 1 else values
    return texts, binaries


def pipes_event(partition: Partition, record: ConsumedRecord, bootstrap_servers: str) -> dict[str, JSON]:
    """A record as an event of the source "self-managed Apache Kafka". Without a key or a value: without the member."""
    event: dict[str, Any] = {
        "eventSource": SELF_MANAGED,
        "bootstrapServers": bootstrap_servers,
        "eventSourceKey": f"{partition.topic}-{partition.number}",
        "topic": partition.topic,
        "partition": partition.number,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "timestampType": _timestamp_type(record),
    }
    if record.key is not None:
        event["key"] = _base64(record.key)
    if record.value is not None:
        event["value"] = _base64(record.value)
    event["headers"] = [{name: list(content or b"")} for name, content in record.headers]
    return event


def check_headers(headers: Headers) -> None:
    """Refuse more headers than an input may be made of, beside those of a dead letter that was written back."""
    size = _header_bytes(headers)
    if len(headers) > HEADER_LIMIT or size > HEADERS_BYTES:
        headers = without_letter(headers)
        size = _header_bytes(headers)
    if len(headers) > HEADER_LIMIT:
        cause = f"The record has {len(headers)} headers; the limit is {HEADER_LIMIT}."
        raise Rejected(OVERSIZE, DATA_LIMIT_EXCEEDED, cause)
    if size > HEADERS_BYTES:
        cause = f"The headers of the record have {size} bytes; the limit is {HEADERS_BYTES}."
        raise Rejected(OVERSIZE, DATA_LIMIT_EXCEEDED, cause)


def _header_bytes(headers: Headers) -> int:
    return sum(len(name) + len(content or b"") for name, content in headers)


def _fitting(data: JSON, limit: int) -> tuple[JSON, bytes]:
    text = dumps(data)
    if len(text) > limit:
        cause = f"The input has {len(text)} bytes with what its envelope adds; the limit is {limit}."
        raise Rejected(OVERSIZE, DATA_LIMIT_EXCEEDED, cause)
    return data, text


def _timestamp_type(record: ConsumedRecord) -> str:
    return TIMESTAMP_TYPES[record.timestamp_type == 1]


def _base64(content: bytes) -> str:
    return b64encode(content).decode("ascii")


def _text(content: bytes | None) -> str | None:
    """`content` where it is text."""
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None
