"""JSON of a task ↔ parameters of a service, by the service's own shapes.

Members are named as Step Functions names them (`names.Spelling`) on every level, in requests and in results; what the
model has no member for, or another type, is refused in Step Functions' words before anything is sent.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from express.errors import Unsendable
from express.integrations.aws.names import Spelling, optimized_member
from express.values import JSON, dumps, text

DOCUMENTS = frozenset({"Payload", "Detail", "MessageBody", "Message", "Input", "Body"})
"""String and blob members that carry a JSON document: an object may stand there and is serialised."""

_NUMBERS = {"integer": (int,), "long": (int,), "float": (int, float), "double": (int, float)}


def request(shape: Any, value: JSON, spelling: Spelling, given: JSON = None) -> dict[str, Any]:
    """Return the parameters that botocore wants for a task's input. Raises Unsendable with every mistake.

    `given` is what the definition has, where more was put in.
    """
    given = value if given is None else given
    if type(value) is not dict:
        raise refused(given, ["The Parameters must be an object"])
    reading = _Request(spelling)
    made: dict[str, Any] = reading.structure(shape, value) if shape is not None else {}
    if reading.problems:
        raise refused(given, reading.problems)
    return made


def refused(value: JSON, problems: list[str]) -> Unsendable:
    """Parameters that no call can be made of."""
    listed = ", ".join(problems)
    return Unsendable(f"The Parameters '{text(value)}' could not be used to start the Task: [{listed}]")


def members(shape: Any, spelling: Spelling) -> dict[str, tuple[str, Any]]:
    """Return a structure's members by the names a definition has: the model's name, and the shape.

    Optimized integrations take the model's own names as well: `"RetryStrategy": {"attempts": 5}` stands in AWS's
    documentation of Batch.
    """
    known: dict[Spelling, dict[str, tuple[str, Any]]] = shape.__dict__.setdefault("_express_members", {})
    made = known.get(spelling)
    if made is None:
        pairs = [(name, (name, inner)) for name, inner in shape.members.items()]
        spelled = [(spelling(shape.name, name), found) for name, found in pairs]
        made = known[spelling] = dict([*pairs, *spelled] if spelling is optimized_member else spelled)
    return made


class _Request:
    """One walk over a task's input, along the input shape of its operation; `problems` is every mistake in it."""

    def __init__(self, spelling: Spelling) -> None:
        self.problems: list[str] = []
        self._spelling = spelling

    def structure(self, shape: Any, value: dict[str, JSON]) -> dict[str, Any]:
        """Return the members of an object as the model names them."""
        known = members(shape, self._spelling)
        made = {}
        null: set[str] = set()  # sent as nothing, for the service to refuse: observed
        for key, item in value.items():
            found = known.get(key)
            if found is None:
                self.problems.append(f'The field "{key}" is not supported by Step Functions')
            elif item is not None:
                name, inner = found
                made[name] = self._convert(inner, item, key)
            else:
                null.add(found[0])
        for name in shape.required_members:
            if name not in made and name not in null and not _generated(shape, name):
                self.problems.append(f'The field "{self._spelling(shape.name, name)}" is required but was missing')
        return made

    def _convert(self, shape: Any, value: JSON, field: str) -> Any:
        return _CONVERT[shape.type_name](self, shape, value, field)

    def _wrong(self, field: str, what: str) -> None:
        self.problems.append(f"The value for the field '{field}' must be {what}")

    def nested(self, shape: Any, value: JSON, field: str) -> Any:
        if type(value) is dict:
            return value if shape.is_document_type else self.structure(shape, value)
        if not shape.is_document_type:
            self._wrong(field, "an OBJECT")
        return value

    def list(self, shape: Any, value: JSON, field: str) -> Any:
        if type(value) is not list:
            return self._wrong(field, "an ARRAY")
        return [self._convert(shape.member, item, field) for item in value]

    def map(self, shape: Any, value: JSON, field: str) -> Any:
        if type(value) is not dict:
            return self._wrong(field, "an OBJECT")
        return {key: self._convert(shape.value, item, key) for key, item in value.items() if item is not None}

    def string(self, shape: Any, value: JSON, field: str) -> Any:
        if type(value) is str:
            return value
        if field in DOCUMENTS and type(value) in (dict, list):
            return text(value)
        return self._wrong(field, "a STRING")

    def blob(self, shape: Any, value: JSON, field: str) -> Any:
        return value.encode() if type(value) is str else dumps(value)

    def boolean(self, shape: Any, value: JSON, field: str) -> Any:
        return value if type(value) is bool else self._wrong(field, "a BOOLEAN")

    def number(self, shape: Any, value: JSON, field: str) -> Any:
        kinds = _NUMBERS[shape.type_name]
        if type(value) is float and float not in kinds and value.is_integer():
            return int(value)
        return value if type(value) in kinds else self._wrong(field, "a NUMBER")

    def timestamp(self, shape: Any, value: JSON, field: str) -> Any:
        return value if type(value) in (str, int, float) else self._wrong(field, "a STRING")


def _generated(shape: Any, name: str) -> bool:
    """Return whether a member is an idempotency token, which is filled in when it is not given."""
    return bool(shape.members[name].metadata.get("idempotencyToken"))


_CONVERT: dict[str, Callable[[_Request, Any, JSON, str], Any]] = {
    "structure": _Request.nested,
    "list": _Request.list,
    "map": _Request.map,
    "string": _Request.string,
    "character": _Request.string,
    "blob": _Request.blob,
    "boolean": _Request.boolean,
    "timestamp": _Request.timestamp,
    **dict.fromkeys(_NUMBERS, _Request.number),
}


def response(shape: Any, value: Any, spelling: Spelling) -> JSON:
    """Return a service's answer as a task result: ISO timestamps, blobs as text or Base64."""
    if isinstance(value, dict):
        if shape.type_name == "map":
            return {key: response(shape.value, item, spelling) for key, item in value.items()}
        if shape.is_document_type:
            return value
        inner = shape.members
        return {
            spelling(shape.name, name): response(inner[name], item, spelling)
            for name, item in value.items()
            if name in inner
        }
    if isinstance(value, list):
        return [response(shape.member, item, spelling) for item in value] if shape.type_name == "list" else value
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
