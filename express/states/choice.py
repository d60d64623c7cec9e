"""Choice: the first rule that holds says where to go (States Language, "Choice State")."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from express.asl import model
from express.engine.execution import Execution, Frame
from express.engine.program import Row, Step
from express.errors import RUNTIME, StatesError
from express.expr.choices import compile_rule
from express.expr.jsonata import Expression, compile_expression
from express.states.lowering import (
    Leave,
    Lowering,
    Payload,
    compile_assign,
    compile_pass_through,
    compile_payload,
    jsonata_leave,
    set_variables,
)
from express.values import JSON

Test: TypeAlias = Callable[[JSON, Frame], bool]

_NO_CHOICE = "Failed to transition out of the state. The state does not point to a next state."


class ChoicePlan(msgspec.Struct, frozen=True):
    """Rules in order as (test, leave, next), and what happens when none holds (`default` None: it fails)."""

    payload: Payload
    rules: tuple[tuple[Test, Leave, Step], ...]
    leave: Leave
    default: Step | None


def lower(state: model.Choice, low: Lowering) -> Row:
    """A row that goes where its rules say."""
    otherwise = compile_pass_through(low, state)
    rules = []
    for i, rule in enumerate(state.choices):
        test = _test(low, i, rule)
        if test is not None:
            rules.append((test, _leave(low, state, i, rule), low.targets[rule.next]))
    default = low.targets[state.default] if isinstance(state.default, str) else None
    payload = compile_payload(low, state.input_path, UNSET, UNSET)
    return Row(name=low.name, kind="Choice", enter=_enter, plan=ChoicePlan(payload, tuple(rules), otherwise, default))


def _test(low: Lowering, i: int, rule: model.ChoiceRule) -> Test | None:
    if not low.jsonata:
        return None if isinstance(rule.test, UnsetType) else compile_rule(rule.test)
    condition = rule.condition
    if isinstance(condition, Expression):
        evaluate = compile_expression(condition, f"Choices[{i}]/Condition", "boolean")
        return lambda data, frame: evaluate({"input": data}, frame)
    return None if isinstance(condition, UnsetType) else lambda data, frame: condition


def _leave(low: Lowering, state: model.Choice, i: int, rule: model.ChoiceRule) -> Leave:
    """Compile what a matched rule does: its own Assign; in JSONata its own Output, else the state's."""
    if low.jsonata:
        prefix = f"Choices[{i}]/"
        if rule.output is not UNSET:
            return jsonata_leave(low, rule.output, rule.assign, prefix, None)
        bind = jsonata_leave(low, UNSET, rule.assign, prefix, None)
        return _both(bind, jsonata_leave(low, state.output, UNSET, "", None))
    plain = compile_pass_through(low, msgspec.structs.replace(state, assign=UNSET))
    assign = compile_assign(low, rule.assign, f"Choices[{i}]/")
    if assign is None:
        return plain

    def leave(frame: Frame, effective: JSON) -> None:
        assigned = assign(frame, effective)
        plain(frame, effective)
        set_variables(frame, assigned)

    return leave


def _both(bind: Leave, out: Leave) -> Leave:
    """Output of the state and Assign of the rule, both over what was there before."""

    def leave(frame: Frame, effective: JSON) -> None:
        before = frame.vars
        bind(frame, effective)
        after, frame.vars = frame.vars, before
        out(frame, effective)
        frame.vars = after

    return leave


def _enter(x: Execution, frame: Frame, row: Row) -> Step:
    plan: ChoicePlan = row.plan
    data = plan.payload(frame)
    for test, leave, following in plan.rules:
        if test(data, frame):
            leave(frame, data)
            return following
    if plan.default is None:
        raise StatesError(RUNTIME, _NO_CHOICE, located=True)
    plan.leave(frame, data)
    return plan.default
