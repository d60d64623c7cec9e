"""`http:invoke`: through configured connections only, to checked addresses only, and nothing smuggled on the way."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import logging
import socket
from typing import Any

import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from express.asl.resources import parse_resource
from express.config import Config, Connection, Destination, Http
from express.errors import StatesError
from express.integrations.http.addresses import allowed, unwrap
from express.integrations.http.connections import Ready, ready
from express.integrations.http.requests import build, parse_url, url_encoded
from express.values import JSON, loads
from tests.integrations.calling import CONTEXT, EXECUTION, STATES, machine, outside, run, task
from tests.integrations.stub import Stub

ARN = "arn:aws:events:us-east-1:123456789012:connection/shop/5d1f"
LOOPBACK = ["127.0.0.1/32"]
METHODS: list[Any] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]


def connection(url: str, **more: Any) -> Connection:
    more = {"networks": LOOPBACK, **more}
    return Connection(allow=[Destination(url=url, methods=METHODS)], **more)


def configured(url: str, **more: Any) -> Config:
    return Config(connections={"shop": connection(url, **more)})


def request(url: str, **more: Any) -> dict[str, JSON]:
    return {"ApiEndpoint": url, "Method": "GET", "Authentication": {"ConnectionArn": ARN}, **more}


TRACE = ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=1")


@pytest.mark.parametrize("own", [None, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
async def test_the_trace_is_sent_on(own: str | None) -> None:
    """The trace context of the execution goes along, unless the state sets one of its own: then that alone."""
    async with Stub() as stub:
        made = outside(configured(stub.url))
        headers = {} if own is None else {"Headers": {"traceparent": own}}
        effect = task("http:invoke", request(f"{stub.url}/x", **headers))
        await made.http.start(effect, msgspec.structs.replace(CONTEXT, trace=TRACE))
        await made.close()
    sent = stub.requests[0][0].headers

    assert (sent["traceparent"], sent.get("tracestate")) == (TRACE if own is None else (own, None))


async def invoke(data: JSON, config: Config) -> JSON:
    """What the task answers; raises StatesError."""
    made = outside(config)
    try:
        return await made.http.start(task("http:invoke", data), CONTEXT)
    finally:
        await made.close()


async def failure(data: JSON, config: Config) -> StatesError:
    with pytest.raises(StatesError) as raised:
        await invoke(data, config)
    return raised.value


# What is sent and what comes back ---------------------------------------------------------------------


async def test_a_response_is_a_result() -> None:
    """Headers by lower-case name with all values, the body as JSON where it is declared so, status and its text."""
    async with Stub() as stub:
        finish = await run(machine("http:invoke"), request(f"{stub.url}/v1/hello"), configured(f"{stub.url}/v1"))

    assert finish.output["ResponseBody"] == {"hello": "world"}
    assert finish.output["Headers"]["content-type"] == ["application/json; charset=utf-8"]
    assert (finish.output["StatusCode"], finish.output["StatusText"]) == (200, "OK")


async def test_requests_carry_what_step_functions_sends() -> None:
    """User agent, range, a stable idempotency key, JSON bodies, merged query and headers; the connection's win."""
    async with Stub() as stub:
        config = configured(stub.url, headers={"X-Tenant": "a"}, query={"v": "2"}, body={"source": "shop"})
        data = request(
            f"{stub.url}/x?q=1",
            Method="POST",
            Headers={"X-Tenant": "b", "Accept": ["a/b", "c/d"]},
            QueryParameters={"v": "1", "list": ["x", "y z"]},
            RequestBody={"a": 1, "source": "state"},
        )
        for _ in range(2):
            await invoke(data, config)
    (sent, body), (again, _) = stub.requests

    assert sent.headers["User-Agent"] == "Amazon|StepFunctions|HttpInvoke|us-east-1"
    assert sent.headers["Range"] == "bytes=0-262144"
    assert sent.headers["Idempotency-Key"] == again.headers["Idempotency-Key"] == f"{EXECUTION}/S#1"
    assert (sent.headers["X-Tenant"], sent.headers["Accept"]) == ("a", "a/b, c/d")
    assert sent.raw_path == "/x?q=1&list=x&list=y+z&v=2"
    assert (loads(body), sent.content_type) == ({"a": 1, "source": "shop"}, "application/json")


@pytest.mark.parametrize(
    ("form", "encoded"),
    [
        ("INDICES", "a%5B0%5D=x&a%5B1%5D=y&b%5Bc%5D=1&d=true"),
        ("REPEAT", "a=x&a=y&b%5Bc%5D=1&d=true"),
        ("COMMAS", "a=x%2Cy&b%5Bc%5D=1&d=true"),
        ("BRACKETS", "a%5B%5D=x&a%5B%5D=y&b%5Bc%5D=1&d=true"),
    ],
)
async def test_bodies_as_forms(form: str, encoded: str) -> None:
    """Transform: URL_ENCODED bodies in each array format, with the Content-Type of forms."""
    body = {"a": ["x", "y"], "b": {"c": 1}, "d": True}
    transform = {"RequestBodyEncoding": "URL_ENCODED", "RequestEncodingOptions": {"ArrayFormat": form}}
    async with Stub() as stub:
        data = request(stub.url, Method="POST", RequestBody=body, Transform=transform)
        await invoke(data, configured(stub.url))

    assert url_encoded(body, form) == encoded
    assert stub.requests[0][1].decode() == encoded
    assert stub.requests[0][0].content_type == "application/x-www-form-urlencoded"


async def test_statuses_are_errors_that_retry_can_name() -> None:
    """A status that is no success is States.Http.StatusCode.NNN with the body as cause; Retry on it calls again."""

    async def busy(call: web.Request) -> web.StreamResponse:
        return web.Response(status=503 if len(stub.requests) < 2 else 200, text="busy")

    retry = {"ErrorEquals": ["States.Http.StatusCode.503"], "IntervalSeconds": 1}
    async with Stub() as stub:
        stub.answer = busy
        error = await failure(request(stub.url), configured(stub.url))
        stub.requests.clear()
        finish = await run(machine("http:invoke", Retry=[retry]), request(stub.url), configured(stub.url))

    assert (error.error, error.cause) == ("States.Http.StatusCode.503", "busy")
    assert (finish.status, finish.output["ResponseBody"]) == ("SUCCEEDED", "busy")


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/png", "video/mp4", "audio/ogg"])
async def test_binary_responses_are_refused(kind: str) -> None:
    """Types that no state could hold are States.Runtime."""

    async def binary(call: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x00", content_type=kind)

    async with Stub() as stub:
        stub.answer = binary
        assert (await failure(request(stub.url), configured(stub.url))).error == "States.Runtime"


# Whose requests they are ------------------------------------------------------------------------------


async def test_basic_and_api_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Basic and API key: the connection's header; what a server echoes of a secret is taken out of the result."""

    async def echo(call: web.Request) -> web.StreamResponse:
        return web.json_response(dict(call.headers), status=status, headers={"X-Echo": call.headers["X-Key"]})

    monkeypatch.setenv("SHOP_KEY", "canary-key")
    status = 200
    async with Stub() as stub:
        stub.answer = echo
        config = configured(stub.url, auth="api_key", key_name="X-Key", key="env:SHOP_KEY")
        answer = await invoke(request(stub.url), config)
        status = 403
        error = await failure(request(stub.url), config)
        stub.answer = stub.hello
        await invoke(request(stub.url), configured(stub.url, auth="basic", username="u", password="env:SHOP_KEY"))

    assert stub.requests[0][0].headers["X-Key"] == "canary-key"
    assert stub.requests[2][0].headers["Authorization"] == "Basic dTpjYW5hcnkta2V5"
    assert answer["Headers"]["x-echo"] == ["***"]
    assert "canary-key" not in f"{answer}{error}"


async def test_oauth_tokens_are_kept_and_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Client credentials: one token for many requests, another one when it is refused."""
    issued = 0

    async def both(call: web.Request) -> web.StreamResponse:
        nonlocal issued
        if call.path == "/token":
            issued += 1
            return web.json_response({"access_token": f"token-{issued}", "expires_in": 3600})
        good = call.headers["Authorization"] == f"Bearer token-{valid}"
        return web.Response(status=200 if good else 401, text=call.headers["Authorization"])

    monkeypatch.setenv("SHOP_SECRET", "canary-secret")
    valid = 1
    async with Stub() as stub:
        stub.answer = both
        made = outside(
            configured(
                f"{stub.url}/api",
                auth="oauth",
                client_id="me",
                client_secret="env:SHOP_SECRET",
                token_url=f"{stub.url}/token",
                scope="orders",
            )
        )
        answers = [await made.http.start(task("http:invoke", request(f"{stub.url}/api")), CONTEXT) for _ in range(3)]
        first = issued
        valid = 2
        answers.append(await made.http.start(task("http:invoke", request(f"{stub.url}/api")), CONTEXT))
        await made.close()
    form = stub.requests[0][1].decode()

    assert (first, issued) == (1, 2)
    assert form == "grant_type=client_credentials&client_id=me&client_secret=canary-secret&scope=orders"
    assert [answer["ResponseBody"] for answer in answers] == ["Bearer ***"] * 4


async def test_secrets_are_in_no_log_history_or_repr(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A canary secret shows up in no log line, result, error or printed connection."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SHOP_KEY", "canary-key")
    async with Stub() as stub:
        config = configured(stub.url, auth="api_key", key_name="X-Key", key="env:SHOP_KEY")
        finish = await run(machine("http:invoke"), request(stub.url), config)
        url = stub.url
    broken = await run(machine("http:invoke"), request(url), config)

    assert broken.error == "States.Http.Socket"
    assert "canary-key" not in f"{finish}{broken}{caplog.text}{ready('shop', config.connections['shop'])!r}"


async def test_unknown_connections() -> None:
    """A ConnectionArn that names no connection is the error that EventBridge's would be; none at all is a mistake."""
    async with Stub() as stub:
        config = configured(stub.url)
        other = request(stub.url, Authentication={"ConnectionArn": ARN.replace("shop", "other")})

        assert (await failure(other, config)).error == "Events.ConnectionResource.ResourceNotFound"
        assert (await failure({"ApiEndpoint": stub.url, "Method": "GET"}, config)).error == "States.Runtime"


def test_http_is_off_until_a_connection_is_configured() -> None:
    """Without an allow-list every HTTP task is refused before a run, with what has to be configured."""
    resource = parse_resource(STATES + "http:invoke")

    assert "[connections.NAME]" in str(outside(Config()).rows()["http"].refusal(resource))  # type: ignore[attr-defined]


# Where they may go ------------------------------------------------------------------------------------

_DENIED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 100.100.100.200 127.0.0.1 127.1.2.3 169.254.0.1
169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1
::127.0.0.1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::a9fe:a9fe
64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 64:ff9b:1::808:808 100::1 2001::1 2001:0:7f00:1::1 2001:db8::1
2002:a9fe:a9fe:: 2002:7f00:1:: 2002:a00:1::1 3fff::1 5f00::1 fc00::1 fd00::1 fd00:ec2::254 fe80::1 fe80::1%eth0
fec0::1 ff02::1 ff0e::1 2606:4700::5efe:7f00:1 1.2.3 localhost
"""
DENIED = _DENIED.split()
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


@pytest.mark.parametrize("address", DENIED)
def test_internal_addresses_are_denied(address: str) -> None:
    """Nothing that is, maps to, or tunnels to an address that is not public may be connected to."""
    assert not allowed(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    """Public addresses, and translated forms of such."""
    assert allowed(address)


def test_networks_open_what_they_name_and_never_the_metadata_services() -> None:
    """A connection's private networks are opened; services that hand out credentials are not."""
    link = [ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("10.0.0.0/8")]

    assert allowed("10.1.2.3", link)
    assert not allowed("192.168.0.1", link)
    assert not allowed("169.254.169.254", link)
    assert not allowed("::ffff:169.254.169.254", link)


@given(st.integers(0, 2**32 - 1))
def test_what_is_embedded_is_found(number: int) -> None:
    """Every way to put an IPv4 address into an IPv6 one is unwrapped to the same address."""
    address = ipaddress.IPv4Address(number)
    forms = [
        (0xFFFF << 32) | number,
        (0x64FF9B << 96) | number,
        (0x2002 << 112) | (number << 80),
        (0x20010000 << 96) | (number ^ 0xFFFFFFFF),
    ]

    assert all(address in unwrap(ipaddress.IPv6Address(form)) for form in forms)


HOST = "https://api.example.com"
_REFUSED_URLS = """
http://api.example.com/v1/x https://api.example.com:8443/v1/x https://api.example.com./v1/x
https://api.example.org/v1/x https://user@api.example.com/v1/x https://user:pass@api.example.com/v1/x
https://api.example.com@evil.com/v1/x https://evil.com/https://api.example.com/v1
https://evil.com#@api.example.com/v1/ https://evil.com?@api.example.com/v1/ https://evil.com\\@api.example.com/v1/
https://api.example.com.evil.com/v1/x https://xapi.example.com/v1/x https://api.example.com/v1/../admin
https://api.example.com/v1/%2e%2e/admin https://api.example.com/v1/%252e%252e/a
https://api.example.com/v1/.%2e/admin https://api.example.com/v1/..;/admin https://api.example.com/v1/..%2fadmin
https://api.example.com/v1/%2e%2e%2fadmin https://api.example.com/v1/..%5cadmin https://api.example.com/v1x
https://api.example.com/admin https://api.example.com https://127.0.0.1/v1/x https://2130706433/v1/x
https://0x7f000001/v1/x https://0177.0.0.1/v1/x https://127.1/v1/x https://[::1]/v1/x
https://[::ffff:169.254.169.254]/v1 https://[fd00:ec2::254]/v1/x https://169.254.169.254/latest/meta-data
https://localhost/v1/x https:///v1/x https:/v1/x //api.example.com/v1/x api.example.com/v1/x file:///etc/passwd
gopher://api.example.com/v1 ftp://api.example.com/v1/x data:text/plain,x javascript:alert(1)
https://api.example.com:0/v1/x https://api.example.com:99999/v1/x
"""
REFUSED_URLS = _REFUSED_URLS.split()
ODD_URLS = [
    "https://api.example.com/v1/x\r\nHost: evil",
    "https://api.example.com/v1/ x",
    "https://api.example.com\t/v1/x",
    "https://api.example.com/v1/\x00",
    "https://ａｐｉ.example.com/v1/x",
    "https://１２７.0.0.1/v1/x",
    "https://api.example。com/v1/x",
    "https://api.example.com/v1/" + "x" * 9000,
    "",
]


def shop(**more: Any) -> Ready:
    return ready("shop", Connection(allow=[Destination(url=f"{HOST}/v1", methods=["GET"])], **more))


@pytest.mark.parametrize("url", [*REFUSED_URLS, *ODD_URLS])
def test_urls_that_are_not_on_the_list(url: str) -> None:
    """Other hosts, other spellings of hosts, climbing paths and broken URLs: refused before anything is resolved."""
    with pytest.raises(StatesError) as raised:
        build(request(url), shop(), "key", "agent")

    assert raised.value.error in ("States.Permissions", "States.Runtime")


@pytest.mark.parametrize(
    "url", [f"{HOST}/v1", f"{HOST}/v1/", f"{HOST}/v1/x?y=../..#z", "HTTPS://API.EXAMPLE.COM:443/v1"]
)
def test_urls_that_are_on_the_list(url: str) -> None:
    """The path prefix itself and what is below it; case and the default port make no difference."""
    assert build(request(url), shop(), "key", "agent").url.host == "api.example.com"


def test_methods_are_on_the_list_too() -> None:
    """A method that the destination does not allow is States.Permissions."""
    with pytest.raises(StatesError) as raised:
        build(request(f"{HOST}/v1", Method="DELETE"), shop(), "key", "agent")

    assert raised.value.error == "States.Permissions"
    assert parse_url(f"{HOST}/v1") is not None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]"])
async def test_a_listed_host_must_still_be_public(host: str) -> None:
    """A host on the list that resolves to an internal address is refused where the socket would be made."""
    async with Stub() as stub:
        url = stub.url.replace("127.0.0.1", host)
        error = await failure(request(url), configured(url, networks=[]))

    assert error.error in ("States.Http.Socket", "States.Runtime", "States.Permissions")
    assert stub.requests == []


async def test_a_name_that_changes_its_address_is_checked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the address that is connected to is the one that is checked, on every connection."""
    answers = ["127.0.0.1", "127.0.0.2"]

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    async with Stub() as stub:
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, *_, **more: resolve(host, port))
        url = stub.url.replace("127.0.0.1", "shop.test")
        config = configured(url)
        first = await invoke(request(url), config)
        second = await failure(request(url), config)

    assert first["StatusCode"] == 200
    assert second.error == "States.Http.Socket"
    assert len(stub.requests) == 1


async def test_redirects_are_not_followed() -> None:
    """A redirect is an error with its status; nobody calls where it leads."""

    async def away(call: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": f"{stub.url}/internal"})

    async with Stub() as stub:
        stub.answer = away
        error = await failure(request(f"{stub.url}/v1"), configured(f"{stub.url}/v1"))

    assert error.error == "States.Http.StatusCode.302"
    assert [call.path for call, _ in stub.requests] == ["/v1"]


# What a payload may not do ----------------------------------------------------------------------------

_HEADERS = """
Host Authorization Connection Content-Length Transfer-Encoding TE Trailer Upgrade Via Cookie Proxy-Authorization
X-Forwarded-For x-amz-date X-Amzn-Trace-Id Range User-Agent Expect Content-Encoding Accept-Encoding Forwarded Origin
Referer Sec-Fetch-Site If-None-Match Keep-Alive A-IM Date Server Warning Max-Forwards Pragma
"""
HEADERS = _HEADERS.split()
NAMES = ["", " X", "X ", "X:Y", "X\r\nY", "X\x00", "Ä", "X\tY", "(X)", "X" * 300]
VALUES = ["a\r\nHost: evil", "a\nb", "a\rb", "a\x00b", "a\x7fb", "ä", "a\x0bb", "\r\n\r\nGET / HTTP/1.1"]


@pytest.mark.parametrize("name", [*HEADERS, *map(str.lower, HEADERS), *map(str.upper, HEADERS), *NAMES])
def test_headers_that_are_not_the_states_to_set(name: str) -> None:
    """Hop-by-hop, proxy, AWS and malformed header names are refused, in any case."""
    with pytest.raises(StatesError):
        build(request(f"{HOST}/v1", Headers={name: "v"}), shop(), "key", "agent")


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: ["a", v]], ids=["text", "list"])
def test_values_that_would_break_a_header(value: str, wrap: Any) -> None:
    """No value puts a second header or a second request on the wire."""
    with pytest.raises(StatesError):
        build(request(f"{HOST}/v1", Headers={"X-Note": wrap(value)}), shop(), "key", "agent")


@given(st.text(max_size=20), st.text(max_size=20))
def test_query_parameters_stay_parameters(name: str, value: str) -> None:
    """Whatever stands in a query parameter comes out as that parameter and changes nothing else of the URL."""
    data = request(f"{HOST}/v1", QueryParameters={name: value})
    try:
        url = build(data, shop(), "key", "agent").url
    except (StatesError, UnicodeEncodeError):
        return

    assert (url.host, url.path, list(url.query.items())) == ("api.example.com", "/v1", [(name, value)])


# What a server may not do -----------------------------------------------------------------------------


async def test_a_decompression_bomb_is_cut_off() -> None:
    """256 KiB is the limit after decompression: a bomb fails the task, and little of it is ever unpacked."""
    bomb = gzip.compress(b"\0" * 50_000_000)

    async def explode(call: web.Request) -> web.StreamResponse:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"}, content_type="text/plain")

    async with Stub() as stub:
        stub.answer = explode
        error = await failure(request(stub.url), configured(stub.url))

    assert len(bomb) < 60_000
    assert error.error == "States.DataLimitExceeded"


async def test_an_endless_body_is_cut_off() -> None:
    """A body without an end fails the task at the limit."""

    async def endless(call: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(call)
        while True:
            await response.write(b"x" * 65_536)

    async with Stub() as stub:
        stub.answer = endless
        assert (await failure(request(stub.url), configured(stub.url))).error == "States.DataLimitExceeded"


async def test_silence_is_a_socket_error() -> None:
    """A server that never answers: States.Http.Socket at the configured limit, States.Timeout at the state's."""
    async with Stub() as stub:
        stub.answer = stub.silence
        config = Config(connections=configured(stub.url).connections, http=Http(timeout=0.2))  # type: ignore[arg-type]
        error = await failure(request(stub.url), config)
        finish = await run(machine("http:invoke", TimeoutSeconds=1), request(stub.url), configured(stub.url))

    assert error.error == "States.Http.Socket"
    assert finish.error == "States.Timeout"


async def test_broken_responses_are_socket_errors() -> None:
    """Answers that are no HTTP, bad chunks and a closed connection fail the task as States.Http.Socket."""
    answers = [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers[0])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    while answers:
        assert (await failure(request(url), configured(url))).error == "States.Http.Socket"
        answers.pop(0)
    server.close()


async def test_cookies_are_not_kept() -> None:
    """A cookie that a server sets goes nowhere: not into the result, not into the next request."""

    async def baker(call: web.Request) -> web.StreamResponse:
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with Stub() as stub:
        stub.answer = baker
        made = outside(configured(stub.url))
        answers = [await made.http.start(task("http:invoke", request(stub.url)), CONTEXT) for _ in range(2)]
        await made.close()

    assert "set-cookie" not in answers[0]["Headers"]
    assert "Cookie" not in stub.requests[1][0].headers
