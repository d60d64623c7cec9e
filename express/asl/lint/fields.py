"""The field table: what each state type takes, in which query language, and how the value is checked.

A field of the model that has no row here is checked by its type there: a path, a payload, a number or text (or in
JSONata an expression), a plain value. One that wants more, a range or a list of words, gets a row.
"""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin

from express.asl import model
from express.asl.lint.choices import choices
from express.asl.lint.fieldcheck import BOTH, JSONATA, JSONPATH, Field
from express.asl.lint.handlers import catch, retry
from express.asl.lint.jsonata import (
    INPUT,
    RESULT,
    assign_value,
    or_expression,
    text_or_expression,
    value,
)
from express.asl.lint.jsonata import expression as check_expression
from express.asl.lint.maps import MAP, MAP_GROUPS, selector
from express.asl.lint.paths import LOOKS_DYNAMIC, path, path_or_null, result_path, text_path
from express.asl.lint.report import Nested, View
from express.asl.lint.tasks import credentials, resource
from express.asl.lint.templates import assign_template, object_template, static_result, template
from express.asl.lint.values import (
    Check,
    anything,
    boolean,
    comment,
    expect,
    filled_array,
    integer,
    number,
    one_of,
    text,
    timestamp,
    true,
)
from express.expr.jsonata import is_expression
from express.values import JSON

MOST_BRANCHES = 1_000


def _assign(members: frozenset[str]) -> Check:
    of_jsonata = assign_value(members)

    def check(view: View, names: JSON, location: str) -> None:
        (of_jsonata if view.jsonata else assign_template)(view, names, location)

    return check


def _branches(view: View, branches: JSON, location: str) -> None:
    """`Branches`: machines that are walked later."""
    if not filled_array(view, branches, location):
        return
    if len(branches) > MOST_BRANCHES:
        view.add("E1101", location, f"A Parallel state may have at most {MOST_BRANCHES} branches")
        return
    for index, branch in enumerate(branches):
        here = f"{location}[{index}]"
        if type(branch) is not dict:
            expect(view, branch, here, "Object")
        else:
            view.report.pending.append(
                Nested(
                    branch,
                    here,
                    "branch",
                    view.depth + 1,
                    parent=view.scope,
                    state=view.name,
                    machine_type=view.machine_type,
                )
            )


def _until(view: View, moment: JSON, location: str) -> None:
    """`Timestamp` of a Wait."""
    if view.jsonata and type(moment) is str and is_expression(moment):
        check_expression(view, moment, location)
    elif not view.jsonata and type(moment) is str and LOOKS_DYNAMIC.match(moment):
        timestamp(view, moment, location)
        view.add("W0411", location, "Value looks like a path", hint="did you mean 'TimestampPath'?", follows="E0110")
    else:
        timestamp(view, moment, location)


def _message(view: View, message: JSON, location: str) -> None:
    """`Error` and `Cause` of a Fail."""
    (text_or_expression if view.jsonata else text)(view, message, location)


_seconds = or_expression(integer(1), "Integer")

_COMMON: dict[str, Field] = {
    "Type": Field(anything),
    "Comment": Field(comment),
    "QueryLanguage": Field(one_of("JSONPath", "JSONata")),
}
_FLOW: dict[str, Field] = {"Next": Field(text), "End": Field(true)}
_IO: dict[str, Field] = {
    "InputPath": Field(path_or_null, JSONPATH),
    "OutputPath": Field(path_or_null, JSONPATH),
}
_PASSED_ON: dict[str, Field] = {"Output": Field(value(INPUT), JSONATA), "Assign": Field(_assign(INPUT))}
_RESULT: dict[str, Field] = {"Output": Field(value(RESULT), JSONATA), "Assign": Field(_assign(RESULT))}
_SHAPED: dict[str, Field] = {
    **_COMMON,
    **_FLOW,
    **_IO,
    **_RESULT,
    "Parameters": Field(template, JSONPATH),
    "ResultSelector": Field(object_template, JSONPATH),
    "ResultPath": Field(result_path, JSONPATH),
    "Retry": Field(retry),
    "Catch": Field(catch),
}

FIELDS: dict[str, dict[str, Field]] = {
    "Task": {
        **_SHAPED,
        "Resource": Field(resource),
        "Arguments": Field(value(INPUT), JSONATA),
        "Credentials": Field(credentials),
        "TimeoutSeconds": Field(_seconds),
        "TimeoutSecondsPath": Field(path, JSONPATH),
        "HeartbeatSeconds": Field(_seconds),
        "HeartbeatSecondsPath": Field(path, JSONPATH),
    },
    "Parallel": {
        **_SHAPED,
        "Branches": Field(_branches),
        "Arguments": Field(value(INPUT), JSONATA),
    },
    "Map": {**_SHAPED, **MAP, "Parameters": Field(selector, JSONPATH)},
    "Pass": {
        **_COMMON,
        **_FLOW,
        **_IO,
        **_PASSED_ON,
        "Parameters": Field(template, JSONPATH),
        "Result": Field(static_result, JSONPATH),
        "ResultPath": Field(result_path, JSONPATH),
    },
    "Wait": {
        **_COMMON,
        **_FLOW,
        **_IO,
        **_PASSED_ON,
        "Seconds": Field(or_expression(integer(0), "Integer")),
        "SecondsPath": Field(path, JSONPATH),
        "Timestamp": Field(_until),
        "TimestampPath": Field(path, JSONPATH),
    },
    "Choice": {
        **_COMMON,
        **_IO,
        **_PASSED_ON,
        "Choices": Field(choices),
        "Default": Field(text, BOTH),
    },
    "Succeed": {**_COMMON, **_IO, "Output": Field(value(INPUT), JSONATA)},
    "Fail": {
        **_COMMON,
        "Error": Field(_message),
        "Cause": Field(_message),
        "ErrorPath": Field(text_path, JSONPATH),
        "CausePath": Field(text_path, JSONPATH),
    },
}
"""State type → field → how it is checked."""


def _payload(view: View, given: JSON, location: str) -> None:
    """A payload template of a JSONPath state, a value of a JSONata one."""
    (_of_jsonata if view.jsonata else template)(view, given, location)


_of_jsonata = value(INPUT)
_READERS: dict[str, Field] = {
    "path": Field(path, JSONPATH),
    "path or call": Field(text_path, JSONPATH),
    "payload": Field(_payload),
}
_PLAIN: tuple[tuple[type, Check, str], ...] = (
    (bool, boolean, "Boolean"),
    (int, integer(0), "Integer"),
    (float, number, "Number"),
    (str, text, "String"),
)


def of_type(type_: Any) -> Field:
    """Return how a field of the model is checked by its type alone."""
    reader = get_args(type_)[1] if get_origin(type_) is Annotated else ""
    if reader in _READERS:
        return _READERS[reader]
    parts = get_args(get_args(type_)[0] if reader else type_) or (type_,)
    check, wanted = next(((check, wanted) for kind, check, wanted in _PLAIN if kind in parts), (anything, ""))
    return Field(or_expression(check, wanted) if reader == "scalar" else check)


for _kind in get_args(model.State):
    for _field in model.fields(_kind):
        FIELDS[str(_kind.__struct_config__.tag)].setdefault(_field.encode_name, of_type(_field.type))

TYPES = ("Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map")
"""State types in the order of AWS's message."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "Task": ("Resource",),
    "Parallel": ("Branches",),
    "Choice": ("Choices",),
}
"""Fields that a state must have."""

ONE_OF: dict[str, tuple[tuple[str, ...], ...]] = {
    "Task": (("Next", "End"),),
    "Pass": (("Next", "End"),),
    "Parallel": (("Next", "End"),),
    "Map": (("ItemProcessor", "Iterator"), ("Next", "End")),
    "Wait": (("Seconds", "SecondsPath", "Timestamp", "TimestampPath"), ("Next", "End")),
}
"""Groups of which a state has exactly one."""

AT_MOST_ONE: dict[str, tuple[tuple[str, ...], ...]] = {
    "Task": (("TimeoutSeconds", "TimeoutSecondsPath"), ("HeartbeatSeconds", "HeartbeatSecondsPath")),
    "Fail": (("Error", "ErrorPath"), ("Cause", "CausePath")),
    "Map": MAP_GROUPS,
}
"""Groups of which a state has one at most."""
