"""Map: processor, items, tolerance, and the fields of distributed Maps."""

from __future__ import annotations

import re

from express.asl.lint.fieldcheck import (
    BOTH,
    JSONATA,
    JSONPATH,
    Field,
    at_most_one,
    check_fields,
    one_of_fields,
    required,
)
from express.asl.lint.jsonata import INPUT, or_expression
from express.asl.lint.jsonata import expression as check_expression
from express.asl.lint.jsonata import value as jsonata_value
from express.asl.lint.paths import reference_path
from express.asl.lint.report import Nested, View
from express.asl.lint.templates import object_template, template
from express.asl.lint.values import Check, comment, decimal, expect, integer, one_of, text
from express.asl.resources import DATASET_ACTIONS, parse_resource
from express.expr.jsonata import is_expression
from express.values import JSON

LONGEST_LABEL = 40
MOST_ITEMS = 100_000_000
MOST_BATCH_BYTES = 262_144
_HUGE = 2**31 - 1
_LABEL_REFUSED = re.compile(r"[\s?*<>{}\[\]\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_DISTRIBUTED_ONLY = (
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "Label",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
)


def processor(view: View, value: JSON, location: str) -> None:
    """`ItemProcessor` (or its old name `Iterator`): a machine that is walked later."""
    if type(value) is not dict:
        expect(view, value, location, "Object")
        return
    config = value.get("ProcessorConfig")
    settings = config if type(config) is dict else {}
    distributed = settings.get("Mode") == "DISTRIBUTED"
    child = "EXPRESS" if distributed and settings.get("ExecutionType") == "EXPRESS" else view.machine_type
    view.report.pending.append(
        Nested(
            value,
            location,
            "processor",
            view.depth + 1,
            parent=None if distributed else view.scope,
            state=view.name,
            machine_type="EXPRESS" if child == "EXPRESS" else "STANDARD",
        )
    )
    if "ProcessorConfig" in value:
        _config(view, config, f"{location}/ProcessorConfig")
    if not distributed:
        _inline_only(view)


def _inline_only(view: View) -> None:
    for name in _DISTRIBUTED_ONLY:
        if name in view.data:
            view.add(
                "W0706",
                f"{view.location}/{name}",
                f"'{name}' has an effect in a DISTRIBUTED Map only",
                hint='set "Mode": "DISTRIBUTED" in ProcessorConfig',
            )


_CONFIG: dict[str, Field] = {
    "Mode": Field(one_of("INLINE", "DISTRIBUTED")),
    "ExecutionType": Field(one_of("STANDARD", "EXPRESS")),
}


def _config(view: View, config: JSON, location: str) -> None:
    if type(config) is not dict:
        expect(view, config, location, "Object")
        return
    check_fields(view, config, location, _CONFIG)
    mode = config.get("Mode", "INLINE")
    if mode == "DISTRIBUTED":
        required(view, config, location, ("ExecutionType",))
        if view.machine_type == "EXPRESS":
            view.add("E0904", f"{location}/Mode", "Express state machine does not support 'DISTRIBUTED' Map mode")
    elif mode == "INLINE" and "ExecutionType" in config:
        view.add(
            "E0102",
            location,
            "Field 'ExecutionType' is not supported",
            hint='only with "Mode": "DISTRIBUTED"',
        )


def label(view: View, value: JSON, location: str) -> None:
    """`Label`: names the Map Run, so it is held to the rules of names."""
    if type(value) is not str:
        expect(view, value, location, "String")
        return
    problem = label_problem(value)
    if problem is not None:
        view.refuse("W0703" if "longer" in problem else "E0701", value, location, problem)
    elif value in view.report.labels:
        view.add("E0702", location, f"Duplicate Label name: {value}", hint=f"also at {view.report.labels[value]}")
    else:
        view.report.labels[value] = location


def label_problem(value: str) -> str | None:
    """Return why `value` is no Map label, None where it is one."""
    if not value:
        return "Label cannot be empty"
    if len(value) > LONGEST_LABEL:
        return f"Label must not be longer than {LONGEST_LABEL} characters"
    refused = _LABEL_REFUSED.search(value)
    return f"Label must not contain {refused[0]!r}" if refused else None


def items(view: View, value: JSON, location: str) -> None:
    """`Items` of a JSONata Map: an array, an object (distributed), or an expression."""
    if type(value) is str and not is_expression(value):
        view.refuse("E0508", value, location, "Expected value of type Array or a JSONata expression")
    elif type(value) is str:
        check_expression(view, value, location)
    elif type(value) is list or type(value) is dict:
        _jsonata(view, value, location)
    else:
        expect(view, value, location, "Array")


_jsonata = jsonata_value(INPUT)


def selector(view: View, value: JSON, location: str) -> None:
    """`ItemSelector`, `BatchInput`, `Arguments` of reader and writer: a template of the state's language."""
    (_jsonata if view.jsonata else template)(view, value, location)


def _batch_input(view: View, value: JSON, location: str) -> None:
    (_jsonata if view.jsonata else object_template)(view, value, location)


_map_path = reference_path()


def counted(name: str, literal: Check, wanted: str) -> dict[str, Field]:
    """The two forms of a number: itself (or an expression), and its `…Path`."""
    return {name: Field(or_expression(literal, wanted)), f"{name}Path": Field(_map_path, JSONPATH)}


def _strings(view: View, value: JSON, location: str) -> None:
    if type(value) is not list:
        expect(view, value, location, "Array")
        return
    for index, item in enumerate(value):
        if type(item) is not str:
            expect(view, item, f"{location}[{index}]", "String")


_READER_CONFIG: dict[str, Field] = {
    "InputType": Field(one_of("CSV", "JSON", "JSONL", "PARQUET", "MANIFEST")),
    "ManifestType": Field(one_of("ATHENA_DATA", "S3_INVENTORY")),
    "Transformation": Field(one_of("NONE", "LOAD_AND_FLATTEN")),
    "CSVHeaderLocation": Field(one_of("FIRST_ROW", "GIVEN")),
    "CSVHeaders": Field(_strings),
    "CSVDelimiter": Field(one_of("COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB")),
    "ItemsPointer": Field(text),
    **counted("MaxItems", integer(0, MOST_ITEMS), "Integer"),
    "Comment": Field(comment),
}


def _reader_config(view: View, value: JSON, location: str) -> None:
    if type(value) is not dict:
        expect(view, value, location, "Object")
        return
    check_fields(view, value, location, _READER_CONFIG)
    at_most_one(view, value, location, ("MaxItems", "MaxItemsPath"))
    if value.get("CSVHeaderLocation") == "GIVEN":
        required(view, value, location, ("CSVHeaders",))


_WRITER_CONFIG: dict[str, Field] = {
    "Transformation": Field(one_of("NONE", "COMPACT", "FLATTEN")),
    "OutputType": Field(one_of("JSON", "JSONL")),
    "Comment": Field(comment),
}


def _writer_config(view: View, value: JSON, location: str) -> None:
    if type(value) is not dict:
        expect(view, value, location, "Object")
    elif not value:
        view.add("E0108", location, "Value cannot be empty", hint="give Transformation, OutputType, or both")
    else:
        check_fields(view, value, location, _WRITER_CONFIG)


def _dataset(view: View, value: JSON, location: str) -> None:
    """`Resource` of a reader or writer."""
    owner = location.rpartition("/")[0].rpartition("/")[2]
    if type(value) is not str:
        expect(view, value, location, "String")
        return
    parsed = parse_resource(value)
    fits = DATASET_ACTIONS.get(f"{parsed.service}:{parsed.action}") == owner and parsed.kind == "optimized"
    if not fits and "${" not in value:
        offered = ", ".join(f"arn:aws:states:::{name}" for name, at in DATASET_ACTIONS.items() if at == owner)
        view.refuse(
            "E0801",
            value,
            location,
            f"The resource provided {value} is not recognized. The value is not a valid resource ARN, or the "
            "resource is not available in this region.",
            hint=f"{owner} takes {offered}",
        )


_READER: dict[str, Field] = {
    "Resource": Field(_dataset),
    "Parameters": Field(object_template, JSONPATH),
    "Arguments": Field(_jsonata, JSONATA),
    "ReaderConfig": Field(_reader_config),
    "Comment": Field(comment),
}
_WRITER: dict[str, Field] = {
    "Resource": Field(_dataset),
    "Parameters": Field(object_template, JSONPATH),
    "Arguments": Field(_jsonata, JSONATA),
    "WriterConfig": Field(_writer_config),
    "Comment": Field(comment),
}
_BATCHER: dict[str, Field] = {
    **counted("MaxItemsPerBatch", integer(0, _HUGE), "Integer"),
    **counted("MaxInputBytesPerBatch", integer(0, MOST_BATCH_BYTES), "Integer"),
    "BatchInput": Field(_batch_input),
    "Comment": Field(comment),
}


def item_reader(view: View, value: JSON, location: str) -> None:
    """`ItemReader`: an S3 object or listing."""
    if type(value) is not dict:
        expect(view, value, location, "Object")
        return
    check_fields(view, value, location, _READER)
    required(view, value, location, ("Resource",))
    config = value.get("ReaderConfig")
    resource = value.get("Resource")
    if type(resource) is str and resource.endswith(":s3:getObject") and type(config) is dict:
        required(view, config, f"{location}/ReaderConfig", ("InputType",))


def item_batcher(view: View, value: JSON, location: str) -> None:
    """`ItemBatcher`: at least one limit, neither of them twice."""
    if type(value) is not dict:
        expect(view, value, location, "Object")
        return
    check_fields(view, value, location, _BATCHER)
    by_count = at_most_one(view, value, location, ("MaxItemsPerBatch", "MaxItemsPerBatchPath"))
    by_size = at_most_one(view, value, location, ("MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"))
    if not by_count and not by_size:
        one_of_fields(view, value, location, ("MaxItemsPerBatch", "MaxInputBytesPerBatch"))


def result_writer(view: View, value: JSON, location: str) -> None:
    """`ResultWriter`: Resource with Parameters or Arguments, a WriterConfig, or all of them."""
    if type(value) is not dict:
        expect(view, value, location, "Object")
        return
    check_fields(view, value, location, _WRITER)
    if "WriterConfig" not in value and view.report.slip_of("WriterConfig", value) is None:
        required(view, value, location, ("Resource",))


MAP: dict[str, Field] = {
    "ItemProcessor": Field(processor),
    "Iterator": Field(processor),
    "ItemsPath": Field(reference_path(context=True), JSONPATH),
    "Items": Field(items, JSONATA),
    "ItemSelector": Field(selector, BOTH),
    **counted("MaxConcurrency", integer(0, _HUGE), "Integer"),
    **counted("ToleratedFailureCount", integer(0, _HUGE), "Integer"),
    **counted("ToleratedFailurePercentage", decimal(0.0, 100.0), "Double"),
    "Label": Field(label),
    "ItemReader": Field(item_reader),
    "ItemBatcher": Field(item_batcher),
    "ResultWriter": Field(result_writer),
}
"""Fields that only Map has."""

MAP_GROUPS: tuple[tuple[str, ...], ...] = (
    ("ItemSelector", "Parameters"),
    ("MaxConcurrency", "MaxConcurrencyPath"),
    ("ToleratedFailureCount", "ToleratedFailureCountPath"),
    ("ToleratedFailurePercentage", "ToleratedFailurePercentagePath"),
)
"""Fields of Map that exclude each other."""
