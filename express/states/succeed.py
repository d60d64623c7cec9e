"""Succeed: ends its scope with its input (States Language, "Pass State")."""

from __future__ import annotations

from msgspec import UNSET

from express.asl import model
from express.engine.execution import Execution, Frame
from express.engine.program import END, Row, Step
from express.states.lowering import Lowering, compile_pass_through, compile_payload
from express.states.pass_ import PassPlan


def lower(state: model.Succeed, low: Lowering) -> Row:
    """A row that ends the scope."""
    payload = compile_payload(low, state.input_path, UNSET, UNSET)
    plan = PassPlan(payload, compile_pass_through(low, state))
    return Row(name=low.name, kind="Succeed", enter=_enter, plan=plan)


def _enter(x: Execution, frame: Frame, row: Row) -> Step:
    plan: PassPlan = row.plan
    plan.leave(frame, plan.payload(frame))
    return END
