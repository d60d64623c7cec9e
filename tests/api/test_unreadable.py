"""Requests of any bytes: whatever is no text where text belongs is answered with a clear 4xx, never with a 5xx."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from express.config import Api
from express.config.model import Principal
from tests.patience import PATIENCE

from .server import Running, serving

NO_TEXT = [b"\xff\xfe", b"\xed\xa0\x80", b"\x80abc", b"\xc3"]
TEXT = ["é", "\u2028", "😀"]
NAMES = [
    "Authorization", "Host", "Content-Type", "X-Amz-Target", "X-Amz-Date", "X-Amz-Security-Token", "traceparent",
    "tracestate", "Origin", "Sec-Fetch-Site", "Accept", "User-Agent", "Content-Encoding", "Transfer-Encoding",
    "Content-Length", "Connection", "Expect", "Upgrade", "Cookie", "X-Amzn-Trace-Id", "amz-sdk-invocation-id",
]  # fmt: skip
BEFORE = ["", "Bearer ", "Basic ", "AWS4-HMAC-SHA256 Credential=", "AWSStepFunctions.", "localhost:"]


@pytest.fixture(scope="module", params=[(), (Principal(name="p", api_key_sha256="0" * 64),)], ids=["open", "keys"])
def answering(request: pytest.FixtureRequest) -> Iterator[Running]:
    """A server that anybody may call, and one that knows its callers."""
    with serving(Api(port=0, store="", principals=request.param)) as running:
        yield running


def told(
    url: str, headers: dict[bytes, bytes], *, method: bytes = b"POST", path: bytes = b"/", body: bytes = b"{}"
) -> tuple[int, str]:
    """Status and message of a request as bytes."""
    port = urlsplit(url).port
    sent = {
        b"Host": b"127.0.0.1",
        b"Content-Type": b"application/x-amz-json-1.0",
        b"X-Amz-Target": b"AWSStepFunctions.ListStateMachines",
        b"Content-Length": b"%d" % len(body),
        **headers,
    }
    lines = b"".join(b"%b: %b\r\n" % header for header in sent.items())
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        connection.sendall(b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, path, lines, body))
        answer = connection.makefile("rb")
        status = int(answer.readline().split()[1])
        found = {}
        while line := answer.readline().strip():
            name, _, value = line.partition(b":")
            found[name.lower()] = value.strip()
        text = answer.read(int(found.get(b"content-length", b"0")))
    is_json = b"json" in found.get(b"content-type", b"")
    return status, json.loads(text).get("message", "") if is_json else text.decode(errors="replace")


@pytest.mark.parametrize("name", NAMES)
def test_a_header_that_is_no_text(answering: Running, name: str) -> None:
    """400; one that can be read as far as its name is told which."""
    for before in BEFORE:
        for value in NO_TEXT:
            status, message = told(answering.url, {name.encode(): before.encode() + value})
            assert status == 400, (before, value)
            assert name.lower() in message.lower() or name in ("Content-Length", "Transfer-Encoding", "Upgrade")
        for text in TEXT:
            assert told(answering.url, {name.encode(): (before + text).encode()})[0] in (*range(400, 500), 200)


@pytest.mark.parametrize("value", [*NO_TEXT, *(text.encode() for text in TEXT)])
def test_method_path_and_query_that_are_no_text(answering: Running, value: bytes) -> None:
    """As any other that is not there."""
    for method, path in (
        (b"POST", b"/" + value),
        (b"POST", b"/?a=" + value),
        (b"POST", b"/%ff%fe"),
        (b"POST", b"http://" + value + b"/"),
        (b"GET", b"/" + value),
        (value, b"/"),
        (b"POST" + value, b"/"),
    ):
        assert 400 <= told(answering.url, {}, method=method, path=path)[0] < 500, (method, path)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "identity", "gzip, gzip", "x"])
@pytest.mark.parametrize(
    "body",
    [b"{}", b"", gzip.compress(b"{}", mtime=0), gzip.compress(b"{}", mtime=0)[:-9], zlib.compress(b"{}"), b"\xff\xfe"],
)
def test_a_body_that_is_not_what_its_encoding_says(answering: Running, encoding: str, body: bytes) -> None:
    """It is the caller's fault, and said so."""
    status, _ = told(answering.url, {b"Content-Encoding": encoding.encode()}, body=body)
    assert status == 200 or 400 <= status < 500
