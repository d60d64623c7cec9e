"""Pass: reshapes its input (States Language, "Pass State")."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from express.asl import model
from express.engine.execution import Execution, Frame
from express.engine.program import Row, Step
from express.states.lowering import Leave, Lowering, Payload, compile_leave, compile_payload, grow, raw
from express.values import size


class PassPlan(msgspec.Struct, frozen=True):
    """`payload` gives the result, `leave` puts it away; `growth` bounds the output's size (None: measure)."""

    payload: Payload
    leave: Leave
    growth: tuple[int, int] | None = (1, 0)


def lower(state: model.Pass, low: Lowering) -> Row:
    """A row that copies its input, or its literal `Result`; a JSONata state has no `Result` (W0114)."""
    payload = compile_payload(low, state.input_path, state.parameters, UNSET)
    if state.result is not UNSET and not low.jsonata:
        payload = _literal(state.result, None if payload is raw else payload)
    plan = PassPlan(payload, compile_leave(low, state, result=False), _growth(state, low, payload))
    return Row(name=low.name, kind="Pass", enter=_enter, plan=plan, next=low.following(state))


def _growth(state: model.Pass, low: Lowering, payload: Payload) -> tuple[int, int] | None:
    out = state.output_path
    if low.jsonata or out is None or not out.whole:
        return None if state.output is not UNSET or out is None or not out.whole else (1, 0)
    growth: tuple[int, int] | None = (1, 0)
    if state.result is not UNSET:
        growth = (0, size(state.result))
    elif state.parameters is not UNSET:
        growth = getattr(payload, "growth", None)
    path = state.result_path
    if growth is not None and path is not None and not path.whole:
        growth = (growth[0] + 1, growth[1] + 2 * len(path.text) + 16)
    return growth


def _literal(result: object, payload: Payload | None) -> Payload:
    """The literal `Result`; InputPath and Parameters are still evaluated, they may fail."""
    if payload is None:
        return lambda frame: result

    def evaluate(frame: Frame) -> object:
        payload(frame)
        return result

    return evaluate


def _enter(x: Execution, frame: Frame, row: Row) -> Step:
    plan: PassPlan = row.plan
    grow(frame, plan.growth)
    plan.leave(frame, plan.payload(frame))
    return row.next
