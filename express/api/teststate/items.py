"""TestState of a mocked Map: its items stage by stage, its concurrency, and the failures it tolerates.

The iterations themselves are mocked; everything around them is evaluated with the functions that executions use.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType

from express.api import jsontext
from express.api.errors import validation
from express.asl import model
from express.engine.execution import Frame
from express.errors import ITEM_READER_FAILED, QUERY_EVALUATION_ERROR, RUNTIME, StatesError
from express.expr.jsonata import Expression, compile_expression, compile_value
from express.expr.jsonpath.compile import compile_input_path, compile_path
from express.expr.jsonpath.nodes import WHOLE, Path
from express.expr.jsonpath.typed_fields import compile_integer_path, compile_items_path, compile_number_path
from express.expr.templates import compile_template
from express.expr.tree import Node
from express.states.lowering import Watch
from express.values import JSON, size, text

if TYPE_CHECKING:
    from express.api.teststate.request import Question


class MapFacts(msgspec.Struct):
    """A Map as it stands before its first iteration. Members that the state does not have are None or absent."""

    concurrency: int = 0
    tolerated_count: int | None = None
    tolerated_percentage: float | None = None
    items: list[JSON] | None = None
    stages: dict[str, JSON] = {}
    """Stage (`afterItemsPath` …) → what it gave."""

    def exceeded(self, failures: int | None, result: JSON) -> bool:
        """Tell if so many failed iterations are more than the state tolerates (a state that says nothing takes all).

        Raises ApiError where more iterations are said to have failed than there are.
        """
        if failures is None:
            return False
        count = len(self.items) if self.items is not None else len(result) if type(result) is list else failures
        check_failures(failures, count)
        if self.tolerated_count is not None and failures > self.tolerated_count:
            return True
        share = 100 * failures / count if count else 0.0
        return self.tolerated_percentage is not None and share > self.tolerated_percentage


def check_failures(failures: int | None, count: int) -> None:
    """Refuse more failed iterations than iterations (text recorded)."""
    if failures is not None and failures > count:
        raise validation("Map iteration failure count must be less than or equal to the number of Map iterations")


def inspect_map(state: model.Map, frame: Frame, question: Question, watch: Watch) -> MapFacts:
    """Evaluate what stands around the iterations, in the order of an execution. Raises StatesError."""
    return _Inspection(state, frame, question, watch).run()


class _Inspection:
    def __init__(self, state: model.Map, frame: Frame, question: Question, watch: Watch) -> None:
        self._state = state
        self._frame = frame
        self._question = question
        self._jsonata = question.jsonata
        self._facts = MapFacts(stages={})
        self._effective = frame.data
        read = None if self._jsonata else watch("InputPath", compile_input_path(state.input_path, "InputPath"))
        if read is not None:
            self._effective = read(frame.data, frame)

    def run(self) -> MapFacts:
        facts, state = self._facts, self._state
        facts.items = self._items()
        if facts.items is not None:
            self._select()
            self._batch()
            check_failures(self._question.settings.map_iteration_failure_count, len(facts.items))
        facts.concurrency = self._count("MaxConcurrency", state.max_concurrency, state.max_concurrency_path) or 0
        facts.tolerated_count = self._count(
            "ToleratedFailureCount", state.tolerated_failure_count, state.tolerated_failure_count_path
        )
        percentage = self._number(
            "ToleratedFailurePercentage",
            state.tolerated_failure_percentage,
            state.tolerated_failure_percentage_path,
            compile_number_path,
            "number",
        )
        if percentage is not None:
            if not 0 <= percentage <= 100:
                raise _broken("ToleratedFailurePercentage must be between 0 and 100.")
            facts.tolerated_percentage = float(percentage)
        return facts

    # Items ---------------------------------------------------------------------------------------------

    def _items(self) -> list[JSON] | None:
        """The items, None where a reader would bring them and the caller has not said what."""
        state, facts = self._state, self._facts
        if state.item_reader is not UNSET:
            data = self._question.settings.map_item_reader_data
            return None if data is None else self._read(data)
        if self._jsonata:
            return self._jsonata_items()
        path = state.items_path if isinstance(state.items_path, Path) else WHOLE
        if state.distributed:
            value = compile_path(path, "ItemsPath")(self._effective, self._frame)
            if type(value) is dict:
                facts.stages["afterItemsPath"] = value
                return _members(value)
        items: list[JSON] = compile_items_path(path, "ItemsPath")(self._effective, self._frame)
        facts.stages["afterItemsPath"] = items
        return items

    def _jsonata_items(self) -> list[JSON]:
        items = self._state.items
        value = self._frame.data
        if not isinstance(items, UnsetType):
            expect = None if self._state.distributed else "array"
            evaluate = (
                compile_expression(items, "Items", expect)
                if isinstance(items, Expression)
                else compile_value(items, "Items")
            )
            value = evaluate({"input": self._frame.data}, self._frame)
        if type(value) is dict and self._state.distributed:
            return _members(value)
        if type(value) is not list:
            raise StatesError(QUERY_EVALUATION_ERROR, f"Map state input must be an array but was: {text(value)}")
        return value

    def _read(self, data: str) -> list[JSON]:
        reader = self._state.item_reader
        assert isinstance(reader, model.ItemReader)
        config = reader.reader_config
        value = _parse(data, config)
        pointer = config.items_pointer
        if isinstance(pointer, str):
            value = self._facts.stages["afterItemsPointer"] = _point(value, pointer)
        if type(value) is dict:
            value = _members(value)
        if type(value) is not list:
            raise StatesError(ITEM_READER_FAILED, "Attempting to map over non-iterable node.")
        return self._first(value, config)

    def _first(self, items: list[JSON], config: model.ReaderConfig) -> list[JSON]:
        """The items that MaxItems lets through; 0 lets all through (recorded)."""
        field = "ItemReader/ReaderConfig/MaxItems"
        most = self._number(field, config.max_items, config.max_items_path, compile_integer_path, "integer")
        if most is not None and most < 0:
            raise StatesError(ITEM_READER_FAILED, "field MaxItems must be positive")
        return items[: int(most)] if most else items

    def _select(self) -> None:
        """ItemSelector: the input of each iteration."""
        state, frame, items = self._state, self._frame, self._facts.items
        selector = state.selector
        if isinstance(selector, UnsetType) or items is None:
            return
        if self._jsonata:
            evaluate = compile_value(selector, "ItemSelector")
            select: Callable[[], JSON] = lambda: evaluate({"input": frame.data}, frame)  # noqa: E731 - two of a kind
        else:
            shape = compile_template(selector, "ItemSelector")
            select = lambda: shape(self._effective, frame)  # noqa: E731 - two of a kind
        selected = []
        try:
            for index, item in enumerate(items):
                frame.item = {"Index": index, "Value": item}
                selected.append(select())
        finally:
            frame.item = None
        self._facts.items = self._facts.stages["afterItemSelector"] = selected

    def _batch(self) -> None:
        """ItemBatcher: the input of each child execution."""
        batcher, items = self._state.item_batcher, self._facts.items
        if isinstance(batcher, UnsetType) or items is None:
            return
        most = self._count(
            "ItemBatcher/MaxItemsPerBatch", batcher.max_items_per_batch, batcher.max_items_per_batch_path
        )
        most_bytes = self._count(
            "ItemBatcher/MaxInputBytesPerBatch",
            batcher.max_input_bytes_per_batch,
            batcher.max_input_bytes_per_batch_path,
        )
        fixed: dict[str, JSON] = {}
        if not isinstance(batcher.batch_input, UnsetType):
            fixed["BatchInput"] = self._value("BatchInput", batcher.batch_input)
        overhead = size({**fixed, "Items": []})
        batches = [{**fixed, "Items": part} for part in _split(items, most, most_bytes, overhead)]
        self._facts.items = self._facts.stages["afterItemBatcher"] = batches

    # Values --------------------------------------------------------------------------------------------

    def _value(self, field: str, value: Node) -> JSON:
        if self._jsonata:
            return compile_value(value, field)({"input": self._frame.data}, self._frame)
        return compile_template(value, field)(self._effective, self._frame)

    def _count(self, field: str, literal: Any, path: Any) -> int | None:
        value: int | None = self._number(field, literal, path, compile_integer_path, "integer")
        if value is not None and value < 0:
            raise _broken(f"{field} cannot be negative.")
        return value

    def _number(self, field: str, literal: Any, path: Any, compile_: Callable[[Path, str], Any], expect: str) -> Any:
        """A literal, a path or an expression; None where the state says nothing."""
        if isinstance(path, Path):
            return compile_(path, f"{field}Path")(self._effective, self._frame)
        if isinstance(literal, Expression):
            return compile_expression(literal, field, expect)({"input": self._frame.data}, self._frame)
        return None if literal is UNSET else literal


def _broken(cause: str) -> StatesError:
    return StatesError(RUNTIME, cause)


def _members(value: dict[str, JSON]) -> list[JSON]:
    """A distributed Map over an object: one item per member."""
    return [{"Key": key, "Value": part} for key, part in value.items()]


def _split(items: list[JSON], most: int | None, most_bytes: int | None, overhead: int) -> list[list[JSON]]:
    """Items in batches of at most so many items and bytes; an item that is too large stands alone."""
    batches: list[list[JSON]] = []
    used = overhead
    for item in items:
        bytes_ = size(item) + 1 if most_bytes else 0
        full = bool(most and batches and len(batches[-1]) >= most) or bool(most_bytes and used + bytes_ > most_bytes)
        if full or not batches:
            batches.append([])
            used = overhead
        batches[-1].append(item)
        used += bytes_
    return batches


def _parse(data: str, config: model.ReaderConfig) -> JSON:
    """The reader's data as its source holds it. Raises StatesError, or ApiError for what can't be in a request."""
    kind = config.input_type if isinstance(config.input_type, str) else "JSON"
    try:
        if kind == "JSON":
            return jsontext.parse(data)
        if kind == "JSONL":
            return [jsontext.parse(line) for line in data.splitlines() if line.strip()]
    except jsontext.NotJson as error:
        raise StatesError(ITEM_READER_FAILED, str(error)) from error
    if kind == "CSV":
        return _parse_csv(data, config)
    raise validation(f"TestState does not support MapItemReaderData for the InputType {kind}.")


_DELIMITERS = {"COMMA": ",", "PIPE": "|", "SEMICOLON": ";", "SPACE": " ", "TAB": "\t"}


def _parse_csv(data: str, config: model.ReaderConfig) -> list[JSON]:
    """Rows as objects of strings: short ones are padded, surplus fields dropped (States Language, "Map State")."""
    delimiter = _DELIMITERS[config.csv_delimiter]
    rows = [row for row in csv.reader(io.StringIO(data), delimiter=delimiter, escapechar="\\") if row]
    given = config.csv_header_location == "GIVEN"
    names = config.csv_headers if isinstance(config.csv_headers, list) else []
    headers = names if given else rows[0] if rows else []
    if len(set(headers)) != len(headers):
        raise StatesError(ITEM_READER_FAILED, "CSV headers cannot contain duplicates.")
    body = rows if given else rows[1:]
    return [dict(zip(headers, row + [""] * (len(headers) - len(row)), strict=False)) for row in body]


def _point(value: JSON, pointer: str) -> JSON:
    """The part of `value` that a JSON pointer names. Raises StatesError."""
    for token in pointer.split("/")[1:]:
        name = token.replace("~1", "/").replace("~0", "~")
        if type(value) is dict and name in value:
            value = value[name]
        elif type(value) is list and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise StatesError(ITEM_READER_FAILED, f"The ItemsPointer {pointer} does not point to an array or object.")
    return value
