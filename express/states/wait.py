"""Wait: passes its input on later (States Language, "Wait State")."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from express.asl import model
from express.engine.events import Event
from express.engine.execution import WAIT_OVER, Execution, Frame
from express.engine.program import WAIT, Row, Step
from express.errors import RUNTIME, EvaluationError, StatesError
from express.expr.jsonata import Expression, compile_expression
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.typed_fields import compile_seconds_path, compile_timestamp_path
from express.states.lowering import Leave, Lowering, Payload, compile_pass_through, compile_payload
from express.values import JSON, parse_timestamp

Delay: TypeAlias = Callable[[Frame, JSON], float]
"""Seconds to wait from now, from the effective input."""

_LONGEST = 31_536_000.0
"""One year: a longer wait is refused (States Language, "Wait State")."""


class WaitPlan(msgspec.Struct, frozen=True):
    """Plan of a Wait: the time, and what is passed on."""

    payload: Payload
    delay: Delay
    leave: Leave


def lower(state: model.Wait, low: Lowering) -> Row:
    """A row that waits for a timer."""
    payload = compile_payload(low, state.input_path, UNSET, UNSET)
    plan = WaitPlan(payload, _delay(state), compile_pass_through(low, state))
    return Row(name=low.name, kind="Wait", enter=_enter, resume=_resume, plan=plan, next=low.following(state))


def _delay(state: model.Wait) -> Delay:
    if isinstance(state.seconds_path, Path):
        return _seconds_path(state.seconds_path)
    if isinstance(state.timestamp_path, Path):
        return _timestamp_path(state.timestamp_path)
    if not isinstance(state.timestamp, UnsetType):
        return _timestamp(state.timestamp)
    if isinstance(state.seconds, Expression):
        return _seconds(state.seconds)
    seconds = float(state.seconds) if not isinstance(state.seconds, UnsetType) else 0.0
    return lambda frame, data: seconds


def _seconds_path(path: Path) -> Delay:
    read = compile_seconds_path(path, "SecondsPath")
    return lambda frame, data: read(data, frame)


def _timestamp_path(path: Path) -> Delay:
    read = compile_timestamp_path(path, "TimestampPath")
    return lambda frame, data: _until(frame, parse_timestamp(read(data, frame)))


def _seconds(expression: Expression) -> Delay:
    evaluate = compile_expression(expression, "Seconds", "number")
    return lambda frame, data: evaluate({"input": frame.data}, frame)


def _timestamp(given: str | Expression) -> Delay:
    if not isinstance(given, Expression):
        moment = parse_timestamp(given)
        return lambda frame, data: _until(frame, moment)
    evaluate = compile_expression(given, "Timestamp", "string")

    def delay(frame: Frame, data: JSON) -> float:
        value: str = evaluate({"input": frame.data}, frame)
        until = parse_timestamp(value)
        if until is None:
            text = "an ISO-8601 extended offset date-time format string"
            raise EvaluationError(
                f"The Timestamp field cannot be parsed as {text}: {value}", "Timestamp", unlinked=False
            )
        return _until(frame, until)

    return delay


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
