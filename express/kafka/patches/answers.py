"""Repetitions of aiokafka's producers, decided by the table of `express.kafka.answers`."""

from __future__ import annotations

from typing import Any

from aiokafka.errors import BrokerResponseError, kafka_errors
from aiokafka.producer.sender import SendProduceReqHandler

from express.kafka.answers import Answer, Course, answer_of

MOST_CODES = 1_000
"""More than there are: aiokafka gives no other code than -1 to those that it does not know."""

STALE = (74, 75)
"""Answers after which the leaders are asked for anew."""


def repair_answers() -> None:
    """Let aiokafka's producers act by the table; calling it again does nothing.

    It knows no code above 72 but 79, and reads those that it does not know as -1. And a batch that is refused takes its
    sequence numbers along, so that the partition takes nothing more of this producer (OUT_OF_ORDER_SEQUENCE_NUMBER).
    """
    if getattr(SendProduceReqHandler._can_retry, "repaired", False):
        return
    for code in range(1, MOST_CODES):
        if code not in kafka_errors:
            kafka_errors[code] = _error_class(code, answer_of(code))
    can_retry = SendProduceReqHandler._can_retry

    def repaired_can_retry(self: Any, error: BaseException, batch: Any) -> bool:
        code = error.errno if isinstance(error, BrokerResponseError) else None
        again = bool(can_retry(self, error, batch))
        if code is not None and self._sender._txn_manager is not None:
            again = answer_of(code).course is Course.RETRY
        if again:
            name = type(error).__name__ if code is None else answer_of(code).name
            waits(self._sender)[batch.tp] = name
        elif code is not None and self._sender._txn_manager is not None:
            _give_back(self._sender._txn_manager, batch)
        return again

    repaired_can_retry.repaired = True  # type: ignore[attr-defined]  # a mark on the function
    SendProduceReqHandler._can_retry = repaired_can_retry


def waits(sender: Any) -> dict[Any, str]:
    """Partition → the error that a sender's batch for it was answered with last, and repeats."""
    found: dict[Any, str] = sender.__dict__.setdefault("answered", {})
    return found


def _give_back(manager: Any, batch: Any) -> None:
    """The sequence numbers of a batch that was not taken are those of the next one: no other is under way."""
    sequence = manager.sequence_number(batch.tp) - batch.record_count
    manager._sequence_numbers[batch.tp] = sequence if sequence >= -(2**31) else sequence + 2**32


def _error_class(code: int, answer: Answer) -> type[BrokerResponseError]:
    members = {"errno": code, "message": answer.name, "description": answer.advice, "invalid_metadata": code in STALE}
    name = "".join(word.capitalize() for word in answer.name.split("_"))
    return type(name, (BrokerResponseError,), {**members, "retriable": answer.course is Course.RETRY})
