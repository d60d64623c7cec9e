"""Shared by the state kinds when they are lowered: data flow in and out, in either query language.

A state's fields become two callables: `payload(frame)`, what the state works on, and `leave(frame, result)`,
which turns its result into the frame's data and variables. Fields that are not there cost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from express.asl import model
from express.engine.execution import Frame
from express.engine.program import CatchRow, RetryRow, Scope, Step
from express.errors import DATA_LIMIT_EXCEEDED, DefinitionError, Diagnostic, ExpressionError, StatesError
from express.expr.jsonata import compile_value
from express.expr.jsonpath.compile import compile_input_path, compile_result_path
from express.expr.jsonpath.nodes import WHOLE, Path
from express.expr.size_growth import Reader, after
from express.expr.templates import Template, compile_template
from express.expr.tree import Node
from express.values import JSON, PAYLOAD_LIMIT, size

Payload: TypeAlias = Callable[[Frame], JSON]
Leave: TypeAlias = Callable[[Frame, JSON], None]
Assign: TypeAlias = Callable[[Frame, JSON], Mapping[str, JSON]]
Given: TypeAlias = Node | UnsetType
"""A field that is evaluated, if the state has it."""

Watch: TypeAlias = Callable[[str, Any], Any]
"""(field, its compiled callable or None) → the callable to use. TestState watches what each stage gives."""

UNKNOWN = 1 << 62
"""A bound that makes whoever asks measure."""

VARIABLES_LIMIT = 10 * 1024 * 1024


def _unwatched(field: str, compiled: Any) -> Any:
    return compiled


class Lowering(msgspec.Struct, frozen=True, kw_only=True):
    """The surroundings of a state while it is lowered: its name, language and the indexes of its neighbours.

    `scope` compiles a nested machine; `location` is the state's pointer, for findings.
    """

    name: str
    jsonata: bool
    targets: Mapping[str, Step]
    scope: Callable[[model.Machine], Scope]
    location: str
    findings: list[Diagnostic]
    resources: list[Any]
    type: str = "EXPRESS"
    watch: Watch = _unwatched

    def following(self, state: model.Step) -> Step:
        """The index of `Next`, or END."""
        return self.targets[state.next] if isinstance(state.next, str) else -1

    @contextmanager
    def field(self, field: str) -> Iterator[None]:
        """Turn an expression that can't be compiled into a finding at `field`, and go on."""
        try:
            yield
        except ExpressionError as error:
            self.report("SCHEMA_VALIDATION_FAILED", str(error), field)
        except DefinitionError as error:
            self.findings.extend(error.diagnostics)

    def report(self, code: str, message: str, field: str) -> None:
        """Add a finding at a field of this state."""
        self.findings.append(Diagnostic(code=code, message=message, location=f"{self.location}/{field}"))


def exceeded(what: str) -> StatesError:
    """The error of a result that is too large (States Language, "Errors")."""
    return StatesError(
        DATA_LIMIT_EXCEEDED,
        f"The state/task '{what}' returned a result with a size exceeding the maximum number of bytes service limit.",
    )


def provided(what: str, value: JSON) -> int:
    """The size of parameters; raises States.DataLimitExceeded where they are too large (States Language, "Errors")."""
    try:
        bytes_ = size(value)
    except (TypeError, RecursionError):
        return UNKNOWN  # no JSON: for whoever gets it
    if bytes_ > PAYLOAD_LIMIT:
        raise StatesError(
            DATA_LIMIT_EXCEEDED,
            f"The state/task '{what}' provided parameters with a size exceeding the maximum number of bytes "
            "service limit.",
        )
    return bytes_


def measure(value: JSON, what: str) -> int:
    """The size of `value` in bytes; raises StatesError where it is over the payload limit.

    `frame.bound` is an upper bound of the data's size that grows with what each state may add, so a value is
    measured only once the bound says that it might be too large.
    """
    try:
        bytes_ = size(value)
    except (TypeError, RecursionError) as error:
        raise StatesError("States.Runtime", f"The output can't be written as JSON: {error}", located=True) from error
    if bytes_ > PAYLOAD_LIMIT:
        raise exceeded(what)
    return bytes_


def grow(frame: Frame, growth: tuple[int, int] | None) -> None:
    """Raise the bound by what a template may make of data of the present bound; None: it must be measured."""
    frame.bound = UNKNOWN if growth is None else frame.bound * growth[0] + growth[1]


# In ---------------------------------------------------------------------------------------------------


def compile_parameters(low: Lowering, input_path: Path | None, template: Given, arguments: Given) -> Payload:
    """`compile_payload` for what leaves the state, to a task or a branch: over the payload limit it fails."""
    payload = compile_payload(low, input_path, template, arguments)
    if payload is raw:
        return payload
    growth, name = getattr(payload, "growth", None), low.name
    times, plus = growth or (UNKNOWN, 0)

    def measured(frame: Frame) -> JSON:
        value = payload(frame)
        if frame.bound * times + plus > PAYLOAD_LIMIT:
            provided(name, value)
        return value

    return measured


def compile_payload(low: Lowering, input_path: Path | None, template: Given, arguments: Given) -> Payload:
    """Raw input → what the state works on: InputPath and Parameters, or Arguments."""
    if low.jsonata:
        return _jsonata_payload(low, arguments)
    read = shape = None
    with low.field("InputPath"):
        read = low.watch("InputPath", compile_input_path(input_path, "InputPath"))
    if not isinstance(template, UnsetType):
        with low.field("Parameters"):
            shape = low.watch("Parameters", compile_template(template, "Parameters"))
    if read is None and shape is None:
        return raw
    return _read(read) if shape is None else _shaped(shape, read)


def _read(read: Reader | None) -> Payload:
    """The effective input; it knows how large it may be."""
    assert read is not None, "else it is the raw input"

    def payload(frame: Frame) -> JSON:
        return read(frame.data, frame)

    payload.growth = read.growth  # type: ignore[attr-defined]  # a fact about the callable, read by Pass
    return payload


def _shaped(shape: Template, read: Reader | None) -> Payload:
    """A template over the effective input; it knows how large its result may be."""
    if read is None:

        def payload(frame: Frame) -> JSON:
            return shape(frame.data, frame)

    else:

        def payload(frame: Frame) -> JSON:
            return shape(read(frame.data, frame), frame)

    payload.growth = shape.growth if read is None else after(read.growth, shape.growth)  # type: ignore[attr-defined]  # a fact about the callable, read by Pass
    return payload


def raw(frame: Frame) -> JSON:
    """The payload of a state without InputPath, Parameters or Arguments."""
    return frame.data


def _jsonata_payload(low: Lowering, arguments: Given) -> Payload:
    if isinstance(arguments, UnsetType):
        return raw
    evaluate = None
    with low.field("Arguments"):
        evaluate = compile_value(arguments, "Arguments")
    return (lambda frame: evaluate({"input": frame.data}, frame)) if evaluate is not None else raw


# Out --------------------------------------------------------------------------------------------------


def compile_leave(low: Lowering, state: Any, *, result: bool) -> Leave:
    """Result → the frame's data and variables. `result`: `$states.result` may be asked for (Task, Parallel, Map)."""
    if low.jsonata:
        return jsonata_leave(low, state.output, state.assign, "", "result" if result else None)
    return _jsonpath_leave(low, state)


def _jsonpath_leave(low: Lowering, state: Any) -> Leave:
    select = write = out = None
    selector = getattr(state, "result_selector", UNSET)
    if selector is not UNSET:
        with low.field("ResultSelector"):
            select = low.watch("ResultSelector", compile_template(selector, "ResultSelector"))
    result_path = getattr(state, "result_path", WHOLE)
    if result_path is None or not result_path.whole:
        with low.field("ResultPath"):
            write = low.watch("ResultPath", compile_result_path(result_path))
    with low.field("OutputPath"):
        out = compile_input_path(state.output_path, "OutputPath")
    assign = compile_assign(low, getattr(state, "assign", UNSET), "")
    name = low.name
    if select is None and out is None and assign is None:
        return _written(write, name)

    def leave(frame: Frame, result: JSON) -> None:
        shaped = result if select is None else select(result, frame)
        merged = shaped if write is None else write(frame.data, shaped)
        output = merged if out is None else out(merged, frame)
        assigned = None if assign is None else assign(frame, result)
        if select is not None or out is not None:
            frame.bound = UNKNOWN
        if frame.bound > PAYLOAD_LIMIT:
            frame.bound = measure(output, name)
        frame.data = output
        if assigned is not None:
            set_variables(frame, assigned)

    return leave


def _written(write: Callable[[JSON, JSON], JSON] | None, name: str) -> Leave:
    """The common case: the result goes to ResultPath and nothing else happens."""
    if write is None:

        def replace(frame: Frame, result: JSON) -> None:
            if frame.bound > PAYLOAD_LIMIT:
                frame.bound = measure(result, name)
            frame.data = result

        return replace

    def merge(frame: Frame, result: JSON) -> None:
        merged = write(frame.data, result)
        if frame.bound > PAYLOAD_LIMIT:
            frame.bound = measure(merged, name)
        frame.data = merged

    return merge


def compile_pass_through(low: Lowering, state: Any) -> Leave:
    """Choice, Wait, Succeed: InputPath then OutputPath over the input, or Output; `result` is the effective input."""
    if low.jsonata:
        return jsonata_leave(low, state.output, getattr(state, "assign", UNSET), "", None)
    out = None
    with low.field("OutputPath"):
        out = compile_input_path(state.output_path, "OutputPath")
    assign = compile_assign(low, getattr(state, "assign", UNSET), "")

    def leave(frame: Frame, effective: JSON) -> None:
        assigned = None if assign is None else assign(frame, effective)
        frame.data = effective if out is None else out(effective, frame)
        if assigned is not None:
            set_variables(frame, assigned)

    return _set_data if out is None and assign is None else leave


def _set_data(frame: Frame, effective: JSON) -> None:
    frame.data = effective


def jsonata_leave(low: Lowering, output: Given, assign: Given, prefix: str, phase: str | None) -> Leave:
    """`Output` and `Assign` of a JSONata state, rule or catcher, evaluated independently of one another.

    `phase` names the member of `$states` that holds the result (`result`, `errorOutput`), None: there is none.
    """
    evaluate = None
    if not isinstance(output, UnsetType):
        with low.field(f"{prefix}Output"):
            evaluate = compile_value(output, f"{prefix}Output")
    bind = jsonata_assign(low, assign, prefix, phase)
    name = low.name

    def leave(frame: Frame, result: JSON) -> None:
        assigned = None if bind is None else bind(frame, result)
        if evaluate is not None:
            states = {"input": frame.data} if phase is None else {"input": frame.data, phase: result}
            result = evaluate(states, frame)
            frame.bound = UNKNOWN
        if frame.bound > PAYLOAD_LIMIT:
            frame.bound = measure(result, name)
        frame.data = result
        if assigned is not None:
            set_variables(frame, assigned)

    return leave


# Variables --------------------------------------------------------------------------------------------


def compile_assign(low: Lowering, assign: Given, prefix: str) -> Assign | None:
    """A JSONPath `Assign`: a payload template over the result whose members become variables."""
    if isinstance(assign, UnsetType):
        return None
    with low.field(f"{prefix}Assign"):
        template = compile_template(assign, f"{prefix}Assign")
        return lambda frame, result: template(result, frame)
    return None


def jsonata_assign(low: Lowering, assign: Given, prefix: str, phase: str | None) -> Assign | None:
    """A JSONata `Assign`."""
    if isinstance(assign, UnsetType):
        return None
    with low.field(f"{prefix}Assign"):
        evaluate = compile_value(assign, f"{prefix}Assign")

        def bind(frame: Frame, result: JSON) -> Mapping[str, JSON]:
            states = {"input": frame.data} if phase is None else {"input": frame.data, phase: result}
            values: Mapping[str, JSON] = evaluate(states, frame)
            return values

        return bind
    return None


def set_variables(frame: Frame, assigned: Mapping[str, JSON]) -> None:
    """Make variables visible from the next state on; those of running children keep what they saw.

    Raises StatesError where one is over 256 KiB, all of one Assign are, or the execution's are over 10 MiB.
    """
    if size(assigned) > PAYLOAD_LIMIT:
        raise exceeded(frame.rows[frame.at].name)
    merged = {**frame.vars, **assigned}
    if len(merged) > 40 and size(merged) > VARIABLES_LIMIT:
        raise exceeded(frame.rows[frame.at].name)
    frame.vars = merged
    frame.assigned = {**(frame.assigned or {}), **assigned}


# Retry and Catch --------------------------------------------------------------------------------------


def lower_retry(retriers: list[model.Retrier]) -> tuple[RetryRow, ...]:
    """`Retry` as rows."""
    return tuple(
        RetryRow(
            frozenset(r.error_equals),
            r.interval_seconds,
            r.max_attempts,
            r.backoff_rate,
            r.max_delay_seconds,
            r.jitter_strategy == "FULL",
        )
        for r in retriers
    )


def lower_catch(low: Lowering, catchers: list[model.Catcher]) -> tuple[CatchRow, ...]:
    """`Catch` as rows."""
    return tuple(_catcher(low, i, c) for i, c in enumerate(catchers))


def _catcher(low: Lowering, i: int, catcher: model.Catcher) -> CatchRow:
    prefix = f"Catch[{i}]/"
    if low.jsonata:
        leave = jsonata_leave(low, catcher.output, catcher.assign, prefix, "errorOutput")
    else:
        write = None
        with low.field(f"Catch[{i}]/ResultPath"):
            write = compile_result_path(catcher.result_path)
        leave = _caught(write, compile_assign(low, catcher.assign, prefix), low.name)
    return CatchRow(frozenset(catcher.error_equals), low.targets[catcher.next], leave)


def _caught(write: Callable[[JSON, JSON], JSON] | None, assign: Assign | None, name: str) -> Leave:
    def leave(frame: Frame, output: JSON) -> None:
        assigned = None if assign is None else assign(frame, output)
        merged = output if write is None else write(frame.data, output)
        frame.bound = UNKNOWN
        if frame.bound > PAYLOAD_LIMIT:
            frame.bound = measure(merged, name)
        frame.data = merged
        if assigned is not None:
            set_variables(frame, assigned)

    return leave
