"""CloudEvents 1.0 in Kafka records, in the binary and in the structured mode (Kafka protocol binding 1.0.2).

*Structured*: the header `content-type` is `application/cloudevents+json` and the value is the whole event. *Binary*:
each attribute is a header `ce_NAME`, `content-type` is the attribute `datacontenttype`, and the value is the data.
Which of the two a record is in is seen from its headers. Either way the outcome is the event in the JSON format: the
attributes with `data`, or with `data_base64` for data that is neither JSON nor text.

The binding knows no batches; one is refused, as is every other thing that the specification calls invalid.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from express.errors import RUNTIME
from express.ports import Headers
from express.runtime.records.headers import Trace
from express.runtime.records.json_input import POISON, Rejected, admit
from express.values import JSON, PAYLOAD_LIMIT, dumps

Mode: TypeAlias = Literal["binary", "structured"]

VERSION = "1.0"
PREFIX = "ce_"
CONTENT_TYPE = "content-type"
MEDIA_TYPE = "application/cloudevents"
REQUIRED = ("id", "source", "type")

RESULT_TYPE = "express.execution."
"""Prefix of the types of our own events; the status follows, in lower case."""

_NAME = re.compile(r"[a-z0-9]{1,64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w.:-]+)\"?", re.IGNORECASE)
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def read_event(headers: Headers, value: bytes | None, limit: int = PAYLOAD_LIMIT) -> dict[str, JSON]:
    """The CloudEvent of a record, in the JSON format. Raises Rejected for what is none."""
    content_type = _content_type(headers)
    media = media_type(content_type)
    if media == f"{MEDIA_TYPE}+json":
        event = _structured(value, limit)
    elif media.startswith(MEDIA_TYPE):
        raise _invalid(f"the format {media} is not supported, only {MEDIA_TYPE}+json is")
    elif any(header[:3].lower() == PREFIX for header, _ in headers):
        event = _binary(headers, content_type, media, value, limit)
    else:
        event = _undeclared(value, limit)
    _check(event)
    return event


def media_type(content_type: str) -> str:
    """A content type without its parameters.

    >>> media_type("Application/JSON; charset=utf-8")
    'application/json'
    """
    return content_type.partition(";")[0].strip().lower()


def is_json(media: str) -> bool:
    """Return whether data of a media type is JSON. Data without one is, too, as in the JSON format."""
    subtype = media.partition("/")[2]
    return not media or subtype == "json" or subtype.endswith("+json")


def _structured(value: bytes | None, limit: int) -> dict[str, JSON]:
    event = admit(value, limit)
    if type(event) is not dict:
        raise _invalid("the value is no JSON object")
    for name, content in event.items():
        if name not in ("data", "data_base64"):
            _check_attribute(name, content)
    return event


def _undeclared(value: bytes | None, limit: int) -> dict[str, JSON]:
    """An event in the structured mode whose content type does not say so: what the Python SDK writes."""
    if value is not None and b'"specversion"' in value:
        return _structured(value, limit)
    raise _invalid(f"the record has no {CONTENT_TYPE} {MEDIA_TYPE}+json, no headers {PREFIX}… and no specversion")


def _binary(headers: Headers, content_type: str, media: str, value: bytes | None, limit: int) -> dict[str, JSON]:
    event: dict[str, JSON] = {}
    for header, content in headers:
        if header[:3].lower() == PREFIX:
            name = header[3:]
            if name == "data":
                raise _invalid("the data stands in the header 'ce_data', not in the value")
            event[name] = _header_text(header, content)
            _check_attribute(name, event[name])
    if content_type:
        event["datacontenttype"] = content_type
    if value:
        name, data = _data(content_type, media, value, limit)
        event[name] = data
    return event


def _data(content_type: str, media: str, value: bytes, limit: int) -> tuple[str, JSON]:
    """The member that holds the data of the binary mode, and its value."""
    if is_json(media):
        return "data", admit(value, limit)
    charset = _CHARSET.search(content_type)
    textual = media.startswith("text/") or media.endswith(("/xml", "+xml"))
    if textual and (charset is None or charset[1].lower() in _UTF8):
        try:
            return "data", value.decode()
        except UnicodeDecodeError:
            pass
    return "data_base64", b64encode(value).decode("ascii")


def _check(event: dict[str, JSON]) -> None:
    """Check what must hold for an event, whatever mode it came in."""
    version = event.get("specversion")
    if version != VERSION:
        shown = "no specversion" if version is None else f"the specversion {str(version)[:20]!r}"
        raise _invalid(f"it has {shown}; {VERSION!r} is understood")
    for name in REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise _invalid(f"the attribute {name!r} is missing, empty or no text")
    time = event.get("time")
    if time is not None and not _is_time(time):
        raise _invalid(f"the attribute 'time' is no RFC 3339 timestamp: {str(time)[:40]!r}")
    if "data_base64" in event:
        _check_base64(event)


def _check_base64(event: dict[str, JSON]) -> None:
    if "data" in event:
        raise _invalid("it has both data and data_base64")
    try:
        b64decode(event["data_base64"], validate=True)
    except (TypeError, ValueError):
        raise _invalid("data_base64 is no Base64") from None


def _check_attribute(name: str, content: JSON) -> None:
    if _NAME.fullmatch(name) is None:
        raise _invalid(f"{name[:40]!r} is no name of an attribute: lower-case letters and digits only")
    if type(content) in (dict, list, float):
        raise _invalid(f"the attribute {name!r} is neither text, integer nor boolean")


def _is_time(time: JSON) -> bool:
    if type(time) is not str or _TIME.fullmatch(time) is None:
        return False
    try:
        datetime.fromisoformat(f"{time[:10]}T{time[11:17]}{min(int(time[17:19]), 59):02}")
    except ValueError:
        return False
    return int(time[17:19]) <= 60  # a leap second is a second


def _content_type(headers: Headers) -> str:
    found = own = ""
    for header, content in headers:
        if header.lower() == CONTENT_TYPE:
            found = _header_text(header, content).strip()
        elif header == f"{PREFIX}datacontenttype":  # not the binding's, but what some producers write
            own = _header_text(header, content).strip()
    return found or own


def _header_text(header: str, content: bytes | None) -> str:
    try:
        return (content or b"").decode()
    except UnicodeDecodeError:
        raise _invalid(f"the header {header[:40]!r} is not UTF-8") from None


def _invalid(reason: str) -> Rejected:
    return Rejected(POISON, RUNTIME, f"Not a CloudEvent: {reason}.")


# Our own events ---------------------------------------------------------------------------------------


def result_attributes(arn: str, state_machine_arn: str, status: str, stopped_ms: int) -> dict[str, str]:
    """The attributes of the event that tells how an execution ended. A replay has the same source and id."""
    time = datetime.fromtimestamp(stopped_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return {
        "specversion": VERSION,
        "id": arn,
        "source": state_machine_arn,
        "type": RESULT_TYPE + status.lower(),
        "time": time.replace("+00:00", "Z"),
    }


def write_result(
    mode: Mode, attributes: dict[str, str], value: bytes, trace: Trace | None
) -> tuple[bytes, list[tuple[str, bytes]]]:
    """The value and the further headers of a result as a CloudEvent. `value` is its data, JSON."""
    if trace is not None:
        attributes = {**attributes, "traceparent": trace[0], **({"tracestate": trace[1]} if trace[1] else {})}
    if mode == "binary":
        headers = [(PREFIX + name, content.encode()) for name, content in attributes.items()]
        return value, [*headers, (CONTENT_TYPE, b"application/json")]
    head = dumps({**attributes, "datacontenttype": "application/json"})
    content_type = f"{MEDIA_TYPE}+json; charset=utf-8".encode()
    return b'%b,"data":%b}' % (head[:-1], value), [(CONTENT_TYPE, content_type)]
