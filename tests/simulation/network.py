"""Requests between clients and brokers: they take time, get lost, are done without an answer, or arrive late.

Requests of one connection arrive in order. What was sent before a process was killed still arrives.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVar

import msgspec
from aiokafka.errors import KafkaConnectionError, OutOfOrderSequenceNumber

from tests.simulation.loop import PROCESS, SimLoop

T = TypeVar("T")


class Odds(msgspec.Struct):
    """How often what goes wrong, between 0 and 1, and how long things take in seconds."""

    lost: float = 0.0
    """The request never arrives."""
    unanswered: float = 0.0
    """The request is performed and its answer is lost."""
    refused: float = 0.0
    """The broker answers with an error that no client repairs."""
    late: float = 0.0
    """The request, or its answer, takes up to `late_seconds`."""
    late_seconds: float = 2.0
    latency: float = 0.005


class Lines:
    """The connections of one client: until when each is busy, and the answers that are waited for."""

    def __init__(self) -> None:
        self.busy: dict[str, float] = {}
        self.waiting: dict[asyncio.Future[Any], None] = {}

    def close(self) -> None:
        """Nobody answers any more; what was sent arrives all the same."""
        for answer in list(self.waiting):
            _answer(answer, None, KafkaConnectionError("the connection was closed"))


class Network:
    """Carries requests. `odds` are by kind of request: produce, commit, transaction, group, ask."""

    def __init__(self, loop: SimLoop, chance: random.Random) -> None:
        self.loop = loop
        self.chance = chance
        self.odds: dict[str, Odds] = {}
        self.calm = Odds()
        self.down = False
        """No broker answers."""
        self.cut: set[str] = set()
        """Names of processes that reach no broker."""
        self.closed = False
        """The world ends: everything fails at once."""

    async def call(self, lines: Lines, kind: str, step: Callable[..., T], *arguments: Any) -> T:
        """Perform `step` at the broker for the client whose connections are `lines`."""
        if self.closed:
            raise KafkaConnectionError("the simulation is over")
        answer: asyncio.Future[Any] = self.loop.create_future()
        lines.waiting[answer] = None
        self._send(lines, kind, answer, step, arguments)
        try:
            return await answer  # type: ignore[no-any-return]
        except KafkaConnectionError:
            lines.busy.pop(kind, None)
            raise
        finally:
            del lines.waiting[answer]

    def _send(
        self, lines: Lines, kind: str, answer: asyncio.Future[Any], step: Callable[..., Any], arguments: Any
    ) -> None:
        odds = self.odds.get(kind, self.calm)
        draw = self.chance.random()
        now = self.loop.time()
        if self._is_cut() or draw < odds.lost:
            self._at(now + 0.05 + self._delay(odds), _answer, answer, None, KafkaConnectionError("not arrived"))
            return
        silent = draw < odds.lost + odds.unanswered
        arrival = lines.busy[kind] = max(now + self._delay(odds), lines.busy.get(kind, 0.0))
        self._at(arrival, self._perform, answer, odds, silent, step, arguments)

    def _is_cut(self) -> bool:
        process = PROCESS.get()
        return self.down or (process is not None and process.name in self.cut)

    def _delay(self, odds: Odds) -> float:
        chance = self.chance.random
        if odds.late and chance() < odds.late:
            return chance() * odds.late_seconds
        return odds.latency * chance()

    def _at(self, when: float, step: Callable[..., None], *arguments: Any) -> None:
        """Run in the context of nobody, so that a stopped client does not stop its request."""
        self.loop.call_at(when, step, *arguments, context=NOBODY)

    def _perform(
        self, answer: asyncio.Future[Any], odds: Odds, silent: bool, step: Callable[..., Any], arguments: Any
    ) -> None:
        outcome: Any
        failure: Exception | None = None
        try:
            if odds.refused and self.chance.random() < odds.refused:
                raise OutOfOrderSequenceNumber
            outcome = step(*arguments)
        except Exception as error:
            outcome, failure = None, error
        if silent:
            failure = KafkaConnectionError("the answer was lost")
        if isinstance(outcome, asyncio.Future) and failure is None:
            outcome.add_done_callback(lambda done: self._relay(done, answer, odds), context=NOBODY)
            return
        self._at(self.loop.time() + self._delay(odds), _answer, answer, outcome, failure)

    def _relay(self, done: asyncio.Future[Any], answer: asyncio.Future[Any], odds: Odds) -> None:
        if done.cancelled():
            _answer(answer, None, KafkaConnectionError("the request was given up"))
        else:
            self._at(self.loop.time() + self._delay(odds), _answer, answer, done.result(), None)


def _answer(answer: asyncio.Future[Any], outcome: Any, failure: Exception | None) -> None:
    if answer.done():
        return
    if failure is not None:
        answer.set_exception(failure)
    else:
        answer.set_result(outcome)


NOBODY = Context()
"""The context of brokers and network."""
