"""What a handler is told besides the request, and what it may answer."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import NamedTuple

from express.devbroker.member import Client
from express.devbroker.wire import Message


class Call(NamedTuple):
    """How a request came in."""

    version: int
    client: Client


Answer = Message | Awaitable[Message] | None
"""A response, one that takes time, or none at all (a produce request with acks=0)."""
