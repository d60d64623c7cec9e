"""Map, inline: runs its item processor over each item, at most so many at once (States Language, "Map State").

Iterations start lazily: a child frame is made when its turn comes, and its ItemSelector is evaluated then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET

from express.asl import model
from express.engine.events import Event
from express.engine.execution import Execution, Frame, Join
from express.engine.program import RESUME, WAIT, Row, Scope, Step
from express.errors import RUNTIME, EvaluationError, StatesError
from express.expr.jsonata import Expression, compile_expression, compile_value
from express.expr.jsonpath.compile import path_growth
from express.expr.jsonpath.nodes import WHOLE, Path
from express.expr.jsonpath.typed_fields import compile_integer_path, compile_items_path
from express.expr.templates import compile_template
from express.states.lowering import (
    UNKNOWN,
    Leave,
    Lowering,
    Payload,
    compile_leave,
    compile_payload,
    lower_catch,
    lower_retry,
    provided,
)
from express.values import JSON, text

Count: TypeAlias = Callable[[Frame, JSON], int]

INLINE_CONCURRENCY = 40
"""Iterations at the same time that MaxConcurrency 0 means inline on AWS."""


class MapPlan(msgspec.Struct, frozen=True):
    """The item processor and the data flow around it. `selector` None: the item itself.

    `grown`: items need not be parts of the data.
    """

    scope: Scope
    payload: Payload
    items: Callable[[Frame, JSON], list[JSON]]
    selector: Callable[[Frame, Frame, JSON], JSON] | None
    concurrency: Count
    leave: Leave
    grown: bool

    def child_scope(self, index: int) -> Scope:
        """The scope that iteration `index` runs in: the item processor."""
        return self.scope

    def start_child(self, x: Execution, join: Join) -> None:
        """Queue the next iteration."""
        index = join.started
        join.started += 1
        parent = join.frame
        item = join.items[index]
        child = Frame(x, self.scope.rows, item, parent)
        child.join = join
        child.index = index
        child.prev = parent.prev
        child.item = _described(index, item)
        join.running[index] = child
        if x.history is None:
            x.events += 1
        else:
            child.record("MapIterationStarted", {"name": join.row.name, "index": index})
        if self.selector is not None:
            before, parent.item = parent.item, child.item
            try:
                child.data = self.selector(parent, child, join.payload)
            finally:
                parent.item = before
            child.bound = provided(join.row.name, child.data)
        elif self.grown:
            child.bound = UNKNOWN
        x.ready.append((child, self.scope.start))


def _described(index: int, item: JSON) -> dict[str, JSON]:
    """`Map.Item` of the Context object."""
    return {"Index": index, "Value": item}


def lower(state: model.Map, low: Lowering) -> Row:
    """A row that forks a frame per item."""
    _refuse_distributed(state, low)
    plan = MapPlan(
        low.scope(state.processor),
        compile_payload(low, state.input_path, UNSET, UNSET),
        _items(state, low),
        _selector(state.selector, low),
        _concurrency(state),
        compile_leave(low, state, result=True),
        _grown(state),
    )
    return Row(
        name=low.name,
        kind="Map",
        enter=_enter,
        resume=_resume,
        plan=plan,
        next=low.following(state),
        retry=lower_retry(state.retry),
        catch=lower_catch(low, state.catch),
    )


_DISTRIBUTED = (("item_reader", "ItemReader"), ("item_batcher", "ItemBatcher"), ("result_writer", "ResultWriter"))


def _refuse_distributed(state: model.Map, low: Lowering) -> None:
    """A distributed Map comes with Standard workflows; until then it is refused by name."""
    if state.distributed:
        low.report(
            "NOT_SUPPORTED_YET",
            "A Map with Mode DISTRIBUTED is not supported yet",
            "ItemProcessor/ProcessorConfig/Mode",
        )
        return
    for attribute, field in _DISTRIBUTED:
        if getattr(state, attribute) is not UNSET:
            low.report("NOT_SUPPORTED_YET", f"Field '{field}' is not supported yet", field)


def _grown(state: model.Map) -> bool:
    """Tell if items may be larger than the data: those of an expression, a variable or the Context object."""
    paths = (path for path in (state.input_path, state.items_path) if isinstance(path, Path))
    return state.items is not UNSET or any(path_growth(path) is None for path in paths)


def _items(state: model.Map, low: Lowering) -> Callable[[Frame, JSON], list[JSON]]:
    if low.jsonata:
        return _jsonata_items(state.items)
    with low.field("ItemsPath"):
        read = compile_items_path(state.items_path if isinstance(state.items_path, Path) else WHOLE, "ItemsPath")
        return lambda frame, data: read(data, frame)
    return lambda frame, data: []


def _jsonata_items(items: Any) -> Callable[[Frame, JSON], list[JSON]]:
    if items is UNSET:
        return _input_items
    if isinstance(items, Expression):
        evaluate = compile_expression(items, "Items", "array")
    else:
        evaluate = compile_value(items, "Items")
    return lambda frame, data: evaluate({"input": frame.data}, frame)


def _input_items(frame: Frame, data: JSON) -> list[JSON]:
    if type(data) is not list:
        raise EvaluationError(f"Map state input must be an array but was: {text(data)}", None)
    return data


def _selector(selector: Any, low: Lowering) -> Callable[[Frame, Frame, JSON], JSON] | None:
    if selector is UNSET:
        return None
    with low.field("ItemSelector"):
        if low.jsonata:
            evaluate = compile_value(selector, "ItemSelector")
            return lambda parent, child, data: evaluate({"input": parent.data}, parent)
        shape = compile_template(selector, "ItemSelector")
        return lambda parent, child, data: shape(data, parent)
    return None


def _concurrency(state: model.Map) -> Count:
    if isinstance(state.max_concurrency_path, Path):
        read = compile_integer_path(state.max_concurrency_path, "MaxConcurrencyPath")
        return lambda frame, data: _at_least_one(read(data, frame))
    literal = state.max_concurrency
    if isinstance(literal, Expression):
        evaluate = compile_expression(literal, "MaxConcurrency", "integer")
        return lambda frame, data: _at_least_one(evaluate({"input": frame.data}, frame))
    fixed = _at_least_one(0 if not isinstance(literal, int) else literal)
    return lambda frame, data: fixed


def _at_least_one(count: int) -> int:
    if count < 0:
        raise StatesError(RUNTIME, "MaxConcurrency cannot be negative.", located=True)
    return min(int(count), INLINE_CONCURRENCY) or INLINE_CONCURRENCY


def _enter(x: Execution, frame: Frame, row: Row) -> Step:
    plan: MapPlan = row.plan
    payload = plan.payload(frame)
    limit = plan.concurrency(frame, payload)
    items = plan.items(frame, payload)
    frame.record("MapStateStarted", {"length": len(items)})
    frame.children = join = Join(frame, row, plan, items, limit)
    join.payload = payload
    if not items:
        x.ready.append((frame, RESUME))
    for _ in range(min(limit, len(items))):
        plan.start_child(x, join)
    return WAIT


def _resume(x: Execution, frame: Frame, row: Row, event: Event | None) -> Step:
    plan: MapPlan = row.plan
    join = frame.children
    assert join is not None
    frame.children = None
    frame.record("MapStateSucceeded", {}, advance=False)
    frame.bound = 1 << 62
    plan.leave(frame, join.results)
    return row.next
