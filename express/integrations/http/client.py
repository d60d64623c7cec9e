"""The sockets of HTTP tasks: every address is checked at the moment it is connected to, redirects are not followed.

The check is where the socket is made, so that what was resolved, what was checked and what is connected to are the
same: no cache and no second look-up lie between them.
"""

from __future__ import annotations

import socket
from typing import Any

import aiohttp

from express.config import Http
from express.integrations.http.addresses import Network, allowed
from express.integrations.http.connections import Ready


class AddressRefused(OSError):
    """A connection to an address that a connection may not reach."""


def session(connection: Ready, settings: Http, limit: int) -> aiohttp.ClientSession:
    """A session for one connection: its own pool, no cookies, no proxy of the environment."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=limit,
            use_dns_cache=False,
            resolver=aiohttp.ThreadedResolver(),
            socket_factory=_guarded(connection.networks),
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=settings.timeout, sock_connect=settings.connect_timeout),
        max_field_size=16_384,
        max_line_size=16_384,
        trust_env=False,
    )


def _guarded(networks: tuple[Network, ...]) -> Any:
    def make(found: Any) -> socket.socket:
        family, kind, protocol, _, address = found
        if not allowed(str(address[0]), networks):
            raise AddressRefused(f"connections to {address[0]} are refused: it is no public address")
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    return make
