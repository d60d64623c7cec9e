"""Runs Standard executions: event in, turn, commit, and only then what the turn has asked for.

An execution that waits is a row of the journal and nothing here; what moved lately is held, bounded in bytes. Several
turns of one execution may be queued at once, each computed on the one before it; if one of them is lost, the copy
here is dropped and its events are taken up again from the journal.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from express import engine
from express.engine.effects import Cancel, Effect
from express.engine.events import Event, Stopped, TimerFired
from express.engine.history import CappedHistory
from express.engine.snapshot import decode
from express.errors import ExpressError, SnapshotError, StoreError
from express.ports import Clock
from express.ports.journal import Begun, Journal, Outcome, Redriven, Stored
from express.runtime.executor.task_calls import ResourceCalls
from express.runtime.standard.activities import ActivityQueues
from express.runtime.standard.cache import LiveCache
from express.runtime.standard.calls import StandardCalls, as_a_year
from express.runtime.standard.counts import StandardCounts
from express.runtime.standard.ends import AwaitedEnds
from express.runtime.standard.live import (
    Asked,
    FindRevision,
    LiveExecution,
    QueuedTurn,
    Revision,
    answer,
    ended,
    refuse,
)
from express.runtime.standard.retention import DAY, forget_old
from express.runtime.standard.timers import DueTimers
from express.runtime.standard.tokens import StandardTokens
from express.values import JSON, loads

log = logging.getLogger(__name__)

YEAR = 31_536_000.0
"""Seconds that an execution may take (Step Functions Developer Guide, "Service quotas")."""

QUEUED_TURNS = 20_000
"""Turns that may wait for the journal before starts are refused."""

BACKOFF, LONGEST_BACKOFF = 0.1, 5.0
"""Seconds after which an event is taken up again that the journal could not write; doubled each time."""

MOST_HELD = 10_000
"""Executions that can't be taken up of which the reason is remembered."""

RECOVERED_AT_ONCE = 256
"""Executions that are read in one go at the start."""


class StandardHost:
    """The Standard executions of one journal."""

    def __init__(
        self,
        journal: Journal,
        calls: ResourceCalls,
        clock: Clock,
        tokens: StandardTokens,
        revision: FindRevision,
        *,
        cache: int = 256 << 20,
        fail_lost: bool = False,
        retention: float = 90 * DAY,
        ended: Callable[[str], None] = lambda machine: None,
    ) -> None:
        """Run the executions of a journal.

        `cache` is in bytes; `fail_lost`: a call that was lost with its host fails, instead of being made again.
        `retention`: seconds for which an execution is kept after its end. `ended` is told the machine of each that
        ends, once that is committed.
        """
        self.journal = journal
        self._clock = clock
        self._tokens = tokens
        self._revision = revision
        self._retention = retention
        self._ended = ended
        self._held = LiveCache(cache)
        self._loading: dict[int, asyncio.Task[LiveExecution | None]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._highest = 0
        self._queued = 0
        self._backoff = BACKOFF
        self.counts = StandardCounts()
        self.ends = AwaitedEnds(journal)
        self._closing = False
        self._left: dict[int, dict[int, asyncio.Task[None]]] = {}
        """Calls of executions whose copy was dropped, until they are read again."""
        self.held: dict[int, str] = {}
        """Executions that can't be taken up, with the reason: they stay RUNNING until a person looks at them."""
        self.trouble: StoreError | None = None
        """The reason for which the journal could not write last; None: it could."""
        self._calls = StandardCalls(calls, clock, journal, self.post, fail_lost=fail_lost)
        self._prepare = as_a_year(calls.prepare)
        self.activities = ActivityQueues(self)
        self._timers = DueTimers(clock, journal.due, self._fire)

    def data(self) -> dict[str, Any]:
        """Return what is counted, for the metrics."""
        held, queued = len(self.held), self._queued
        return {**self.counts.data(), "in_memory": len(self._held), "held": held, "queued": queued}

    @property
    def is_full(self) -> bool:
        """Return whether no execution may be started now."""
        return self._queued >= QUEUED_TURNS or self._calls.is_full

    # Opening and closing -----------------------------------------------------------------------------

    async def open(self) -> None:
        """Open the journal, and take up what was under way when it was closed. Raises StoreError."""
        self._highest = await self.journal.open()
        await self._tokens.open(self.journal)
        await self._timers.refill()
        self._timers.start()
        self._in_background(self._recover(self._highest))
        self._in_background(forget_old(self.journal, self._clock, self._retention))

    async def close(self) -> None:
        """Cancel the calls, which the next host makes again, and close the journal once it has written all turns."""
        self._closing = True
        await self._timers.stop()
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        left = [call for calls in self._left.values() for call in calls.values()]
        await self._calls.close([*left, *(call for live in self._held for call in live.calls.values())])
        await self.journal.close()

    async def _recover(self, highest: int) -> None:
        """Make the calls again that were under way when a host died, of executions up to an id."""
        after = 0
        while True:
            try:
                ids = await self.journal.busy(after, RECOVERED_AT_ONCE)
                for id_ in ids:
                    if id_ > highest:
                        return
                    live = await self.live(id_)
                    if live is not None:
                        await self._calls.recover(live)
                    after = id_
                if not ids:
                    return
            except StoreError as error:
                log.warning("executions that were under way could not be read: %s", error)
                await asyncio.sleep(LONGEST_BACKOFF)

    def _in_background(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            try:
                await work
            except Exception:  # a fault of ours: what it was about stays in the journal
                log.exception("Standard executions: internal error")

        task = asyncio.get_running_loop().create_task(run())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # Asking ------------------------------------------------------------------------------------------

    async def start(self, begun: Begun, revision: Revision) -> bool:
        """Start an execution: once this returns, it survives. False: the name is taken. Raises StoreError."""
        self._highest += 1
        reply: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        id_ = self._highest
        x, effects = engine.start(
            revision.program,
            loads(begun.input),
            begun.started,
            about=revision.about,
            entropy=self._tokens.entropy(id_),
            history=CappedHistory(),
            limit=YEAR,
            size=len(begun.input),
            prepare=self._prepare,
        )
        live = LiveExecution(id_, begun, x, 0, {}, {})
        live.first = begun
        self._held.hold(live)
        self._turned(live, Asked(None, reply), effects)
        return await reply

    async def redrive(self, stored: Stored, revision: Revision, redriven: Redriven) -> bool:
        """Run an execution again from the states that did not succeed. False: it can't be. Raises StoreError.

        Raises SnapshotError where the definition does not have the states any more.
        """
        state = await self.journal.tomb(stored.id)
        if state is None or self._held.get(stored.id) is not None:
            return False
        x, _, _ = decode(
            state,
            revision.program,
            loads(stored.begun.input),
            revision.about,
            self._tokens.entropy(stored.id),
            CappedHistory(),
            self._prepare,
        )
        live = LiveExecution(stored.id, stored.begun, x, 0, {}, {})
        live.first, live.transitions = redriven, x.transitions
        effects = engine.redrive(x, redriven.at, YEAR)
        reply: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._held.hold(live)
        self._turned(live, Asked(None, reply), effects)
        return await reply

    async def stop(self, id_: int, error: str | None, cause: str | None) -> bool:
        """End an execution as ABORTED. False: it is over. Raises StoreError."""
        return await self.ask(id_, Stopped(error, cause))

    def give_up(self, id_: int) -> None:
        """Stop an execution that nobody waits for any more."""
        self._in_background(self._posted(id_, Asked(Stopped())))

    async def ask(self, id_: int, event: Event) -> bool:
        """Deliver an event; true once what comes of it is committed, false if it means nothing. Raises StoreError."""
        live = await self.live(id_)
        if live is None:
            return False
        reply: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._deliver(live, Asked(event, reply))
        return await reply

    async def parameters(self, live: LiveExecution, seq: int) -> JSON:
        """The parameters of a pending task. Raises StoreError."""
        return (await self._calls.asked(live, seq)).input

    def post(self, id_: int, event: Event) -> None:
        """Deliver an event that nobody waits for: a task's answer, a timer."""
        live = self._held.get(id_)
        if live is not None:
            self._deliver(live, Asked(event))
        else:
            self._in_background(self._posted(id_, Asked(event)))

    async def _posted(self, id_: int, *asked: Asked) -> None:
        while True:
            try:
                live = await self.live(id_)
                break
            except StoreError as error:
                self._failed(error)
                await asyncio.sleep(self._pause())
        for one in asked:
            if live is None:
                answer(one.reply, False)
            else:
                self._deliver(live, one)

    async def live(self, id_: int) -> LiveExecution | None:
        """An execution in memory, read if it is not; None: it is over, not there, or held. Raises StoreError."""
        live = self._held.get(id_)
        if live is not None:
            return live
        loading = self._loading.get(id_)
        if loading is None:
            loading = self._loading[id_] = asyncio.get_running_loop().create_task(self._load(id_))
            loading.add_done_callback(lambda _: self._loading.pop(id_, None))
        return await asyncio.shield(loading)

    async def _load(self, id_: int) -> LiveExecution | None:
        stored = await self.journal.load(id_)
        if stored is None or stored.state is None:
            for call in self._left.pop(id_, {}).values():
                call.cancel()
            return None
        try:
            revision = await self._revision(stored.begun)
            live = self._restored(stored, stored.state, revision)
        except StoreError:
            raise
        except ExpressError as error:
            if id_ not in self.held:
                log.error("the execution %s of %s is held: %s", stored.begun.name, stored.begun.machine, error)
            if len(self.held) < MOST_HELD:
                self.held[id_] = str(error)
            return None
        self.held.pop(id_, None)
        live.calls = self._left.pop(id_, live.calls)
        for seq in live.calls.keys() - live.stages.keys():
            self._calls.cancel(live, seq)
        self._held.hold(live)
        asyncio.get_running_loop().call_soon(self._go_on, live)
        return live

    def _restored(self, stored: Stored, state: bytes, revision: Revision) -> LiveExecution:
        x, timers, stages = decode(
            state,
            revision.program,
            loads(stored.begun.input),
            revision.about,
            self._tokens.entropy(stored.id),
            CappedHistory(),
            self._prepare,
        )
        if x.program.type != "STANDARD":
            raise SnapshotError("its state machine is no STANDARD one")
        live = LiveExecution(stored.id, stored.begun, x, stored.version, timers, stages)
        live.bytes = len(stored.begun.input) + 4 * len(state)
        return live

    # Turns -------------------------------------------------------------------------------------------

    def _deliver(self, live: LiveExecution, asked: Asked) -> None:
        """Compute the turn that an event makes, and queue it."""
        x, event = live.x, asked.event
        assert event is not None, "only a start, and what goes on, have none"
        if x.finished is not None or (type(event) is not Stopped and event.seq not in x.pending):  # type: ignore[union-attr]
            self._late(live, asked)
        else:
            try:
                effects = engine.deliver(x, event, self._clock.wall())
            except Exception as bug:  # a fault of ours ends the execution, and never the host
                log.exception("Standard executions: internal error")
                effects = engine.break_off(x, bug)
            self._turned(live, asked, effects)

    def _late(self, live: LiveExecution, asked: Asked) -> None:
        """An event that means nothing any more; whoever asks is told once what made it so is committed."""
        if live.turns:
            live.turns[-1].late.append(asked.reply)
        else:
            answer(asked.reply, False)

    def _turned(self, live: LiveExecution, asked: Asked, effects: list[Effect]) -> None:
        queued, written = live.take(asked, effects)
        live.turns.append(queued)
        self._queued += 1
        self.journal.write(written, partial(self._written, live, queued))

    def _go_on(self, live: LiveExecution) -> None:
        """Go on with an execution whose last turn the engine has ended early, once that turn is committed."""
        if live.x.ready and not live.turns and not live.dropped:
            now = max(self._clock.wall(), live.x.now)
            self._turned(live, Asked(None), engine.advance(live.x, now))

    def _written(self, live: LiveExecution, turn: QueuedTurn, outcome: Outcome) -> None:
        self._queued -= 1
        if live.dropped or (self._closing and outcome is True):
            return
        if outcome is not True:
            self._drop(live, outcome)
            return
        self.trouble, self._backoff = None, BACKOFF
        live.turns.popleft()
        self.counts.committed(live, turn)
        self._perform(live, turn)
        answer(turn.asked.reply, True)
        for reply in turn.late:
            answer(reply, False)
        self._timers.changed(live.id, live.due() if turn.finish is None else None)
        if turn.finish is not None:
            self._held.forget(live)
            self._ended(live.begun.machine)
            self.ends.tell(live.id, ended(turn.finish, live.x.wall()))
        else:
            self._held.hold(live)
            self._go_on(live)

    def _perform(self, live: LiveExecution, turn: QueuedTurn) -> None:
        """Do what a committed turn has asked for."""
        if turn.finish is not None:
            self._calls.cancel_all(live)
            return
        for effect in turn.effects:
            if isinstance(effect, Cancel):
                self._calls.cancel(live, effect.seq)
            else:
                self._calls.begin(live, effect)
        for _, activity in turn.offered:
            self.activities.offer(activity)

    def _fire(self, id_: int) -> None:
        """The first timer of an execution has come due, and perhaps others of it."""
        self._in_background(self._fired(id_))

    async def _fired(self, id_: int) -> None:
        try:
            live = await self.live(id_)
        except StoreError as error:
            self._failed(error)
            await asyncio.sleep(self._pause())
            self._timers.changed(id_, self._clock.wall())
            return
        if live is None:
            return
        now = self._clock.wall()
        due = sorted((at, seq) for seq, at in live.timers.items() if at <= now)
        for _, seq in due:
            self._deliver(live, Asked(TimerFired(seq)))
        if not due:
            self._timers.changed(id_, live.due())

    # Loss and trouble --------------------------------------------------------------------------------

    def _drop(self, live: LiveExecution, outcome: Outcome) -> None:
        """Forget a copy of which the journal has not taken a turn; its events are taken up again from the journal."""
        live.dropped = True
        self._held.forget(live)
        if live.calls:
            self._left[live.id] = live.calls
        asked = [turn.asked for turn in live.turns]
        if isinstance(outcome, StoreError):
            self._failed(outcome)
        else:
            self.counts.lost += 1
        again: list[Asked] = []
        for one in asked:
            if isinstance(outcome, StoreError) and one.reply is not None:
                refuse(one.reply, outcome)
            elif one.event is None:
                answer(one.reply, False)  # the name is taken; what goes on does so from the journal
            else:
                again.append(one)
        if live.version > len(live.turns):  # it is in the journal, so its calls are to be made again
            self._in_background(self._again(live.id, again, isinstance(outcome, StoreError)))

    async def _again(self, id_: int, asked: list[Asked], wait: bool) -> None:
        if wait:
            await asyncio.sleep(self._pause())
        await self._posted(id_, *asked)
        live = self._held.get(id_)
        if live is not None:
            await self._calls.recover(live)
            self._timers.changed(id_, live.due())

    def _failed(self, error: StoreError) -> None:
        if self.trouble is None:
            log.error("Standard executions can't go on: %s", error)
        self.trouble = error

    def _pause(self) -> float:
        pause = self._backoff
        self._backoff = min(2 * pause, LONGEST_BACKOFF)
        return pause
