"""The direct way of hot calls: botocore's serialisers and parsers, our own signature, one aiohttp pool.

aiobotocore spends most of a call on hooks that do nothing for services which take POSTs at one address. For those this
way gives the same results for less CPU; every other service, and a client that shall repeat by itself, goes the long
way. A test sends the same calls both ways.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from yarl import URL

from express.config import Aws
from express.integrations.aws.calls import Call
from express.integrations.aws.errors import too_large
from express.values import PAYLOAD_LIMIT

if TYPE_CHECKING:
    import aiohttp

SERVICES = frozenset({"dynamodb", "sqs", "events", "stepfunctions", "sns"})
"""Services that take all requests at the root of their endpoint: as JSON, SNS as a form."""

INVOKE = ("lambda", "Invoke")
"""The one call with a path of its own."""

ELSEWHERE = frozenset({"EndpointId"})
"""Parameters that send a request to another address than the service's."""

SYNCHRONOUS = "StartSyncExecution"
"""The one operation of these services that has a host of its own."""


def fits(call: Call, parameters: dict[str, Any], settings: Aws, endpoint: str) -> bool:
    """Return whether a request may go the direct way."""
    return (
        (call.folder in SERVICES or (call.folder, call.operation) == INVOKE)
        and settings.attempts == 1
        and call.operation != SYNCHRONOUS
        and not (ELSEWHERE & parameters.keys())
        and urlsplit(endpoint).path in ("", "/")
    )


@cache
def _serializer(folder: str, protocol: str) -> Any:
    from botocore.serialize import create_serializer

    return create_serializer(protocol, include_validation=False)


@cache
def _parser(folder: str, protocol: str) -> Any:
    from botocore.parsers import create_parser

    return create_parser(protocol)


class Direct:
    """The pool and the way of one worker."""

    def __init__(self, settings: Aws) -> None:
        """Opens nothing."""
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def send(self, call: Call, parameters: dict[str, Any], endpoint: str, region: str, frozen: Any) -> Any:
        """The status, and botocore's form of the answer. `frozen` are credentials. Raises aiohttp's errors."""
        operation = call.model.operation_model(call.operation)
        protocol = call.model.resolved_protocol
        made = _serializer(call.folder, protocol).serialize_to_request(parameters, operation)
        url = addressed(endpoint, made["url_path"], made["query_string"])
        headers = dict(made["headers"])
        if call.model.is_query_compatible:
            headers["x-amzn-query-mode"] = "true"
        body = made["body"]
        if isinstance(body, dict):
            body = urlencode(body, doseq=True).encode()
        headers = signed(url, headers, body, frozen, region, call.model.signing_name, datetime.now(UTC))
        async with self._pool().post(
            URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
        ) as response:
            streamed = operation.has_streaming_output and response.status < 300
            read = await _bounded(response, call) if streamed else await response.read()
        if frozen.token and frozen.token.encode() in read:
            read = read.replace(frozen.token.encode(), b"***")  # a server that tells what it was sent
        shape = operation.output_shape
        answer = {"status_code": response.status, "headers": response.headers, "body": b"" if streamed else read}
        parsed = _parser(call.folder, protocol).parse(answer, shape)
        if streamed:
            parsed[shape.serialization["payload"]] = read  # the parser would take it for text
        return response.status, parsed

    def _pool(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=settings.connections, keepalive_timeout=12),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(sock_connect=settings.connect_timeout, sock_read=settings.read_timeout),
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
            )
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()


def addressed(endpoint: str, path: str, query: dict[str, str] | str) -> str:
    """The URL of a request, its query in the order that is signed."""
    pairs = sorted(query.items()) if isinstance(query, dict) else []
    tail = "&".join(f"{quote(name, safe='-_.~')}={quote(str(value), safe='-_.~')}" for name, value in pairs)
    return f"{endpoint.rstrip('/')}{path or '/'}{'?' if tail else ''}{tail}"


async def _bounded(response: aiohttp.ClientResponse, call: Call) -> bytes:
    """A stream to its end. Raises StatesError where it is larger than a state may hold."""
    read = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        read += chunk
        if len(read) > PAYLOAD_LIMIT:
            raise too_large(call.service)
    return bytes(read)


def signed(
    url: str,
    headers: dict[str, str],
    body: bytes,
    credentials: Any,
    region: str,
    service: str,
    now: datetime,
    method: str = "POST",
) -> dict[str, str]:
    """The headers of a request to `url`, as `addressed` makes it, signed with AWS Signature Version 4."""
    parts = urlsplit(url)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {name.lower(): value for name, value in headers.items()}
    sent.update({"host": parts.netloc, "x-amz-date": stamp})
    if credentials.token:
        sent["x-amz-security-token"] = credentials.token
    names = sorted(sent)
    listed = ";".join(names)
    lines = "".join(f"{name}:{' '.join(sent[name].split())}\n" for name in names)
    path = quote(parts.path or "/", safe="/~")  # once more, as the rules for all services but S3 have it
    canonical = f"{method}\n{path}\n{parts.query}\n{lines}\n{listed}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = _key(credentials.secret_key, stamp[:8], region, service)
    signature = hmac.new(key, text.encode(), "sha256").hexdigest()
    sent["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, SignedHeaders={listed}, Signature={signature}"
    )
    return sent


@lru_cache(maxsize=64)
def _key(secret: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
