"""`arn:express:kafka:::produce`: a record into a Kafka topic, as a task.

    {"Topic": "orders.audit", "Key": "o-1", "Value": {"total": 12}, "Headers": {"kind": "order"}, "Partition": 3}

`Key` and `Value` are text, or JSON that is written as its text; no `Value`, or null, is a tombstone. Only topics that
`kafka.produce` lists are written to. In a pipeline that delivers exactly once the record is in the transaction of the
execution's result: readers of committed records see it once, when the execution has ended. Everywhere else the task
succeeds when every in-sync replica has the record; a replay writes it again, with the same
`express.idempotency-key` header.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from express.asl.resources import Resource
from express.config.validate import nearest
from express.engine.effects import StartTask
from express.errors import SinkError, StatesError
from express.integrations.aws import shapes
from express.integrations.idempotency import idempotency_key
from express.integrations.tracing import trace_headers
from express.ports import Integration, Outbox, Outgoing, TaskContext, Topics
from express.values import JSON, dumps

PRODUCE = "produce"
MEMBERS = ("Topic", "Key", "Value", "Headers", "Partition")
NOT_ALLOWED = "Kafka.TopicNotAllowed"
FAILED = "Kafka.ProduceFailed"

EXECUTION_ARN = "express.execution-arn"
IDEMPOTENCY_KEY = "express.idempotency-key"

MOST_HEADERS = 64
HEADER_BYTES = 32_768


class KafkaProduce(Integration):
    """The `Integration` for Kafka as a target."""

    def __init__(self, allowed: Collection[str], topics: Topics | None, outbox: Outbox | None) -> None:
        """`topics` None: nothing can be written here but through `outbox`."""
        self._allowed = frozenset(allowed)
        self._topics = topics
        self._outbox = outbox

    def refusal(self, resource: Resource) -> str | None:
        """Return why a resource cannot be called here; None if it can. Topics are looked at by `request_refusal`."""
        if resource.action != PRODUCE or resource.pattern:
            return f"arn:express:kafka:::{PRODUCE} is all there is"
        if not self._allowed:
            return "the configuration allows no topic: list those that tasks may write to in kafka.produce"
        return None if self._topics is not None else "no Kafka is connected here"

    def request_refusal(self, resource: Resource, request: dict[str, JSON]) -> str | None:
        """Return why a request whose topic is constant can't be performed; None if nothing speaks against it."""
        topic = request.get("Topic")
        if type(topic) is not str or topic.startswith("{%") or topic in self._allowed:
            return None
        return f"the configuration does not allow the topic {topic!r}: put it into kafka.produce; {self._near(topic)}"

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """The task with its record. Raises Unsendable where its parameters make none."""
        return msgspec.structs.replace(task, prepared=self._record(task, context))

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Write a record."""
        record = task.prepared or self._record(task, context)
        if self._outbox is not None and self._outbox.takes(context.account):
            return self._attach(self._outbox, context.account, record)
        if self._topics is None:
            raise StatesError(FAILED, "no Kafka is connected here")
        return self._put(self._topics, record)

    def _attach(self, outbox: Outbox, account: int, record: Outgoing) -> JSON:
        try:
            place = outbox.add(account, record)
        except SinkError as error:
            raise StatesError(FAILED, str(error)) from error
        return {"Partition": place.number, "Topic": place.topic, "Transactional": True}

    async def _put(self, topics: Topics, record: Outgoing) -> JSON:
        try:
            placed = await topics.produce(record)
        except SinkError as error:
            raise StatesError(FAILED, str(error)) from error
        return {
            "Offset": placed.offset,
            "Partition": placed.partition.number,
            "Timestamp": shapes.timestamp(datetime.fromtimestamp(placed.timestamp, UTC)),
            "Topic": placed.partition.topic,
            "Transactional": False,
        }

    def _record(self, task: StartTask, context: TaskContext) -> Outgoing:
        """The record that a request describes. Raises StatesError with every mistake, and for a foreign topic."""
        given = task.input
        problems = list(_problems(given)) if type(given) is dict else ["The Parameters must be an object"]
        if problems:
            raise shapes.refused(given, problems)
        topic = given["Topic"]
        if topic not in self._allowed:
            raise StatesError(NOT_ALLOWED, f"The configuration does not allow the topic {topic!r} (kafka.produce)")
        headers = list(_headers(given.get("Headers") or {}))
        headers += [
            (EXECUTION_ARN, context.execution_arn.encode()),
            (IDEMPOTENCY_KEY, idempotency_key(task, context).encode()),
        ]
        if "traceparent" not in (given.get("Headers") or {}):
            headers += [(name.lower(), value.encode()) for name, value in trace_headers(context).items()]
        return Outgoing(
            topic=topic,
            key=_bytes(given.get("Key")),
            value=_bytes(given.get("Value")),
            headers=headers,
            partition=given.get("Partition"),
        )

    def _near(self, topic: str) -> str:
        return nearest(topic, self._allowed) if self._allowed else "it is empty"


def _problems(given: dict[str, JSON]) -> Any:
    for key in given:
        if key not in MEMBERS:
            yield f'The field "{key}" is not supported by Step Functions'
    if type(given.get("Topic")) is not str:
        missing = given.get("Topic") is None
        yield (
            'The field "Topic" is required but was missing'
            if missing
            else "The value for the field 'Topic' must be a STRING"
        )
    partition = given.get("Partition")
    if partition is not None and (type(partition) is not int or partition < 0):
        yield "The value for the field 'Partition' must be a NUMBER"
    yield from _header_problems(given.get("Headers"))


def _header_problems(headers: JSON) -> Any:
    if headers is None:
        return
    if type(headers) is not dict or not all(map(_is_header, headers.values())):
        yield "The value for the field 'Headers' must be an OBJECT of STRINGs, or of ARRAYs of STRINGs"
        return
    found = list(_headers(headers))
    if any(name.startswith(("express.", "__express.")) for name in headers):
        yield "The field 'Headers' has names that begin with express., which are ours"
    elif len(found) > MOST_HEADERS or sum(len(name) + len(value or b"") for name, value in found) > HEADER_BYTES:
        yield f"The field 'Headers' has more than {MOST_HEADERS} headers or {HEADER_BYTES} bytes"


def _is_header(value: JSON) -> bool:
    """Return whether `value` is that of a header, or of several with one name; null is a header without a value."""
    return all(one is None or type(one) is str for one in (value if type(value) is list else [value]))


def _headers(given: dict[str, JSON]) -> Iterator[tuple[str, bytes | None]]:
    """The headers of a record, those of one name in their order."""
    for name, value in given.items():
        text = name.encode("utf-8", "backslashreplace").decode()
        for one in value if type(value) is list else [value]:
            yield text, None if one is None else one.encode("utf-8", "backslashreplace")


def _bytes(value: JSON) -> bytes | None:
    """Text as it is, other JSON as its text."""
    if value is None:
        return None
    return value.encode("utf-8", "backslashreplace") if type(value) is str else dumps(value)
