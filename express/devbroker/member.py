"""A member of a consumer group, as the coordinator knows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol
from uuid import uuid4

from express.devbroker.messages.groups import (
    JoinGroupRequest,
    JoinGroupResponse,
    JoinProtocol,
    SyncGroupResponse,
)

ReplyJoin = Callable[[JoinGroupResponse], None]
ReplySync = Callable[[SyncGroupResponse], None]


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """Do not make the call."""


class Clock(Protocol):
    """Time in seconds and calls at a time; an asyncio event loop is one."""

    def time(self) -> float:
        """Now."""

    def call_later(self, _delay: float, _callback: Callable[[], None], /) -> Timer:
        """Call back after a delay in seconds."""


class Client(NamedTuple):
    """The sender of a request."""

    client_id: str
    host: str


class Member:
    """One member: what it can do, what it was assigned, and what it waits for."""

    def __init__(self, member_id: str, request: JoinGroupRequest, client: Client) -> None:
        self.id = member_id
        self.instance_id = request.instance_id
        self.client = client
        self.assignment = b""
        self.deadline = 0.0
        self.timer: Timer | None = None
        self.reply_join: ReplyJoin | None = None
        self.reply_sync: ReplySync | None = None
        self.update(request)

    def update(self, request: JoinGroupRequest) -> None:
        """Take over what a join request says."""
        self.session_seconds = request.session_timeout_ms / 1000
        rebalance_ms = request.rebalance_timeout_ms
        self.rebalance_seconds = (rebalance_ms if rebalance_ms >= 0 else request.session_timeout_ms) / 1000
        self.protocols: list[JoinProtocol] = request.protocols

    @property
    def waits(self) -> bool:
        """A request of this member is not answered yet, so it can't be expected to send heartbeats."""
        return self.reply_join is not None or self.reply_sync is not None

    def names(self) -> list[str]:
        """The assignors it knows, the preferred one first."""
        return [protocol.name for protocol in self.protocols]

    def metadata(self, name: str) -> bytes:
        """Return what it tells the leader about itself under an assignor."""
        return next((protocol.metadata for protocol in self.protocols if protocol.name == name), b"")

    def answer_join(self, response: JoinGroupResponse) -> None:
        """Answer a waiting join, if there is one."""
        reply, self.reply_join = self.reply_join, None
        if reply is not None:
            reply(response)

    def answer_sync(self, response: SyncGroupResponse) -> None:
        """Answer a waiting sync, if there is one."""
        reply, self.reply_sync = self.reply_sync, None
        if reply is not None:
            reply(response)


def new_member_id(prefix: str) -> str:
    """A member id that nobody else has, recognisable by its client or instance id."""
    return f"{prefix}-{uuid4()}"
