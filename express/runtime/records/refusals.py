"""Replacements for terminal records that their topic does not take.

A result becomes a dead letter that says so. A dead letter goes without its value, then without its key and the headers
of its record; the coordinates lead to the record in every case. What even then is not taken stops the pipeline.
"""

from __future__ import annotations

import logging

from express.errors import DATA_LIMIT_EXCEEDED, RUNTIME, PipelineStopped
from express.ports import Outgoing, Partition, Record, Refused
from express.runtime.counters import Counters
from express.runtime.drain.pipeline import Pipeline
from express.runtime.records.json_input import OVERSIZE
from express.runtime.records.terminal_record import (
    ERRORS,
    EXECUTION_ARN,
    SOURCE_OFFSET,
    SOURCE_PARTITION,
    SOURCE_TOPIC,
    TRUNCATED,
    DeadLetter,
    dead_letter_headers,
    without_headers,
    without_value,
)

REFUSED = "REFUSED"
"""The disposition of a result that its topic does not take for another reason than its size."""

OWN_PREFIXES = ("express.", "__express.", "ce_", "content-type")
"""Headers of a result that are not its record's."""

TOO_LARGE = ("MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE")

log = logging.getLogger(__name__)


class Refusals:
    """Answers for one pipeline what takes the place of what was refused, and counts it."""

    def __init__(self, pipeline: Pipeline, counters: Counters) -> None:
        self._pipeline = pipeline
        self._counters = counters

    def replace(self, refused: Refused) -> Outgoing:
        """The record that is written instead. Raises PipelineStopped where there is none."""
        headers = {name: value or b"" for name, value in refused.headers}
        origin, offset = _origin(headers)
        if origin is None:
            raise PipelineStopped(f"{self._said(refused, 'a record that a task has produced')}")
        where = f"{origin.topic} {origin.number} at offset {offset}"
        self._counters.refused += 1
        if f"{ERRORS}offset" not in headers and SOURCE_OFFSET in headers:
            log.warning("%s; it becomes a dead letter", self._said(refused, f"the result of {where}"))
            self._counters.unwritable += 1
            return self._letter(refused, headers, origin, offset)
        said = self._said(refused, f"the dead letter of {where}")
        cut = self._cut(refused, origin)
        if (cut.key, cut.value, list(cut.headers)) == (refused.key, refused.value, list(refused.headers)):
            raise PipelineStopped(f"{said}, and there is nothing left to leave out")
        log.warning("%s; it is cut", said)
        return cut

    def _letter(self, refused: Refused, headers: dict[str, bytes], origin: Partition, offset: int) -> Outgoing:
        large = refused.error in TOO_LARGE
        arn = headers.get(EXECUTION_ARN, b"").decode(errors="replace")
        letter = DeadLetter(
            stage="produce",
            disposition=OVERSIZE if large else REFUSED,
            error=DATA_LIMIT_EXCEEDED if large else RUNTIME,
            cause=f"The topic {refused.topic} does not take the result: {_reason(refused)}",
            arn=arn,
            state_machine_arn=_machine_of(arn) or self._pipeline.workflow.arn,
            worker=self._pipeline.worker,
        )
        kept = tuple((name, content) for name, content in refused.headers if not name.startswith(OWN_PREFIXES))
        record = Record(*origin, offset, -1, refused.key, None, kept)
        made = [*dead_letter_headers(origin, record, letter), (TRUNCATED, b"true")]
        topic = self._pipeline.settings.dead_letter
        return Outgoing(topic=topic, key=refused.key, value=None, headers=made, origin=origin)

    def _cut(self, refused: Refused, origin: Partition) -> Outgoing:
        key, made = refused.key, list(refused.headers)
        if refused.value is not None:
            made = without_value(made, refused.value)
        else:
            made, key = without_headers(made, key), None
        return Outgoing(topic=self._pipeline.settings.dead_letter, key=key, value=None, headers=made, origin=origin)

    def _said(self, refused: Refused, what: str) -> str:
        return f"{refused.topic} {refused.number} does not take {what}: {_reason(refused)}"


def _reason(refused: Refused) -> str:
    more = f", {refused.advice}" if refused.advice else ""
    return f"{refused.error} ({refused.size} bytes){more}"


def _origin(headers: dict[str, bytes]) -> tuple[Partition | None, int]:
    """The input record that a terminal record is of."""
    for names in (
        (f"{ERRORS}topic", f"{ERRORS}partition", f"{ERRORS}offset"),
        (SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET),
    ):
        try:
            topic, number, offset = (headers[name] for name in names)
            return Partition(topic.decode(), int(number)), int(offset)
        except (KeyError, ValueError):
            continue
    return None, -1


def _machine_of(arn: str) -> str:
    """The state machine's ARN in that of an Express execution.

    >>> _machine_of("arn:aws:states:eu-west-1:1:express:flow:in-0-7:4b")
    'arn:aws:states:eu-west-1:1:stateMachine:flow'
    """
    parts = arn.split(":")
    return ":".join((*parts[:5], "stateMachine", parts[6])) if len(parts) > 6 else ""
