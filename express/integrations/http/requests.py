"""An HTTP task's input as a request: URL, headers, body. Nothing here opens a connection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote_plus, unquote, urlencode, urlsplit

import msgspec
from yarl import URL

from express.errors import PERMISSIONS, StatesError, Unsendable
from express.integrations.bounds import MOST_FORM_BYTES, MOST_HEADER_BYTES, MOST_QUERY_BYTES, Bounded
from express.integrations.http.connections import Ready
from express.values import JSON, dumps, text

METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"})
FORM = "application/x-www-form-urlencoded"

_REFUSED = """
    a-im accept-charset accept-datetime accept-encoding authorization connection content-encoding content-length
    content-md5 cookie cookie2 date expect forwarded from host http2-settings if-match if-modified-since if-none-match
    if-range if-unmodified-since keep-alive max-forwards origin pragma proxy-authenticate proxy-authorization
    proxy-connection range referer server set-cookie set-cookie2 te trailer transfer-encoding upgrade user-agent via
    warning www-authenticate
"""
MEMBERS = (
    "ApiEndpoint",
    "Method",
    "Authentication",
    "InvocationConfig",
    "Headers",
    "QueryParameters",
    "RequestBody",
    "Transform",
)
"""Members of the parameters of `http:invoke`."""

REFUSED_HEADERS = frozenset(_REFUSED.split())
REFUSED_PREFIXES = ("x-forwarded-", "x-amz-", "x-amzn-", "proxy-", "sec-")

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}\Z")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BAD_URL = re.compile(r"[\x00-\x20\x7f\\]")
_LONGEST_URL = 8_192


class Request(msgspec.Struct, frozen=True):
    """A request as it is sent."""

    method: str
    url: URL
    headers: dict[str, str]
    body: bytes | None


def build(task: JSON, connection: Ready, key: str, agent: str) -> Request:
    """The request of a task's input. Raises StatesError for what is not allowed or has no form."""
    if type(task) is not dict:
        raise malformed(task, "the input must be an object")
    method = task.get("Method")
    if method not in METHODS:
        raise malformed(task, f"The value for the field 'Method' must be one of {', '.join(sorted(METHODS))}")
    url = _url(task, connection)
    permit(url, method, connection)
    headers = _headers(task, connection)
    body = _body(task, connection, headers)
    headers.setdefault("Idempotency-Key", key)
    headers.update({"User-Agent": agent, "Range": "bytes=0-262144", **connection.authorization})
    return Request(method, url, headers, body)


def malformed(task: JSON, problem: str) -> Unsendable:
    """A task input that no request can be made of."""
    return Unsendable(f"The Parameters '{text(task)}' could not be used to start the Task: [{problem}]")


def permit(url: URL, method: str, connection: Ready) -> None:
    """Raise StatesError unless the connection may send `method` to `url`."""
    if not any(row.permits(url, method) for row in connection.allow):
        where = f"{url.scheme}://{url.host}:{url.port}{url.raw_path}"[:256]
        raise StatesError(PERMISSIONS, f"The connection {connection.name!r} is not allowed to send {method} to {where}")


def _url(task: dict[str, JSON], connection: Ready) -> URL:
    endpoint = task.get("ApiEndpoint")
    if type(endpoint) is not str or len(endpoint) > _LONGEST_URL:
        raise malformed(task, "The value for the field 'ApiEndpoint' must be a STRING")
    url = parse_url(endpoint)
    if url is None:
        raise malformed(task, "The value for the field 'ApiEndpoint' is no URL that may be called")
    added = task.get("QueryParameters", {})
    if type(added) is not dict:
        raise malformed(task, "The value for the field 'QueryParameters' must be an OBJECT")
    bounded = Bounded("http", MOST_QUERY_BYTES)
    pairs = [
        bounded.pair(name, value)
        for name, given in added.items()
        if name not in connection.query
        for value in _texts(given)
    ]
    pairs += connection.query.items()
    if not pairs:
        return url
    query = "&".join(part for part in (url.raw_query_string, urlencode(pairs)) if part)
    return URL(f"{url.with_query(None)}?{query}", encoded=True)


def parse_url(endpoint: str) -> URL | None:
    """A URL that means one thing to everybody; None for user names, control characters, dot segments and the like."""
    if _BAD_URL.search(endpoint) or not endpoint.isascii():
        return None
    try:
        parts, url = urlsplit(endpoint), URL(endpoint)
        port = url.port
    except ValueError:
        return None
    if url.scheme not in ("http", "https") or not url.host or port is None:
        return None
    if "@" in parts.netloc or parts.hostname != url.host or _climbs(parts.path):
        return None
    return url.with_fragment(None)


def _climbs(path: str) -> bool:
    """Return whether a path has segments that servers resolve, however often they are encoded."""
    for _ in range(3):
        if any(segment in (".", "..") for segment in re.split(r"[/\\;]", path)):
            return True
        path = unquote(path)
    return "%" in path and "2e" in path.lower()


def _texts(value: JSON) -> list[str]:
    """A header's or a parameter's values, as text."""
    if type(value) is list:
        return [one for item in value for one in _texts(item)]
    return [] if value is None else [_text(value)]


def _text(value: JSON) -> str:
    return value if type(value) is str else text(value)


def _headers(task: dict[str, JSON], connection: Ready) -> dict[str, str]:
    given = task.get("Headers", {})
    if type(given) is not dict:
        raise malformed(task, "The value for the field 'Headers' must be an OBJECT")
    headers = {}
    for name, value in given.items():
        lower = name.lower()
        if _NAME.match(name) is None or lower in REFUSED_HEADERS or lower.startswith(REFUSED_PREFIXES):
            raise malformed(task, f"The header {name!r} is not supported")
        joined = ", ".join(_texts(value))
        if _BAD_VALUE.search(joined) or not joined.isascii():
            raise malformed(task, f"The value of the header {name!r} is malformed")
        headers[name.title()] = joined
    headers.update({name.title(): value for name, value in connection.headers.items()})
    if sum(len(name) + len(value) for name, value in headers.items()) > MOST_HEADER_BYTES:
        raise malformed(task, "The headers are too large")
    return headers


def _body(task: dict[str, JSON], connection: Ready, headers: dict[str, str]) -> bytes | None:
    """The body, and its Content-Type among the headers."""
    body = task.get("RequestBody")
    if connection.body:
        if type(body) not in (dict, type(None)):
            raise malformed(task, "The request body and the body of the connection can't be merged")
        body = {**(body or {}), **connection.body}
    if body is None:
        return None
    transform = task.get("Transform", {})
    encoding = transform.get("RequestBodyEncoding", "NONE") if type(transform) is dict else None
    if encoding == "URL_ENCODED":
        return _form(task, body, transform.get("RequestEncodingOptions", {}), headers)
    if encoding != "NONE":
        raise malformed(task, "The value for the field 'RequestBodyEncoding' must be NONE or URL_ENCODED")
    headers.setdefault("Content-Type", "application/json" if type(body) is not str else "text/plain; charset=utf-8")
    return body.encode() if type(body) is str else dumps(body)


def _form(task: dict[str, JSON], body: JSON, options: JSON, headers: dict[str, str]) -> bytes:
    form = options.get("ArrayFormat", "INDICES") if type(options) is dict else None
    if form not in ARRAYS:
        raise malformed(task, f"The value for the field 'ArrayFormat' must be one of {', '.join(ARRAYS)}")
    if headers.setdefault("Content-Type", FORM).partition(";")[0] != FORM:
        raise malformed(task, f"URL_ENCODED needs the Content-Type {FORM}")
    if type(body) is not dict:
        raise malformed(task, "URL_ENCODED needs an object as RequestBody")
    return url_encoded(body, form).encode()


ARRAYS = ("INDICES", "REPEAT", "COMMAS", "BRACKETS")


def url_encoded(body: Mapping[str, JSON], form: str) -> str:
    """A body as a form; nested names in brackets, arrays as `form` says.

    >>> url_encoded({"a": ["x", "y"]}, "INDICES"), url_encoded({"a": {"b": 1}}, "REPEAT")
    ('a%5B0%5D=x&a%5B1%5D=y', 'a%5Bb%5D=1')
    """
    bounded = Bounded("http", MOST_FORM_BYTES)
    return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in _fields("", body, form, bounded))


def _fields(prefix: str, value: JSON, form: str, bounded: Bounded) -> Iterator[tuple[str, str]]:
    bounded.spend(len(prefix) + 1)
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _fields(f"{prefix}[{key}]" if prefix else key, item, form, bounded)
    elif type(value) is list and form == "COMMAS" and not any(type(item) in (dict, list) for item in value):
        yield prefix, ",".join(_texts(value))
    elif type(value) is list:
        for index, item in enumerate(value):
            name = {"INDICES": f"{prefix}[{index}]", "BRACKETS": f"{prefix}[]"}.get(form, prefix)
            yield from _fields(name, item, form, bounded)
    else:
        text_ = "" if value is None else _text(value)
        bounded.spend(len(text_) + 1)
        yield prefix, text_
