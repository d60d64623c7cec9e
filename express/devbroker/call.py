"""The circumstances of a request, and the answers of handlers."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import NamedTuple

from express.devbroker.member import Client
from express.devbroker.wire import Message


class Call(NamedTuple):
    """The circumstances of a request."""

    version: int
    client: Client


Answer = Message | Awaitable[Message] | None
"""A response, one that takes time, or none at all (a produce request with acks=0)."""
