"""The simulated group coordinator: generations, eager rebalances, session timeouts."""

from __future__ import annotations

import asyncio
import random
from typing import NamedTuple

from aiokafka.errors import IllegalGenerationError, RebalanceInProgressError, UnknownMemberIdError

from express.ports import Partition
from tests.simulation.loop import SimLoop

JOIN_SECONDS = 0.2
"""How long the first member of an empty group is waited for others (`group.initial.rebalance.delay.ms`)."""


class Joined(NamedTuple):
    """The answer to JoinGroup and SyncGroup together."""

    member: str
    generation: int
    partitions: tuple[Partition, ...]


class _Member:
    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.heard = now
        self.joining: asyncio.Future[Joined] | None = None
        self.watched = False


class Group:
    """One consumer group."""

    def __init__(self, loop: SimLoop, chance: random.Random) -> None:
        self.loop = loop
        self.chance = chance
        self.partitions: list[Partition] = []
        self.session_seconds = 3.0
        self.rebalance_seconds = 6.0
        self.generation = 0
        self.rebalancing = False
        self.rebalances = 0
        self.owners: dict[Partition, str] = {}
        self._members: dict[str, _Member] = {}
        self._names = 0
        self._round = 0
        self._ready = True

    def join(self, name: str) -> asyncio.Future[Joined]:
        """JoinGroup: answered when all members have joined, or after the rebalance timeout."""
        if name and name not in self._members:
            raise UnknownMemberIdError
        if not name:
            self._names += 1
            name = f"member-{self._names}"
            self._members[name] = _Member(name, self.loop.time())
        member = self._members[name]
        member.heard = self.loop.time()
        if member.joining is not None:
            member.joining.cancel()
        joining = member.joining = self.loop.create_future()
        if not self.rebalancing:
            self.rebalance()
        self._complete_if_all()
        return joining

    def heartbeat(self, name: str, generation: int) -> None:
        """Heartbeat: says that the member lives, and whether it has to join anew."""
        self.check(name, generation)
        if self.rebalancing:
            raise RebalanceInProgressError

    def leave(self, name: str) -> None:
        """LeaveGroup."""
        self._remove(name)

    def check(self, name: str, generation: int) -> None:
        """Refuse who is not a member of the current generation. Who says nothing of one may while nobody is in."""
        if generation < 0 and not self._members:
            return
        member = self._members.get(name)
        if member is None:
            raise UnknownMemberIdError
        if generation != self.generation:
            raise IllegalGenerationError
        member.heard = self.loop.time()

    def rebalance(self) -> None:
        """Have everybody join anew."""
        if self.rebalancing:
            return
        self.rebalancing = True
        self.rebalances += 1
        self._round += 1
        first = not self.generation or not self.owners
        self._ready = not first
        if first:
            self.loop.call_later(JOIN_SECONDS, self._open, self._round)
        self.loop.call_later(self.rebalance_seconds, self._complete, self._round)

    def _open(self, number: int) -> None:
        if number == self._round:
            self._ready = True
            self._complete_if_all()

    def _complete_if_all(self) -> None:
        waits = self.rebalancing and self._ready and self._members
        if waits and all(member.joining is not None for member in self._members.values()):
            self._complete(self._round)

    def _complete(self, number: int) -> None:
        """A new generation of those who joined."""
        if not self.rebalancing or number != self._round:
            return
        self._members = {name: member for name, member in self._members.items() if member.joining is not None}
        self.rebalancing = False
        self.generation += 1
        names = list(self._members)
        self.chance.shuffle(names)
        self.owners = {p: names[i % len(names)] for i, p in enumerate(self.partitions)} if names else {}
        for name, member in self._members.items():
            assert member.joining is not None
            mine = tuple(p for p, owner in self.owners.items() if owner == name)
            if not member.joining.done():
                member.joining.set_result(Joined(name, self.generation, mine))
            member.joining = None
            member.heard = self.loop.time()
            self._watch(member)

    def _watch(self, member: _Member) -> None:
        if not member.watched:
            member.watched = True
            self.loop.call_later(self.session_seconds, self._look, member)

    def _look(self, member: _Member) -> None:
        """Remove a member that has not been heard for too long; one that waits for its answer lives."""
        member.watched = False
        if self._members.get(member.name) is not member or member.joining is not None:
            return
        left = member.heard + self.session_seconds - self.loop.time()
        if left <= 0:
            self._remove(member.name)
            return
        member.watched = True
        self.loop.call_later(left, self._look, member)

    def _remove(self, name: str) -> None:
        member = self._members.pop(name, None)
        if member is None:
            return
        if member.joining is not None:
            member.joining.cancel()
        if not self._members:
            self.owners = {}
            self.rebalancing = False
            self._round += 1
        elif self.rebalancing:
            self._complete_if_all()
        else:
            self.rebalance()
