"""JSON of a task ↔ parameters of a service, by the service's own shapes.

Requests are PascalCase on every level, whatever the service's casing is; what the model has no member for, or another
type, is refused in Step Functions' words before anything is sent (spec/integrations.md §4).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from express.errors import RUNTIME, StatesError
from express.integrations.aws.names import member
from express.values import JSON, dumps, text

DOCUMENTS = frozenset({"Payload", "Detail", "MessageBody", "Message", "Input", "Body"})
"""String and blob members that carry a JSON document: an object may stand there and is serialised."""

_NUMBERS = {"integer": (int,), "long": (int,), "float": (int, float), "double": (int, float)}


def request(shape: Any, value: JSON) -> dict[str, Any]:
    """The parameters that botocore wants for a task's input. Raises StatesError with every mistake."""
    problems: list[str] = []
    if type(value) is not dict:
        problems.append("The Parameters must be an object")
    made = _structure(shape, value, problems) if not problems and shape is not None else {}
    if problems:
        raise refused(value, problems)
    return made


def refused(value: JSON, problems: list[str]) -> StatesError:
    """Parameters that no call can be made of."""
    listed = ", ".join(problems)
    return StatesError(RUNTIME, f"The Parameters '{text(value)}' could not be used to start the Task: [{listed}]")


def _structure(shape: Any, value: dict[str, JSON], problems: list[str]) -> dict[str, Any]:
    members = _members(shape)
    made = {}
    for key, item in value.items():
        found = members.get(key)
        if found is None:
            problems.append(f'The field "{key}" is not supported by Step Functions')
        elif item is not None:
            name, inner = found
            made[name] = _convert(inner, item, key, problems)
    missing = [name for name in shape.required_members if name not in made and not _generated(shape, name)]
    problems.extend(f'The field "{member(name)}" is required but was missing' for name in missing)
    return made


def _generated(shape: Any, name: str) -> bool:
    """Whether a member is an idempotency token, which is filled in when it is not given."""
    return bool(shape.members[name].metadata.get("idempotencyToken"))


def _members(shape: Any) -> dict[str, tuple[str, Any]]:
    made: dict[str, tuple[str, Any]] | None = shape.__dict__.get("_express_members")
    if made is None:
        made = {member(name): (name, inner) for name, inner in shape.members.items()}
        shape.__dict__["_express_members"] = made
    return made


def _convert(shape: Any, value: JSON, field: str, problems: list[str]) -> Any:
    return _CONVERT[shape.type_name](shape, value, field, problems)


def _wrong(field: str, what: str, problems: list[str]) -> None:
    problems.append(f"The value for the field '{field}' must be {what}")


def _nested(shape: Any, value: JSON, field: str, problems: list[str]) -> Any:
    if type(value) is dict:
        return value if shape.is_document_type else _structure(shape, value, problems)
    if not shape.is_document_type:
        _wrong(field, "an OBJECT", problems)
    return value


def _list(shape: Any, value: JSON, field: str, problems: list[str]) -> Any:
    if type(value) is not list:
        return _wrong(field, "an ARRAY", problems)
    return [_convert(shape.member, item, field, problems) for item in value]


def _map(shape: Any, value: JSON, field: str, problems: list[str]) -> Any:
    if type(value) is not dict:
        return _wrong(field, "an OBJECT", problems)
    return {key: _convert(shape.value, item, key, problems) for key, item in value.items() if item is not None}


def _string(shape: Any, value: JSON, field: str, problems: list[str]) -> Any:
    if type(value) is str:
        return value
    if field in DOCUMENTS and type(value) in (dict, list):
        return text(value)
    return _wrong(field, "a STRING", problems)


def _blob(shape: Any, value: JSON, field: str, problems: list[str]) -> Any:
    return value.encode() if type(value) is str else dumps(value)


def _boolean(shape: Any, value: JSON, field: str, problems: list[str]) -> Any:
    return value if type(value) is bool else _wrong(field, "a BOOLEAN", problems)


def _number(shape: Any, value: JSON, field: str, problems: list[str]) -> Any:
    kinds = _NUMBERS[shape.type_name]
    if type(value) is float and float not in kinds and value.is_integer():
        return int(value)
    return value if type(value) in kinds else _wrong(field, "a NUMBER", problems)


def _timestamp(shape: Any, value: JSON, field: str, problems: list[str]) -> Any:
    return value if type(value) in (str, int, float) else _wrong(field, "a STRING", problems)


_CONVERT: dict[str, Callable[[Any, JSON, str, list[str]], Any]] = {
    "structure": _nested,
    "list": _list,
    "map": _map,
    "string": _string,
    "character": _string,
    "blob": _blob,
    "boolean": _boolean,
    "timestamp": _timestamp,
    **dict.fromkeys(_NUMBERS, _number),
}


def response(shape: Any, value: Any) -> JSON:
    """A service's answer as a task result: PascalCase members, ISO timestamps, blobs as text or Base64."""
    if isinstance(value, dict):
        if shape.type_name == "map":
            return {key: response(shape.value, item) for key, item in value.items()}
        if shape.is_document_type:
            return value
        members = shape.members
        return {member(name): response(members[name], item) for name, item in value.items() if name in members}
    if isinstance(value, list):
        return [response(shape.member, item) for item in value] if shape.type_name == "list" else value
    if isinstance(value, bytes | bytearray):
        return blob(bytes(value))
    if isinstance(value, datetime):
        return timestamp(value)
    return value


def blob(data: bytes) -> str:
    """Bytes as text where they are UTF-8, else in Base64."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()


def timestamp(value: datetime) -> str:
    """A time in UTC with milliseconds.

    >>> timestamp(datetime(2024, 5, 1, 12, tzinfo=UTC))
    '2024-05-01T12:00:00Z'
    """
    at = value.astimezone(UTC)
    written = at.isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return written.replace("+00:00", "Z")
