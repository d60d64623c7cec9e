"""Data between an execution and a handler: JSON, copied, in Lambda's own terms."""

from __future__ import annotations

import json
import linecache
import os
from types import TracebackType
from typing import Protocol

import orjson

from express.errors import StatesError
from express.values import JSON

MARSHAL_ERROR = "Runtime.MarshalError"
EXIT_ERROR = "Runtime.ExitError"
TIMED_OUT = "Sandbox.Timedout"

_SCALARS = frozenset({str, int, float, bool, type(None)})
_HERE = os.path.dirname(__file__) + os.sep
_STRICT = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def copied(value: JSON) -> JSON:
    """A copy that a handler may change: the execution keeps its own untouched."""
    if type(value) is dict:
        for member in value.values():
            if type(member) not in _SCALARS:
                break
        else:
            return value.copy()
    elif type(value) in _SCALARS:
        return value
    return orjson.loads(orjson.dumps(value))


class Call(Protocol):
    """Whatever knows the id of the call it belongs to."""

    @property
    def aws_request_id(self) -> str:
        """The id."""


def marshalled(result: object, call: Call) -> JSON:
    """Return what a handler returned, as the JSON that Lambda would send back: tuples are arrays, keys are text.

    Raises StatesError Runtime.MarshalError for what has no JSON form.
    """
    if result is None or type(result) is bool:
        return result
    try:
        try:
            text = orjson.dumps(result, None, _STRICT)
        except TypeError:  # keys that are no text, integers beyond 64 bits: what Lambda's runtime writes counts
            return orjson.loads(json.dumps(result, allow_nan=False))
        if text.find(b"null") >= 0:  # orjson writes NaN as null (`in` costs twice as much)
            json.dumps(result, default=str, allow_nan=False)
        if type(result) is dict:
            for member in result.values():
                if type(member) not in _SCALARS:
                    break
            else:
                return result.copy()
        return orjson.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        message = f"Unable to marshal response: {error}"
        raise StatesError(MARSHAL_ERROR, _report(MARSHAL_ERROR, message, call.aws_request_id, [])) from error


def failure(error: BaseException, request_id: str) -> StatesError:
    """An exception of a handler as Retry, Catch and the history see it: Lambda's error name and cause."""
    if isinstance(error, StatesError):
        return error
    if isinstance(error, SystemExit):
        return exited(error.code, request_id)
    name = type(error).__name__
    return StatesError(name, _report(name, str(error), request_id, _stack(error.__traceback__)))


def exited(code: object, request_id: str) -> StatesError:
    """The handler's process ended, or wanted to."""
    status = code if isinstance(code, int) else 1 if code else 0
    message = f"RequestId: {request_id} Error: Runtime exited with error: exit status {status}"
    return StatesError(EXIT_ERROR, json.dumps({"errorType": EXIT_ERROR, "errorMessage": message}))


def timed_out(seconds: float, request_id: str) -> StatesError:
    """The handler took longer than its function may."""
    message = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
    return StatesError(TIMED_OUT, json.dumps({"errorType": TIMED_OUT, "errorMessage": message}))


def _report(name: str, message: str, request_id: str, stack: list[str]) -> str:
    """Lambda's error document, with the spaces its Python runtime writes."""
    document = {"errorMessage": message, "errorType": name, "requestId": request_id, "stackTrace": stack}
    return json.dumps(document, ensure_ascii=False)


def _stack(traceback: TracebackType | None) -> list[str]:
    """The stack from the handler on, in `traceback.format_list`'s form: what stands above our last frame is ours."""
    lines: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename.startswith(_HERE):
            lines.clear()
        else:
            line = linecache.getline(code.co_filename, traceback.tb_lineno).strip()
            place = f'  File "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_name}\n'
            lines.append(f"{place}    {line}\n" if line else place)
        traceback = traceback.tb_next
    return lines
