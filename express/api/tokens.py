"""`nextToken`: opaque, bound to the request it continues, and good for a day.

A token is signed rather than remembered, so that a list costs the server nothing once it is answered. The key
lives as long as the process: tokens of an earlier one are refused, as expired ones are.
"""

from __future__ import annotations

import base64
import bisect
import hmac
import secrets
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from express.api.errors import invalid_token
from express.values import JSON, dumps

DAY = 86_400
PAGE = 100
"""Items of a page where maxResults is 0 or absent."""

HEAVY = 4 << 20
"""Bytes after which a page is full, whatever `maxResults` says."""

Item = TypeVar("Item")


class _Payload(msgspec.Struct, array_like=True):
    position: JSON
    until: float


class Pages:
    """Makes and reads tokens with one key."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._key = secrets.token_bytes(32)
        self._wall = wall

    def page(
        self,
        action: str,
        request: dict[str, JSON],
        items: Sequence[Item],
        key: Callable[[Item], JSON],
        weight: Callable[[Item], int] = lambda _: 0,
    ) -> tuple[list[Item], dict[str, JSON]]:
        """The items of one page, and `nextToken` as a member if there are more.

        `items` are in the order of their keys, smallest first; the page starts behind the token's key. Only those
        of the page are read, and a few on the way to it. A page ends early where its items have HEAVY bytes together,
        by their `weight`. Raises InvalidToken.
        """
        given = request.get("nextToken")
        start = 0
        if given is not None:
            after = self._read(given, action, request)
            start = bisect.bisect_right(items, after, key=key)
        chosen: list[Item] = []
        room = HEAVY
        for item in items[start : start + (request.get("maxResults") or PAGE)]:
            chosen.append(item)
            room -= weight(item)
            if room <= 0:
                break
        if start + len(chosen) >= len(items):
            return chosen, {}
        return chosen, {"nextToken": self._write(key(chosen[-1]), action, request)}

    def position(self, action: str, request: dict[str, JSON]) -> JSON:
        """The position behind which the page begins; None: the first page. Raises InvalidToken."""
        given = request.get("nextToken")
        return None if given is None else self._read(given, action, request)

    def token(self, position: JSON, action: str, request: dict[str, JSON]) -> str:
        """The `nextToken` of a page that ends at a position."""
        return self._write(position, action, request)

    def _write(self, position: JSON, action: str, request: dict[str, JSON]) -> str:
        body = msgspec.json.encode(_Payload(position, self._wall() + DAY))
        return base64.urlsafe_b64encode(self._sign(body, action, request) + body).decode()

    def _read(self, token: str, action: str, request: dict[str, JSON]) -> JSON:
        try:
            raw = base64.b64decode(token.encode("ascii"), b"-_", validate=True)
            signature, body = raw[:16], raw[16:]
            if not hmac.compare_digest(signature, self._sign(body, action, request)):
                raise invalid_token()
            payload = msgspec.json.decode(body, type=_Payload)
        except (ValueError, msgspec.DecodeError) as error:
            raise invalid_token() from error
        if payload.until < self._wall():
            raise invalid_token()
        return payload.position

    def _sign(self, body: bytes, action: str, request: dict[str, JSON]) -> bytes:
        """Over the position and everything in the request but the page itself: another list, another token."""
        same = {name: value for name, value in sorted(request.items()) if name not in ("nextToken", "maxResults")}
        return hmac.digest(self._key, dumps([action, same]) + body, "sha256")[:16]
