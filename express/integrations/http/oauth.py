"""Tokens of OAuth 2.0's client credentials grant (RFC 6749 §4.4): one per connection, renewed before it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import aiohttp

from express.config import Connection, reveal
from express.errors import StatesError
from express.values import JSON, loads

EARLY_SECONDS = 30.0
MOST_BYTES = 65_536

UNUSABLE = "Events.ConnectionResource.InvalidConnectionState"


class Tokens:
    """The bearer token of one connection."""

    def __init__(self, name: str, connection: Connection, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Asks for nothing yet."""
        self._name = name
        self._connection = connection
        self._monotonic = monotonic
        self._asking = asyncio.Lock()
        self._until = 0.0
        self.token = ""

    async def get(self, session: aiohttp.ClientSession, stale: str | None = None) -> str:
        """A token that is valid, another one than `stale`. Raises StatesError where there is none to be had."""
        async with self._asking:
            if not self.token or self.token == stale or self._monotonic() >= self._until:
                await self._renew(session)
        return self.token

    async def _renew(self, session: aiohttp.ClientSession) -> None:
        connection = self._connection
        form = {
            "grant_type": "client_credentials",
            "client_id": connection.client_id,
            "client_secret": str.__str__(reveal(connection.client_secret)),
        }
        if connection.scope:
            form["scope"] = connection.scope
        try:
            async with session.post(connection.token_url, data=form, allow_redirects=False) as response:
                body = await response.content.read(MOST_BYTES)
                answer = loads(body) if response.status == 200 else None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._unusable(type(error).__name__) from error
        answer = answer if isinstance(answer, dict) else {}
        token = answer.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise self._unusable(f"status {response.status}")
        self.token = token
        self._until = self._monotonic() + _lifetime(answer) - EARLY_SECONDS

    def _unusable(self, why: str) -> StatesError:
        return StatesError(UNUSABLE, f"The connection {self._name!r} could not be authorized: {why}")


def _lifetime(answer: dict[str, JSON]) -> float:
    seconds = answer.get("expires_in", 3600)
    return float(seconds) if type(seconds) in (int, float) else 3600.0
