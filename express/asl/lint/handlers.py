"""Retry and Catch."""

from __future__ import annotations

from express.asl.lint.fieldcheck import BOTH, JSONATA, JSONPATH, Field, check_fields, required
from express.asl.lint.jsonata import ERROR_OUTPUT, assign_value, value
from express.asl.lint.paths import result_path
from express.asl.lint.report import View
from express.asl.lint.templates import assign_template
from express.asl.lint.values import comment, decimal, expect, filled_array, integer, one_of, text
from express.errors import (
    BRANCH_FAILED,
    DATA_LIMIT_EXCEEDED,
    EXCEED_TOLERATED_FAILURE_THRESHOLD,
    HEARTBEAT_TIMEOUT,
    HTTP_SOCKET,
    HTTP_STATUS_CODE,
    INTRINSIC_FAILURE,
    ITEM_READER_FAILED,
    PARAMETER_PATH_FAILURE,
    PERMISSIONS,
    QUERY_EVALUATION_ERROR,
    RESULT_PATH_MATCH_FAILURE,
    RESULT_WRITER_FAILED,
    RUNTIME,
    STATES_ALL,
    TASK_FAILED,
    TIMEOUT,
)
from express.values import JSON

MOST_DELAY_SECONDS = 31_622_400

KNOWN_ERRORS = frozenset(
    {
        STATES_ALL,
        BRANCH_FAILED,
        DATA_LIMIT_EXCEEDED,
        EXCEED_TOLERATED_FAILURE_THRESHOLD,
        HEARTBEAT_TIMEOUT,
        HTTP_SOCKET,
        INTRINSIC_FAILURE,
        ITEM_READER_FAILED,
        "States.NoChoiceMatched",
        PARAMETER_PATH_FAILURE,
        PERMISSIONS,
        QUERY_EVALUATION_ERROR,
        RESULT_PATH_MATCH_FAILURE,
        RESULT_WRITER_FAILED,
        RUNTIME,
        TASK_FAILED,
        TIMEOUT,
    }
)


def _error_equals(view: View, names: JSON, location: str) -> None:
    if not filled_array(view, names, location):
        return
    for index, name in enumerate(names):
        here = f"{location}[{index}]"
        if type(name) is not str:
            expect(view, name, here, "String")
        elif name.startswith("States.") and not _is_known(name):
            view.refuse(
                "W0603",
                name,
                here,
                f"'{name}' is no error of the States Language, and other names must not start with 'States.'",
                hint=view.report.nearest(name, sorted(KNOWN_ERRORS)),
            )
    if len(names) > 1 and STATES_ALL in names:
        view.add("E0601", location, f"'{STATES_ALL}' must be the only name in its ErrorEquals")


def _is_known(name: str) -> bool:
    return name in KNOWN_ERRORS or name.startswith(f"{HTTP_STATUS_CODE}.")


_assign_jsonata = assign_value(ERROR_OUTPUT)


def _assign(view: View, names: JSON, location: str) -> None:
    (_assign_jsonata if view.jsonata else assign_template)(view, names, location)


RETRIER: dict[str, Field] = {
    "ErrorEquals": Field(_error_equals),
    "IntervalSeconds": Field(integer(1)),
    "MaxAttempts": Field(integer(0)),
    "BackoffRate": Field(decimal(1.0)),
    "MaxDelaySeconds": Field(integer(1, MOST_DELAY_SECONDS)),
    "JitterStrategy": Field(one_of("FULL", "NONE")),
    "Comment": Field(comment),
}
CATCHER: dict[str, Field] = {
    "ErrorEquals": Field(_error_equals),
    "Next": Field(text, BOTH),
    "ResultPath": Field(result_path, JSONPATH),
    "Output": Field(value(ERROR_OUTPUT), JSONATA),
    "Assign": Field(_assign, BOTH),
    "Comment": Field(comment),
}


def retry(view: View, retriers: JSON, location: str) -> None:
    """`Retry`: may be empty."""
    _handlers(view, retriers, location, RETRIER, ("ErrorEquals",))


def catch(view: View, catchers: JSON, location: str) -> None:
    """`Catch`: may be empty."""
    _handlers(view, catchers, location, CATCHER, ("ErrorEquals", "Next"))


def _handlers(view: View, handlers: JSON, location: str, table: dict[str, Field], needed: tuple[str, ...]) -> None:
    if type(handlers) is not list:
        expect(view, handlers, location, "Array")
        return
    for index, handler in enumerate(handlers):
        here = f"{location}[{index}]"
        if type(handler) is not dict:
            expect(view, handler, here, "Object")
        else:
            check_fields(view, handler, here, table)
            required(view, handler, here, needed)
    _order(view, handlers, location)


def _order(view: View, handlers: list[JSON], location: str) -> None:
    """States.ALL must come last; a name that an earlier entry takes can't be reached."""
    taken: dict[str, int] = {}
    for index, handler in enumerate(handlers):
        names = handler.get("ErrorEquals") if type(handler) is dict else None
        if type(names) is not list:
            continue
        if STATES_ALL in names and index < len(handlers) - 1:
            view.add("E0602", f"{location}[{index}]", f"'{STATES_ALL}' must be in the last entry")
        for name in names:
            if type(name) is str and taken.setdefault(name, index) != index:
                view.add(
                    "W0604",
                    f"{location}[{index}]/ErrorEquals",
                    f"'{name}' is handled by entry {taken[name]} already, this entry never sees it",
                )
