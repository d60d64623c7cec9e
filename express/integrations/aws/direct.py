"""The short way of hot calls: botocore's serialisers and parsers, our own signature, one aiohttp pool.

aiobotocore spends half of a call on hooks that do nothing for services which speak JSON to one address. For those this
way gives the same results for less CPU; every other service, and a client that shall repeat by itself, goes the long
way. A test sends the same calls both ways.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from express.config import Aws
from express.integrations.aws.calls import Call

if TYPE_CHECKING:
    import aiohttp

SERVICES = frozenset({"dynamodb", "sqs", "events", "stepfunctions"})
"""Services that take all requests as JSON at the root of their endpoint."""

ELSEWHERE = frozenset({"EndpointId"})
"""Parameters that send a request to another address than the service's."""

SYNCHRONOUS = "StartSyncExecution"
"""The one operation of these services that has a host of its own."""


def fits(call: Call, parameters: dict[str, Any], settings: Aws, endpoint: str) -> bool:
    """Whether a request may go the short way."""
    return (
        call.folder in SERVICES
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
        headers = dict(made["headers"])
        if call.model.is_query_compatible:
            headers["x-amzn-query-mode"] = "true"
        body = made["body"]
        service = call.model.signing_name
        headers = signed(endpoint, headers, body, frozen, region, service, datetime.now(UTC))
        async with self._pool().post(endpoint, data=body, headers=headers, allow_redirects=False) as response:
            read = await response.read()
            answer = {"status_code": response.status, "headers": response.headers, "body": read}
        return response.status, _parser(call.folder, protocol).parse(answer, operation.output_shape)

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


def signed(
    endpoint: str, headers: dict[str, str], body: bytes, credentials: Any, region: str, service: str, now: datetime
) -> dict[str, str]:
    """The headers of a POST to the root of `endpoint`, signed with AWS Signature Version 4."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    sent = {name.lower(): value for name, value in headers.items()}
    sent.update({"host": urlsplit(endpoint).netloc, "x-amz-date": stamp})
    if credentials.token:
        sent["x-amz-security-token"] = credentials.token
    names = sorted(sent)
    listed = ";".join(names)
    lines = "".join(f"{name}:{' '.join(sent[name].split())}\n" for name in names)
    canonical = f"POST\n/\n\n{lines}\n{listed}\n{hashlib.sha256(body).hexdigest()}"
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
