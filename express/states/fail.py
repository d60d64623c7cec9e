"""Fail: ends its scope with an error (States Language, "Pass State")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET

from express.asl import model
from express.engine.execution import Execution, Frame
from express.engine.program import Row, Step
from express.engine.recovery import Failed
from express.expr.jsonata import Expression, compile_expression
from express.expr.jsonpath.typed_fields import compile_error_path
from express.states.lowering import Lowering

Text: TypeAlias = Callable[[Frame], str | None]


class FailPlan(msgspec.Struct, frozen=True):
    """Origins of the error name and the cause; None: AWS leaves the field away."""

    error: Text
    cause: Text


def lower(state: model.Fail, low: Lowering) -> Row:
    """A row that raises."""
    plan = FailPlan(
        _text(low, "Error", state.error, state.error_path),
        _text(low, "Cause", state.cause, state.cause_path),
    )
    return Row(name=low.name, kind="Fail", enter=_enter, plan=plan)


def _text(low: Lowering, field: str, literal: Any, path: Any) -> Text:
    if path is not UNSET:
        with low.field(f"{field}Path"):
            read = compile_error_path(path, f"{field}Path")
            return lambda frame: read(frame.data, frame)
    if isinstance(literal, Expression):
        evaluate = compile_expression(literal, field, "string")
        return lambda frame: evaluate({"input": frame.data}, frame)
    return lambda frame: None if literal is UNSET else literal


def _enter(x: Execution, frame: Frame, row: Row) -> Step:
    plan: FailPlan = row.plan
    error = plan.error(frame)
    raise Failed(error, plan.cause(frame))
