"""A definition as typed structs: what `resolve` makes of plain data that `lint` has accepted.

Field names are the specification's in snake case. What is evaluated at run time is parsed: paths, calls, payload
templates, Choice rules and JSONata are nodes of `express.expr`, each with its text and its place. A type that is
`Annotated` says by which reader of `resolve` a field is parsed; the others are plain values. Absent fields are UNSET
where null means something else.

To add a field of the language, add it here and read it where its state kind is lowered (`express/states`); what the
host is told of a Task is `StartTask` in `express/engine/effects.py`. Lint checks the field by its type, unless it has a
row in `express/asl/lint/fields.py`. A state that has it runs on the table until `express/segments/kinds.py` says that
the optimizer's text looks at it, too.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType, field

from express.asl.resources import Resource
from express.expr.choices import Rule
from express.expr.intrinsics.syntax import Call
from express.expr.jsonata import Expression
from express.expr.jsonpath.nodes import WHOLE, Path
from express.expr.tree import Node
from express.values import JSON

Text: TypeAlias = str | UnsetType

APath: TypeAlias = Annotated[Path | None, "path"]
"""A path; null stands for nothing."""

OptionalPath: TypeAlias = Annotated[Path | UnsetType, "path"]
PathOrCall: TypeAlias = Annotated[Path | Call | UnsetType, "path or call"]

Payload: TypeAlias = Annotated[Node | UnsetType, "payload"]
"""A payload template of a JSONPath state, or a value of a JSONata state."""

Number: TypeAlias = Annotated[int | float | Expression | UnsetType, "scalar"]
TextOrExpression: TypeAlias = Annotated[str | Expression | UnsetType, "scalar"]


class Base(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Shared settings of all structs of the model."""


class Placed(Base, frozen=True, kw_only=True):
    """A node that remembers where it is written: `place` is a JSON pointer."""

    place: str = ""


class Retrier(Base, frozen=True, kw_only=True):
    """One entry of Retry."""

    error_equals: list[str]
    interval_seconds: int = 1
    max_attempts: int = 3
    backoff_rate: float = 2.0
    max_delay_seconds: int | None = None
    jitter_strategy: str = "NONE"
    comment: str | None = None


class Catcher(Placed, frozen=True, kw_only=True):
    """One entry of Catch."""

    error_equals: list[str]
    next: str
    result_path: APath = WHOLE
    output: Payload = UNSET
    assign: Payload = UNSET
    comment: str | None = None


class ChoiceRule(Placed, frozen=True, kw_only=True):
    """One entry of Choices: `test` of a JSONPath state, `condition` of a JSONata one."""

    next: str
    test: Annotated[Rule | UnsetType, "test"] = UNSET
    condition: Annotated[bool | Expression | UnsetType, "scalar"] = UNSET
    output: Payload = UNSET
    assign: Payload = UNSET
    comment: str | None = None


class StateBase(Placed, frozen=True, kw_only=True, tag_field="Type"):
    """Fields that every state may have. `jsonata`: its query language, its own or the machine's."""

    comment: str | None = None
    query_language: Text = UNSET
    jsonata: bool = False


class Step(StateBase, frozen=True, kw_only=True):
    """Fields of the states that pass data on: all but Choice, Succeed, Fail have `next` or `end`."""

    next: Text = UNSET
    end: bool = False
    input_path: APath = WHOLE
    output_path: APath = WHOLE
    output: Payload = UNSET
    assign: Payload = UNSET


class Guarded(Step, frozen=True, kw_only=True):
    """Task, Parallel and Map: states whose failure Retry and Catch may handle."""

    parameters: Payload = UNSET
    arguments: Payload = UNSET
    result_selector: Payload = UNSET
    result_path: APath = WHOLE
    retry: list[Retrier] = field(default_factory=list)
    catch: list[Catcher] = field(default_factory=list)


class Pass(Step, frozen=True, kw_only=True, tag="Pass"):
    """Pass."""

    result: JSON | UnsetType = UNSET
    parameters: Payload = UNSET
    result_path: APath = WHOLE


class Choice(StateBase, frozen=True, kw_only=True, tag="Choice"):
    """Choice."""

    choices: list[ChoiceRule]
    default: Text = UNSET
    input_path: APath = WHOLE
    output_path: APath = WHOLE
    output: Payload = UNSET
    assign: Payload = UNSET


class Wait(Step, frozen=True, kw_only=True, tag="Wait"):
    """Wait. Exactly one of the four is set."""

    seconds: Number = UNSET
    seconds_path: OptionalPath = UNSET
    timestamp: TextOrExpression = UNSET
    timestamp_path: OptionalPath = UNSET


class Succeed(StateBase, frozen=True, kw_only=True, tag="Succeed"):
    """Succeed."""

    input_path: APath = WHOLE
    output_path: APath = WHOLE
    output: Payload = UNSET


class Fail(StateBase, frozen=True, kw_only=True, tag="Fail"):
    """Fail."""

    error: TextOrExpression = UNSET
    cause: TextOrExpression = UNSET
    error_path: PathOrCall = UNSET
    cause_path: PathOrCall = UNSET


class Task(Guarded, frozen=True, kw_only=True, tag="Task"):
    """Task."""

    resource: Annotated[Resource, "resource"]
    timeout_seconds: Number = UNSET
    timeout_seconds_path: OptionalPath = UNSET
    heartbeat_seconds: Number = UNSET
    heartbeat_seconds_path: OptionalPath = UNSET
    credentials: Payload = UNSET


class ProcessorConfig(Base, frozen=True, kw_only=True):
    """Settings of a Map's child machine."""

    mode: str = "INLINE"
    execution_type: str | None = None


class Machine(Placed, frozen=True, kw_only=True):
    """A state machine, a branch, or an item processor. Only the outermost may have timeout and version."""

    start_at: str
    states: dict[str, State]
    comment: str | None = None
    version: str = "1.0"
    timeout_seconds: int | None = None
    query_language: Text = UNSET
    processor_config: ProcessorConfig = ProcessorConfig()


class Parallel(Guarded, frozen=True, kw_only=True, tag="Parallel"):
    """Parallel."""

    branches: list[Machine]


class ReaderConfig(Placed, frozen=True, kw_only=True):
    """ReaderConfig of an ItemReader."""

    input_type: Text = UNSET
    manifest_type: Text = UNSET
    transformation: Text = UNSET
    csv_header_location: Text = field(default=UNSET, name="CSVHeaderLocation")
    csv_headers: list[str] | UnsetType = field(default=UNSET, name="CSVHeaders")
    csv_delimiter: str = field(default="COMMA", name="CSVDelimiter")
    items_pointer: Text = UNSET
    max_items: Number = UNSET
    max_items_path: OptionalPath = UNSET
    comment: str | None = None


class WriterConfig(Base, frozen=True, kw_only=True):
    """WriterConfig of a ResultWriter."""

    transformation: Text = UNSET
    output_type: Text = UNSET
    comment: str | None = None


class ItemReader(Placed, frozen=True, kw_only=True):
    """Source of a distributed Map's items."""

    resource: str
    parameters: Payload = UNSET
    arguments: Payload = UNSET
    reader_config: ReaderConfig = ReaderConfig()
    comment: str | None = None


class ItemBatcher(Placed, frozen=True, kw_only=True):
    """Batches of a distributed Map."""

    max_items_per_batch: Number = UNSET
    max_items_per_batch_path: OptionalPath = UNSET
    max_input_bytes_per_batch: Number = UNSET
    max_input_bytes_per_batch_path: OptionalPath = UNSET
    batch_input: Payload = UNSET
    comment: str | None = None


class ResultWriter(Placed, frozen=True, kw_only=True):
    """Destination of a distributed Map's results."""

    resource: Text = UNSET
    parameters: Payload = UNSET
    arguments: Payload = UNSET
    writer_config: WriterConfig | UnsetType = UNSET
    comment: str | None = None


class Map(Guarded, frozen=True, kw_only=True, tag="Map"):
    """Map. `iterator` and `parameters` are the old names of `item_processor` and `item_selector`."""

    item_processor: Machine | UnsetType = UNSET
    iterator: Machine | UnsetType = UNSET
    items_path: OptionalPath = UNSET
    items: Payload = UNSET
    item_selector: Payload = UNSET
    max_concurrency: Number = UNSET
    max_concurrency_path: OptionalPath = UNSET
    tolerated_failure_count: Number = UNSET
    tolerated_failure_count_path: OptionalPath = UNSET
    tolerated_failure_percentage: Number = UNSET
    tolerated_failure_percentage_path: OptionalPath = UNSET
    label: Text = UNSET
    item_reader: ItemReader | UnsetType = UNSET
    item_batcher: ItemBatcher | UnsetType = UNSET
    result_writer: ResultWriter | UnsetType = UNSET

    @property
    def processor(self) -> Machine:
        """The machine that runs for each item."""
        machine = self.item_processor if isinstance(self.item_processor, Machine) else self.iterator
        assert isinstance(machine, Machine), "lint asks for one"
        return machine

    @property
    def selector(self) -> Node | UnsetType:
        """Return what makes the input of each iteration."""
        return self.item_selector if self.item_selector is not UNSET else self.parameters

    @property
    def distributed(self) -> bool:
        """Return whether its iterations are executions of their own."""
        return self.processor.processor_config.mode == "DISTRIBUTED"


State: TypeAlias = Task | Pass | Choice | Wait | Succeed | Fail | Parallel | Map

_FILLED_IN = frozenset({"place", "jsonata", "test"})
"""Attributes that are no fields of the language: `resolve` finds them out."""


def fields(kind: type[msgspec.Struct]) -> list[msgspec.structs.FieldInfo]:
    """Return the fields that the language has for a struct of the model."""
    return [field for field in msgspec.structs.fields(kind) if field.name not in _FILLED_IN]


def targets(state: State) -> list[str]:
    """Return the names of the states that a state may lead to, in the order of the language's fields."""
    found = [getattr(state, "next", UNSET), getattr(state, "default", UNSET)]
    named = [name for name in found if isinstance(name, str)]
    named += [rule.next for rule in getattr(state, "choices", ())]
    return named + [catcher.next for catcher in getattr(state, "catch", ())]
