"""What goes wrong while the storm lasts: workers die, freeze, come and go; brokers can't be reached."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.world import Worker, World

STOP_SECONDS = 60.0
"""In which a worker that got SIGTERM has to end, whatever else goes wrong; less the time for draining."""


BAD_MOMENTS = 40
"""How often it is looked whether a transaction is just being ended, before the broker is killed anyhow."""


class Storm:
    """The faults of one seed, one after the other, some lasting into the next."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.chance: random.Random = world.chance
        self._lasting: set[asyncio.Task[None]] = set()

    async def rage(self) -> None:
        """Faults until the time is over; returns when none of them lasts any more."""
        world, draw = self.world, self.world.draw
        names, weights = list(draw.faults), list(draw.faults.values())
        until = world.loop.time() + draw.storm_seconds
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / draw.fault_seconds))
            if world.loop.time() >= until or world.checks.found:
                break
            (name,) = self.chance.choices(names, weights)
            self._strike(name)
        if self._lasting:
            await asyncio.wait(set(self._lasting))

    def _strike(self, name: str) -> None:
        living = [worker for worker in self.world.workers if worker.alive and not worker.process.stopped]
        self.world.loop.note(len(name), len(living))
        if name == "rebalance":
            self.world.broker.group.rebalance()
        elif name == "join":
            if len(living) < 4:
                self.world.add_worker()
        elif name == "outage":
            self._last(self._outage(self._length()))
        elif name == "restart":
            self._last(self._restart(self._length()))
        elif living:
            self._strike_one(name, self.chance.choice(living), last=len(living) == 1)

    def _strike_one(self, name: str, worker: Worker, *, last: bool) -> None:
        if name == "crash":
            worker.process.kill()
            self._last(self._replace())
        elif name == "pause":
            self._last(self._pause(worker, self._length()))
        elif name == "cut":
            self._last(self._cut(worker, self._length()))
        elif name == "break":
            self.world.breaking.add(worker.process.name)
        elif name == "leave":
            worker.stop()
            self._last(self._watch(worker))
            if last:
                self.world.add_worker()

    def _length(self) -> float:
        """Shorter than a session, or longer."""
        return self.chance.random() * self.chance.choice((1.0, 12.0))

    def _last(self, fault: object) -> None:
        task = asyncio.ensure_future(fault)  # type: ignore[call-overload]
        self._lasting.add(task)
        task.add_done_callback(self._lasting.discard)

    async def _replace(self) -> None:
        await asyncio.sleep(self.chance.random() * 3)
        self.world.add_worker()

    async def _pause(self, worker: Worker, seconds: float) -> None:
        worker.process.pause()
        await asyncio.sleep(seconds)
        if not worker.process.dead:
            worker.process.resume(self.world.loop)

    async def _cut(self, worker: Worker, seconds: float) -> None:
        self.world.network.cut.add(worker.process.name)
        await asyncio.sleep(seconds)
        self.world.network.cut.discard(worker.process.name)

    async def _outage(self, seconds: float) -> None:
        self.world.network.down = True
        await asyncio.sleep(seconds)
        self.world.network.down = False

    async def _restart(self, seconds: float) -> None:
        """The only broker is killed, at a bad moment if there is one soon, and comes back."""
        for _ in range(BAD_MOMENTS):
            if self.world.broker.is_ending:
                break
            await asyncio.sleep(0.05)
        self.world.network.break_all()
        self.world.broker.restart()
        await self._outage(seconds)

    async def _watch(self, worker: Worker) -> None:
        """SIGTERM ends a worker within its time."""
        await asyncio.wait([worker.task], timeout=self.world.draw.drain_seconds + STOP_SECONDS)
        self.world.check_stopped(worker)
