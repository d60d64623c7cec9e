"""Connections between clients and brokers: requests take time, get lost, are done without an answer, or arrive late.

Requests of one connection arrive in order. What was sent before a process was killed still arrives. Whatever is lost
breaks the connection, and with it everything that is under way on it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any

import msgspec
from aiokafka.conn import CloseReason
from aiokafka.errors import KafkaConnectionError, OutOfOrderSequenceNumber

from tests.simulation.answers import KINDS, TELLING, Answers
from tests.simulation.loop import PROCESS, Process, SimLoop

NOTICE_SECONDS = 0.05
"""What it takes a client at least to see that a connection is broken."""


UNFORESEEN = -1
"""The code of UNKNOWN_SERVER_ERROR."""


class Odds(msgspec.Struct):
    """How often what goes wrong, between 0 and 1, and how long things take in seconds."""

    lost: float = 0.0
    """The request never arrives."""
    unanswered: float = 0.0
    """The request is performed and its answer is lost."""
    refused: float = 0.0
    """The broker answers with an error that no client repairs."""
    unforeseen: float = 0.0
    """The broker answers with an error of its own, and may take the same the next time."""
    late: float = 0.0
    """The request, or its answer, takes up to `late_seconds`."""
    late_seconds: float = 2.0
    latency: float = 0.005


class Connection:
    """What a client holds of a connection; aiokafka's `AIOKafkaConnection`, as far as its client uses it."""

    def __init__(self, network: Network, on_close: Callable[[Any, Any], None] | None) -> None:
        self.process = PROCESS.get()
        self.context = copy_context()
        """What happens at the client happens here: it waits while the process is stopped."""
        self.busy = 0.0
        """Until when requests that were sent are on their way."""
        self._network = network
        self._on_close = on_close
        self._open = True
        self._waiting: dict[asyncio.Future[Any], None] = {}

    def connected(self) -> bool:
        """Whether it can be written to."""
        return self._open

    def send(self, request: Any, expect_response: bool = True) -> asyncio.Future[Any]:
        """Send a request; its answer comes with the future."""
        if not self._open:
            raise KafkaConnectionError("the connection is closed")
        answer = self._network.loop.create_future()
        self._waiting[answer] = None
        self._network.carry(self, request.prepare(self._network.versions), answer)
        return answer

    def deliver(self, answer: asyncio.Future[Any], outcome: Any) -> None:
        """An answer arrives."""
        if self._waiting.pop(answer, answer) is None and not answer.done():
            answer.set_result(outcome)

    def lose(self) -> None:
        """The client sees that the connection is broken."""
        self.close(CloseReason.CONNECTION_BROKEN)

    def close(self, reason: Any = None, exc: BaseException | None = None) -> asyncio.Future[None]:
        """Nobody answers any more; what was sent arrives all the same."""
        closed: asyncio.Future[None] = self._network.loop.create_future()
        closed.set_result(None)
        if self._open:
            self._open = False
            self._network.forget(self)
            waiting, self._waiting = self._waiting, {}
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(KafkaConnectionError("the connection was closed"))
                    answer.exception()  # it may be that nobody waits
            if self._on_close is not None:
                self._on_close(self, reason)
        return closed


class Network:
    """Carries requests. `odds` are by kind of request: produce, fetch, commit, transaction, group, ask."""

    def __init__(self, loop: SimLoop, chance: random.Random, answers: Answers) -> None:
        self.loop = loop
        self.chance = chance
        self.answers = answers
        self.versions = TELLING
        """What requests the brokers know."""
        self.odds: dict[str, Odds] = {}
        self.calm = Odds()
        self.down = False
        """No broker answers."""
        self.cut: set[str] = set()
        """Names of processes that reach no broker."""
        self._lines: dict[Connection, None] = {}
        """The connections that are open."""
        self.closed = False
        """The world ends: everything fails at once."""

    async def connect(
        self, host: str, port: int, *, on_close: Callable[[Any, Any], None] | None = None, **settings: Any
    ) -> Connection:
        """A new connection; aiokafka's `create_conn`."""
        if not self.closed:
            await asyncio.sleep(self._delay(self.odds.get("ask", self.calm)))
        if self.closed or self._is_cut(PROCESS.get()):
            raise KafkaConnectionError(f"{host}:{port} can't be reached")
        line = Connection(self, on_close)
        self._lines[line] = None
        return line

    def forget(self, line: Connection) -> None:
        """A connection is closed."""
        self._lines.pop(line, None)

    def break_all(self) -> None:
        """The brokers go away: clients see it, also those that wait for nothing."""
        for line in list(self._lines):
            self._at(self.loop.time() + NOTICE_SECONDS * self.chance.random(), line.lose, context=line.context)

    def carry(self, line: Connection, request: Any, answer: asyncio.Future[Any]) -> None:
        """Take a request to the broker, or not."""
        odds = self.odds.get(KINDS.get(request.API_KEY, "ask"), self.calm)
        draw = self.chance.random()
        now = self.loop.time()
        if self.closed or self._is_cut(line.process) or draw < odds.lost:
            self._at(now + NOTICE_SECONDS + self._delay(odds), line.lose, context=line.context)
            return
        silent = draw < odds.lost + odds.unanswered
        line.busy = max(now + self._delay(odds), line.busy)
        self._at(line.busy, self._perform, line, request, answer, odds, silent)

    def _is_cut(self, process: Process | None) -> bool:
        return self.down or (process is not None and process.name in self.cut)

    def _delay(self, odds: Odds) -> float:
        chance = self.chance.random
        if odds.late and chance() < odds.late:
            return chance() * odds.late_seconds
        return odds.latency * chance()

    def _at(self, when: float, step: Callable[..., None], *arguments: Any, context: Context | None = None) -> None:
        """Run in the context of nobody, so that a stopped client does not stop its request."""
        self.loop.call_at(when, step, *arguments, context=context or NOBODY)

    def _perform(self, line: Connection, request: Any, answer: asyncio.Future[Any], odds: Odds, silent: bool) -> None:
        reply = partial(self._reply, line, answer, odds, silent)
        self.answers.serve(line.process, request, reply, refusal=self._refusal(odds), orphan=not line.connected())

    def _refusal(self, odds: Odds) -> int:
        """The code of an error that comes out of nothing; mostly 0."""
        if not odds.refused and not odds.unforeseen:
            return 0
        draw = self.chance.random()
        if draw < odds.refused:
            return int(OutOfOrderSequenceNumber.errno)
        return UNFORESEEN if draw < odds.refused + odds.unforeseen else 0

    def _reply(self, line: Connection, answer: asyncio.Future[Any], odds: Odds, silent: bool, outcome: Any) -> None:
        when = self.loop.time() + self._delay(odds)
        if silent or self._is_cut(line.process):
            self._at(when + NOTICE_SECONDS, line.lose, context=line.context)
        else:
            self._at(when, line.deliver, answer, outcome, context=line.context)


NOBODY = Context()
"""The context of brokers and network."""
