"""The simulated group coordinator: generations, eager rebalances, a leader that assigns, session timeouts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aiokafka.errors import (
    IllegalGenerationError,
    KafkaError,
    MemberIdRequired,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from tests.simulation.loop import SimLoop

JOIN_SECONDS = 0.2
"""How long the first member of an empty group is waited for others (`group.initial.rebalance.delay.ms`)."""

Failed = type[KafkaError] | None
"""What refuses a request; None where nothing does."""


class Joined(NamedTuple):
    """The answer to JoinGroup. `members` are told to the leader only, with what they have said of themselves."""

    member: str
    generation: int = -1
    protocol: str = ""
    leader: str = ""
    members: Sequence[tuple[str, str | None, bytes]] = ()


Told = Callable[[Failed, Joined], None]
Assigned = Callable[[Failed, bytes], None]


class _Member:
    def __init__(self, name: str, session_seconds: float, now: float) -> None:
        self.name = name
        self.session_seconds = session_seconds
        self.rebalance_seconds = 0.0
        self.protocols: Sequence[tuple[str, bytes]] = ()
        self.heard = now
        self.joining: Told | None = None
        self.syncing: Assigned | None = None
        self.assignment = b""


class Group:
    """One consumer group. Its states: a rebalance is under way, its leader has not assigned yet, or neither."""

    def __init__(self, loop: SimLoop) -> None:
        self.loop = loop
        self.generation = 0
        self.rebalancing = False
        self.assigning = False
        self.rebalances = 0
        self._members: dict[str, _Member] = {}
        self._announced: set[str] = set()
        """Names that were given out and have not joined."""
        self._leader = ""
        self._names = 0
        self._round = 0
        self._ready = True

    def join(
        self, name: str, session: float, rebalance: float, protocols: Sequence[tuple[str, bytes]], told: Told
    ) -> None:
        """JoinGroup: answered when all members have joined, or after the rebalance timeout."""
        if not name:
            self._names += 1
            name = f"member-{self._names}"
            self._announced.add(name)
            told(MemberIdRequired, Joined(name))
            return
        if name in self._announced:
            self._announced.discard(name)
            member = self._members[name] = _Member(name, session, self.loop.time())
            self._watch(member)
        elif name not in self._members:
            told(UnknownMemberIdError, Joined(name))
            return
        member = self._members[name]
        member.heard, member.rebalance_seconds, member.protocols = self.loop.time(), rebalance, protocols
        member.joining = told
        if not self.rebalancing:
            self.rebalance()
        self._complete_if_all()

    def sync(self, name: str, generation: int, assignments: Mapping[str, bytes], told: Assigned) -> None:
        """SyncGroup: the leader brings the assignments, the others wait for them."""
        try:
            member = self._check(name, generation)
        except KafkaError as error:
            told(type(error), b"")
            return
        if self.rebalancing:
            told(RebalanceInProgressError, b"")
            return
        member.syncing = told
        if name == self._leader and self.assigning:
            self.assigning = False
            for other in self._members.values():
                other.assignment = assignments.get(other.name, b"")
        if not self.assigning:
            for other in self._members.values():
                self._hand_over(other, None)

    def heartbeat(self, name: str, generation: int) -> None:
        """Heartbeat: says that the member lives, and whether it has to join anew."""
        self._check(name, generation)
        if self.rebalancing:
            raise RebalanceInProgressError

    def leave(self, name: str) -> None:
        """LeaveGroup."""
        if name not in self._members:
            raise UnknownMemberIdError
        self._remove(name)

    def check_commit(self, name: str, generation: int) -> None:
        """Refuse who is not a member of the current generation. Who says nothing of one may while nobody is in."""
        if generation < 0 and not self._members:
            return
        self._check(name, generation)
        if self.assigning:
            raise RebalanceInProgressError

    def _check(self, name: str, generation: int) -> _Member:
        member = self._members.get(name)
        if member is None:
            raise UnknownMemberIdError
        if generation != self.generation:
            raise IllegalGenerationError
        member.heard = self.loop.time()
        return member

    def rebalance(self) -> None:
        """Have everybody join anew."""
        if self.rebalancing:
            return
        first = not any(member.assignment for member in self._members.values()) and not self.assigning
        self.rebalancing, self.assigning = True, False
        self.rebalances += 1
        self._round += 1
        for member in self._members.values():
            self._hand_over(member, RebalanceInProgressError)
        self._ready = not first
        if first:
            self.loop.call_later(JOIN_SECONDS, self._open, self._round)
        seconds = max((member.rebalance_seconds for member in self._members.values()), default=JOIN_SECONDS)
        self.loop.call_later(seconds, self._complete, self._round)

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
        self.rebalancing, self.assigning = False, bool(self._members)
        self.generation += 1
        if self._leader not in self._members:
            self._leader = next(iter(self._members), "")
        told = [(name, None, member.protocols[0][1]) for name, member in self._members.items()]
        for name, member in self._members.items():
            joining, member.joining = member.joining, None
            assert joining is not None
            member.heard, member.assignment = self.loop.time(), b""
            members = told if name == self._leader else ()
            joining(None, Joined(name, self.generation, member.protocols[0][0], self._leader, members))

    @staticmethod
    def _hand_over(member: _Member, failed: Failed) -> None:
        """Answer a SyncGroup that waits."""
        syncing, member.syncing = member.syncing, None
        if syncing is not None:
            syncing(failed, b"" if failed else member.assignment)

    def _watch(self, member: _Member) -> None:
        self.loop.call_later(member.session_seconds, self._look, member)

    def _look(self, member: _Member) -> None:
        """Remove a member that has not been heard for too long; one that waits for its answer lives."""
        if self._members.get(member.name) is not member:
            return
        if member.joining is not None or member.syncing is not None:
            member.heard = self.loop.time()
        left = member.heard + member.session_seconds - self.loop.time()
        if left <= 0:
            self._remove(member.name)
        else:
            self.loop.call_later(left, self._look, member)

    def _remove(self, name: str) -> None:
        member = self._members.pop(name)
        if member.joining is not None:
            member.joining(UnknownMemberIdError, Joined(name))
        self._hand_over(member, UnknownMemberIdError)
        if not self._members:
            self.rebalancing = self.assigning = False
            self._round += 1
        elif self.rebalancing:
            self._complete_if_all()
        else:
            self.rebalance()
