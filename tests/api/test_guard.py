"""The door: what a web page, a stranger or a clumsy client can't do."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from express.api.app import BODY_LIMIT, GUARD, Listener, make_app
from express.config import Api
from express.config.model import Principal
from express.errors import ConfigError
from express.service.api import ApiServer
from express.telemetry.doorway import is_loopback
from tests.patience import PATIENCE

from . import crowd
from .crowd import SMUGGLED, head
from .server import Running, serving
from .test_machines import definition

KEY = "k" * 43


def refused(running: Running, **headers: Any) -> tuple[int, str]:
    """Status and code of a ListStateMachines with these headers."""
    status, answer = running.post("ListStateMachines", {}, **headers)
    return status, answer.get("__type", "").rpartition("#")[2]


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:1", "sync-localhost:8083", "127.0.0.1", "sync-127.0.0.1:8083", "[::1]:1", "a.localhost"],
)
def test_hosts_of_ours(running: Running, host: str) -> None:
    """Loopback by any of its names, with the prefix that SDKs put before it."""
    assert refused(running, Host=host) == (200, "")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "sync-evil.example", "localhost.evil.example", "", "169.254.1.1"]
)
def test_a_rebound_name_is_refused(running: Running, host: str) -> None:
    """A page that makes its own name lead here still says that name."""
    assert refused(running, Host=host) == (403, "AccessDeniedException")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_requests_from_other_pages_are_refused(running: Running, headers: dict[str, str]) -> None:
    """Whatever browser says that it comes from elsewhere."""
    assert refused(running, **headers) == (403, "AccessDeniedException")


def test_our_own_pages_may_ask(running: Running) -> None:
    """The studio's origin is the server's."""
    assert refused(running, Origin=running.url, Sec_Fetch_Site="same-origin") == (200, "")


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ({"Content_Type": "text/plain"}, (415, "UnsupportedMediaTypeException")),
        ({"Content_Type": "application/json"}, (415, "UnsupportedMediaTypeException")),
        ({"X_Amz_Target": None}, (400, "UnknownOperationException")),
        ({"X_Amz_Target": "AWSStepFunctions.Nothing"}, (400, "UnknownOperationException")),
        ({"X_Amz_Target": "DynamoDB_20120810.ListTables"}, (400, "UnknownOperationException")),
    ],
)
def test_a_form_of_a_page_is_no_request(running: Running, headers: dict[str, Any], answer: tuple[int, str]) -> None:
    """What a page may send without asking first is refused by its headers."""
    assert refused(running, **headers) == answer


def test_nothing_else_is_served(running: Running) -> None:
    """Other paths, other methods, queries; and no CORS header ever."""
    parts = urlsplit(running.url)
    for method, path in (("GET", "/"), ("OPTIONS", "/"), ("POST", "/x"), ("POST", "/?Action=ListStateMachines")):
        connection = http.client.HTTPConnection(parts.netloc)
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "AWSStepFunctions.ListStateMachines"}
        connection.request(method, path, b"{}", headers)
        response = connection.getresponse()
        response.read()
        assert response.status in (404, 405)
        assert response.headers["Access-Control-Allow-Origin"] is None
        connection.close()


def test_errors_tell_nothing_of_the_inside(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is an InternalFailure with a request id: no path, no module, no message of ours (S28)."""

    async def broken(api: Any, request: Any) -> Any:
        raise RuntimeError("SECRET in /usr/lib/express/secret.py")

    from express.api.actions import ACTIONS

    monkeypatch.setitem(ACTIONS, "ListStateMachines", broken)
    status, answer = running.post("ListStateMachines", {})

    assert status == 500
    assert answer["__type"].endswith("#InternalFailure")
    assert "SECRET" not in str(answer)
    assert ".py" not in str(answer)


def test_the_server_does_not_say_what_it_is_made_of(running: Running) -> None:
    """No version of Python or of a library."""
    connection = http.client.HTTPConnection(urlsplit(running.url).netloc)
    connection.request("POST", "/", b"{}", {"Content-Type": "application/x-amz-json-1.0"})
    assert connection.getresponse().headers["Server"] == "express"
    connection.close()


# Limits -----------------------------------------------------------------------------------------------


def raw(running: Running) -> socket.socket:
    """A connection."""
    parts = urlsplit(running.url)
    assert parts.port is not None
    return socket.create_connection((str(parts.hostname), parts.port), timeout=PATIENCE)


def test_a_body_that_is_too_large_is_refused(running: Running) -> None:
    """413, and the server lives on."""
    status, answer = running.post("ListStateMachines", b" " * (BODY_LIMIT + 1))

    assert (status, answer["__type"].rpartition("#")[2]) == (413, "RequestEntityTooLargeException")
    assert refused(running) == (200, "")


@pytest.mark.parametrize("request_", SMUGGLED.values(), ids=SMUGGLED)
def test_smuggled_and_oversized_requests_end_the_connection(running: Running, request_: bytes) -> None:
    """A request that two parsers could read differently is answered 400 and nothing after it is read."""
    with raw(running) as connection:
        connection.sendall(request_)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk

    assert answer.count(b"\r\nDate: ") <= 1
    assert not answer.startswith(b"HTTP/1.1 200")


async def test_a_crowd_holds_nobody_up() -> None:
    """Idle, slow, deaf, smuggling and greedy clients at once: others are served; `tests.api.crowd` brings 2,000."""
    figures = await crowd.run(idle=300, slow=40, seconds=2, rate=100)

    assert figures.requests == 200
    assert (figures.failures, figures.hostile_answered) == (0, 0)
    assert figures.p99 < 10  # seconds that a header may take: what a slow one would hold others up for


def test_connections_beyond_the_limit_are_closed() -> None:
    """The others go on."""
    with serving(connections=3) as server:
        held = [raw(server) for _ in range(3)]
        for connection in held:
            connection.sendall(head(2) + b"{}")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        with raw(server) as late:
            assert late.recv(1) == b""
        for connection in held:
            connection.sendall(head(2) + b"{}")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.close()


async def test_who_is_too_slow_is_sent_away() -> None:
    """Headers that drip end the connection, a body that drips is a 408."""
    server = ApiServer(Api(port=0, store=""), {})
    guard = server.app[GUARD]
    listener = Listener(make_app(server.api, guard, body_seconds=0.2), header_seconds=0.2)
    url = urlsplit(await listener.start("127.0.0.1", 0))
    try:
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: ")
        assert await reader.read() == b""
        writer.close()
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        writer.write(head(100) + b"{")
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()
    finally:
        await listener.stop()


# Binding ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("example.com", False), ("", False), ("localhost.evil", False)],
)  # fmt: skip
def test_what_is_loopback(host: str, loopback: bool) -> None:
    """Names are believed only if they are `localhost`."""
    assert is_loopback(host) is loopback


def _start(**settings: Any) -> None:
    async def attempt() -> None:
        server = ApiServer(Api(**{"port": 0, "store": "", **settings}), {})
        try:
            await server.start()
        finally:
            await server.stop()

    asyncio.run(attempt())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"host": "0.0.0.0"}, "name who may call"),
        ({"host": "0.0.0.0", "principals": [Principal(name="a", api_key_sha256="0" * 64)]}, "in the clear"),
        ({"tls_certificate": "/nowhere.pem"}, "TLS can't be set up with /nowhere.pem"),
    ],
)
def test_an_unsafe_server_does_not_start(settings: dict[str, Any], message: str) -> None:
    """Each names its remedy."""
    with pytest.raises(ConfigError, match=message):
        _start(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0", "principals": [Principal(name="a", api_key_sha256="0" * 64)], "tls_elsewhere": True},
        {"host": "0.0.0.0", "principals": [Principal(name="a", certificate="a")]},
        {"host": "::1"},
    ],
)
def test_a_safe_one_does(settings: dict[str, Any]) -> None:
    """With a door, or on loopback."""
    _start(**settings)


def test_a_port_that_is_taken_is_told() -> None:
    """One sentence with what to do."""
    with serving() as server, pytest.raises(ConfigError, match=r"set api\.port, 0 for any free one"):
        _start(port=urlsplit(server.url).port)


@pytest.fixture(scope="module")
def keyed() -> Iterator[Running]:
    """A server with a door."""
    import hashlib

    row = Principal(name="a", api_key_sha256=hashlib.sha256(KEY.encode()).hexdigest(), allow=[])
    with serving(principals=[row]) as server:
        yield server


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MissingAuthenticationTokenException"),
        ({"Authorization": "Bearer wrong"}, "UnrecognizedClientException"),
        ({"Authorization": "Bearer "}, "UnrecognizedClientException"),
        ({"Authorization": "Basic abc"}, "IncompleteSignatureException"),
        ({"Authorization": "AWS4-HMAC-SHA256 x"}, "IncompleteSignatureException"),
    ],
)
def test_every_action_needs_a_credential(keyed: Running, headers: dict[str, str], code: str) -> None:
    """Without, with a wrong or a broken one: 403 for each of the actions."""
    from express.api.actions import ACTIONS

    for action in ACTIONS:
        status, answer = keyed.post(action, {}, **headers)
        assert (status, answer["__type"].rpartition("#")[2]) == (403, code)


def test_with_a_door_any_name_leads_in(keyed: Running) -> None:
    """A rebound name is no danger where callers must prove who they are; the policy still stands."""
    status, answer = keyed.post("ListStateMachines", {}, Host="workflows.internal", Authorization=f"Bearer {KEY}")

    assert (status, answer) == (200, {"stateMachines": []})
    body = json.dumps({"name": "m", "definition": definition(), "roleArn": "r"}).encode()
    status, answer = keyed.post("CreateStateMachine", body, Authorization=f"Bearer {KEY}")
    assert answer["__type"].endswith("#AccessDeniedException")
