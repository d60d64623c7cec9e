"""The door: which requests are looked at at all, and who their callers are.

A server on loopback is reachable by every web page its user opens. A page can send requests to it, under a name of
the page's own choosing (DNS rebinding) even readable ones; so the `Host` must be one of ours, a browser must not say
that it comes from elsewhere, and the two headers that no page may set without asking first must be there.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from express.api.principals import ANYONE, Principal, Principals
from express.api.sigv4 import Signed, Verifier
from express.errors import ApiError
from express.telemetry.doorway import host_name, is_ours

CONTENT_TYPE = "application/x-amz-json-1.0"
TARGET_PREFIX = "AWSStepFunctions."
SYNC_PREFIX = "sync-"
"""Prefix that SDKs put before the host for StartSyncExecution and TestState."""


class Guard:
    """Judges requests by their headers.

    `hosts` are names that the server may be called by besides those of loopback; when callers must say who they
    are and no names are given, any will do: a page that rebinds a name can't sign.
    """

    def __init__(
        self,
        principals: Principals,
        verifier: Verifier,
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
    ) -> None:
        self._principals = principals
        self._verifier = verifier
        self._hosts = frozenset(host.lower() for host in hosts)
        self._origins = frozenset(origins)

    def admit(self, request: web.Request) -> None:
        """Refuse what does not come from one of our own callers. Raises ApiError."""
        headers = request.headers
        host = host_name(headers.get("Host", ""))
        if not self._is_ours(host):
            raise ApiError("AccessDeniedException", f"This server is not called {host[:256]!r}", 403)
        if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise ApiError("AccessDeniedException", "Requests from other sites are refused", 403)
        origin = headers.get("Origin")
        if origin is not None and origin not in self._origins and origin.partition("://")[2] != headers.get("Host"):
            raise ApiError("AccessDeniedException", "Requests from other origins are refused", 403)

    def action(self, request: web.Request) -> str:
        """The action that a request asks for. Raises ApiError where it is no request of the API."""
        if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
            raise ApiError("UnsupportedMediaTypeException", f"The Content-Type must be {CONTENT_TYPE}", 415)
        target = request.headers.get("X-Amz-Target", "")
        if not target.startswith(TARGET_PREFIX):
            raise ApiError("UnknownOperationException", "The X-Amz-Target header names no action of this API")
        return target.removeprefix(TARGET_PREFIX)

    def caller(self, request: web.Request, body: bytes, action: str) -> Principal:
        """Return who sent the request. Raises ApiError where that is not proven."""
        if not self._principals:
            return ANYONE
        certified = self._certified(request)
        if certified is not None:
            return certified
        authorization = request.headers.get("Authorization", "")
        scheme, _, rest = authorization.partition(" ")
        if scheme.lower() == "bearer":
            principal = self._principals.with_api_key(rest.strip())
            if principal is None:
                raise ApiError("UnrecognizedClientException", "The API key is not known here.", 403)
            return principal
        if not authorization:
            raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        signed = Signed(tuple(request.headers.items()), body)
        return self._verifier.verify(signed, authorization, action)

    def _is_ours(self, host: str) -> bool:
        if host in self._hosts or is_ours(host.removeprefix(SYNC_PREFIX), self._hosts):
            return True
        return bool(self._principals) and not self._hosts

    def _certified(self, request: web.Request) -> Principal | None:
        transport = request.transport
        connection: ssl.SSLObject | None = None if transport is None else transport.get_extra_info("ssl_object")
        certificate: dict[str, Any] = (connection.getpeercert() if connection is not None else None) or {}
        names = [value for field in certificate.get("subject", ()) for name, value in field if name == "commonName"]
        return self._principals.with_certificate(names[0]) if len(names) == 1 else None
