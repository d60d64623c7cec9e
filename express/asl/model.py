"""A definition as tagged structs: what `decode` makes of plain data that `lint` has accepted.

Field names are the specification's in snake case. The structs do not validate (msgspec stops at the first error
and loses state names); `lint` does. Absent fields are UNSET where null means something else.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType, field

from express.values import JSON

Text: TypeAlias = str | UnsetType
Number: TypeAlias = int | float | str | UnsetType  # a string is a JSONata expression


class Base(msgspec.Struct, frozen=True, kw_only=True, rename="pascal", forbid_unknown_fields=True):
    """Shared settings of all structs of the model."""


class Retrier(Base, frozen=True, kw_only=True):
    """One entry of Retry (spec §15)."""

    error_equals: list[str]
    interval_seconds: int = 1
    max_attempts: int = 3
    backoff_rate: float = 2.0
    max_delay_seconds: int | None = None
    jitter_strategy: str = "NONE"
    comment: str | None = None


class Catcher(Base, frozen=True, kw_only=True):
    """One entry of Catch (spec §15)."""

    error_equals: list[str]
    next: str
    result_path: str | None = "$"
    output: JSON | UnsetType = UNSET
    assign: JSON | UnsetType = UNSET
    comment: str | None = None


class StateBase(Base, frozen=True, kw_only=True, tag_field="Type"):
    """Fields that every state may have. `query_language` UNSET: the machine's."""

    comment: str | None = None
    query_language: Text = UNSET


class Step(StateBase, frozen=True, kw_only=True):
    """Fields of the states that pass data on: all but Choice, Succeed, Fail have `next` or `end`."""

    next: Text = UNSET
    end: bool = False
    input_path: str | None = "$"
    output_path: str | None = "$"
    output: JSON | UnsetType = UNSET
    assign: JSON | UnsetType = UNSET


class Guarded(Step, frozen=True, kw_only=True):
    """Task, Parallel and Map: states whose failure Retry and Catch may handle."""

    parameters: JSON | UnsetType = UNSET
    arguments: JSON | UnsetType = UNSET
    result_selector: JSON | UnsetType = UNSET
    result_path: str | None = "$"
    retry: list[Retrier] = field(default_factory=list)
    catch: list[Catcher] = field(default_factory=list)


class Pass(Step, frozen=True, kw_only=True, tag="Pass"):
    """Pass (spec §8)."""

    result: JSON | UnsetType = UNSET
    parameters: JSON | UnsetType = UNSET
    result_path: str | None = "$"


class Choice(StateBase, frozen=True, kw_only=True, tag="Choice"):
    """Choice (spec §10). Rules stay plain data: `expr.choices` compiles them."""

    choices: list[dict[str, JSON]]
    default: Text = UNSET
    input_path: str | None = "$"
    output_path: str | None = "$"
    output: JSON | UnsetType = UNSET
    assign: JSON | UnsetType = UNSET


class Wait(Step, frozen=True, kw_only=True, tag="Wait"):
    """Wait (spec §9). Exactly one of the four is set."""

    seconds: Number = UNSET
    seconds_path: Text = UNSET
    timestamp: Text = UNSET
    timestamp_path: Text = UNSET


class Succeed(StateBase, frozen=True, kw_only=True, tag="Succeed"):
    """Succeed (spec §8)."""

    input_path: str | None = "$"
    output_path: str | None = "$"
    output: JSON | UnsetType = UNSET


class Fail(StateBase, frozen=True, kw_only=True, tag="Fail"):
    """Fail (spec §8)."""

    error: Text = UNSET
    cause: Text = UNSET
    error_path: Text = UNSET
    cause_path: Text = UNSET


class Task(Guarded, frozen=True, kw_only=True, tag="Task"):
    """Task (spec §11)."""

    resource: str
    timeout_seconds: Number = UNSET
    timeout_seconds_path: Text = UNSET
    heartbeat_seconds: Number = UNSET
    heartbeat_seconds_path: Text = UNSET
    credentials: JSON | UnsetType = UNSET


class Machine(Base, frozen=True, kw_only=True):
    """A state machine, a branch, or an item processor. Only the outermost may have timeout and version."""

    start_at: str
    states: dict[str, State]
    comment: str | None = None
    version: str = "1.0"
    timeout_seconds: int | None = None
    query_language: Text = UNSET
    processor_config: dict[str, str] = field(default_factory=dict)


class Parallel(Guarded, frozen=True, kw_only=True, tag="Parallel"):
    """Parallel (spec §12)."""

    branches: list[Machine]


class Map(Guarded, frozen=True, kw_only=True, tag="Map"):
    """Map (spec §13, §14). `iterator` and `parameters` are the old names of `item_processor` and `item_selector`."""

    item_processor: Machine | UnsetType = UNSET
    iterator: Machine | UnsetType = UNSET
    items_path: Text = UNSET
    items: JSON | UnsetType = UNSET
    item_selector: JSON | UnsetType = UNSET
    max_concurrency: Number = UNSET
    max_concurrency_path: Text = UNSET
    tolerated_failure_count: Number = UNSET
    tolerated_failure_count_path: Text = UNSET
    tolerated_failure_percentage: Number = UNSET
    tolerated_failure_percentage_path: Text = UNSET
    label: Text = UNSET
    item_reader: Any = UNSET
    item_batcher: Any = UNSET
    result_writer: Any = UNSET


State: TypeAlias = Task | Pass | Choice | Wait | Succeed | Fail | Parallel | Map
