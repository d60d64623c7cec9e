"""Wait: passes its input on later (spec/asl.md §9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec
from msgspec import UNSET

from express.asl import model
from express.engine.events import Event
from express.engine.execution import WAIT_OVER, Execution, Frame
from express.engine.program import WAIT, Row, Step
from express.errors import RUNTIME, EvaluationError, StatesError
from express.expr.jsonata import compile_expression, is_expression
from express.expr.jsonpath.typed_fields import compile_seconds_path, compile_timestamp_path
from express.states.lowering import Leave, Lowering, Payload, compile_pass_through, compile_payload
from express.values import JSON, parse_timestamp

Delay: TypeAlias = Callable[[Frame, JSON], float]
"""Seconds to wait from now, from the effective input."""

_LONGEST = 31_536_000.0
"""One year: a longer wait is refused (spec/asl.md §9)."""


class WaitPlan(msgspec.Struct, frozen=True):
    """How long, and what is passed on."""

    payload: Payload
    delay: Delay
    leave: Leave


def lower(state: model.Wait, low: Lowering) -> Row:
    """A row that waits for a timer."""
    payload = compile_payload(low, state.input_path, UNSET, UNSET)
    plan = WaitPlan(payload, _delay(state, low), compile_pass_through(low, state))
    return Row(name=low.name, kind="Wait", enter=_enter, resume=_resume, plan=plan, next=low.following(state))


def _delay(state: model.Wait, low: Lowering) -> Delay:
    if isinstance(state.seconds_path, str):
        return _seconds_path(state.seconds_path, low)
    if isinstance(state.timestamp_path, str):
        return _timestamp_path(state.timestamp_path, low)
    if isinstance(state.timestamp, str):
        return _timestamp(state.timestamp, low)
    if isinstance(state.seconds, str):
        return _seconds(state.seconds, low)
    seconds = float(state.seconds) if not isinstance(state.seconds, msgspec.UnsetType) else 0.0
    return lambda frame, data: seconds


def _seconds_path(path: str, low: Lowering) -> Delay:
    with low.field("SecondsPath"):
        read = compile_seconds_path(path, "SecondsPath")
        return lambda frame, data: read(data, frame)
    return _none


def _timestamp_path(path: str, low: Lowering) -> Delay:
    with low.field("TimestampPath"):
        read = compile_timestamp_path(path, "TimestampPath")
        return lambda frame, data: _until(frame, parse_timestamp(read(data, frame)))
    return _none


def _seconds(text: str, low: Lowering) -> Delay:
    with low.field("Seconds"):
        evaluate = compile_expression(text, "Seconds", "number")
        return lambda frame, data: evaluate({"input": frame.data}, frame)
    return _none


def _timestamp(text: str, low: Lowering) -> Delay:
    if not (low.jsonata and is_expression(text)):
        moment = parse_timestamp(text)
        return lambda frame, data: _until(frame, moment)
    with low.field("Timestamp"):
        evaluate = compile_expression(text, "Timestamp", "string")

        def delay(frame: Frame, data: JSON) -> float:
            value: str = evaluate({"input": frame.data}, frame)
            until = parse_timestamp(value)
            if until is None:
                text_ = "an ISO-8601 extended offset date-time format string"
                raise EvaluationError(
                    f"The Timestamp field cannot be parsed as {text_}: {value}", "Timestamp", unlinked=False
                )
            return _until(frame, until)

        return delay
    return _none


def _none(frame: Frame, data: JSON) -> float:
    return 0.0


def _until(frame: Frame, moment: datetime | None) -> float:
    """Seconds from now to an instant; waiting resolves to whole seconds, so its fraction is dropped."""
    assert moment is not None
    return (moment.replace(microsecond=0) - datetime.fromtimestamp(frame.x.wall(), UTC)).total_seconds()


def _enter(x: Execution, frame: Frame, row: Row) -> Step:
    plan: WaitPlan = row.plan
    delay = plan.delay(frame, plan.payload(frame))
    if delay > _LONGEST:
        raise StatesError(RUNTIME, "Wait state delay is too long.", located=True)
    if delay <= 0:
        return _resume(x, frame, row, None)
    x.timer(frame, WAIT_OVER, x.now + delay)
    return WAIT


def _resume(x: Execution, frame: Frame, row: Row, event: Event | None) -> Step:
    plan: WaitPlan = row.plan
    plan.leave(frame, plan.payload(frame))
    return row.next
