"""A consumer group: the state machine of Kafka's classic rebalance protocol.

    Empty → PreparingRebalance → CompletingRebalance → Stable
            (members join)       (the leader assigns)

It knows neither sockets nor tasks: a join or sync that has to wait is answered by calling back, and time is a
`Clock`. The rules are those of Apache Kafka's coordinator, including static members (KIP-345): a member that comes
back with its instance id within the session takes its old place without a rebalance, and fences whoever still
uses the old member id.
"""

from __future__ import annotations

from enum import StrEnum

from express.devbroker.codes import Code, RefusedError
from express.devbroker.member import Client, Clock, Member, ReplyJoin, ReplySync, Timer, new_member_id
from express.devbroker.messages.groups import (
    JoinedMember,
    JoinGroupRequest,
    JoinGroupResponse,
    MemberAssignment,
    SyncGroupRequest,
    SyncGroupResponse,
)

MIN_SESSION_MS = 6_000
MAX_SESSION_MS = 1_800_000


class State(StrEnum):
    """The state of a group in a rebalance, by the names that DescribeGroups gives."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"


class Group:
    """One consumer group. `gather_seconds` is how long an empty group waits for a second member to join."""

    def __init__(self, name: str, clock: Clock, gather_seconds: float = 0.02) -> None:
        self.name = name
        self.state = State.EMPTY
        self.generation = 0
        self.protocol_type = ""
        self.protocol = ""
        self.leader = ""
        self.members: dict[str, Member] = {}
        self._clock = clock
        self._gather_seconds = gather_seconds
        self._gathering = False
        self._pending: dict[str, Timer] = {}  # ids given out by MEMBER_ID_REQUIRED and not used yet
        self._static: dict[str, str] = {}  # instance id → member id
        self._timer: Timer | None = None

    # -- what members ask for

    def join(self, request: JoinGroupRequest, client: Client, needs_id: bool, reply: ReplyJoin) -> None:
        """Let a member in. `needs_id`: its client expects MEMBER_ID_REQUIRED on its first attempt (KIP-394)."""
        try:
            self._check_join(request)
            if request.member_id:
                self._join_known(request, client, reply)
            elif request.instance_id in self._static:
                self._replace(request, client, reply)
            elif needs_id and request.instance_id is None:
                self._reserve(request, client)
            else:
                self._add(new_member_id(request.instance_id or client.client_id), request, client, reply)
        except RefusedError as refused:
            reply(JoinGroupResponse(error=refused.code, member_id=refused.message or request.member_id))

    def sync(self, request: SyncGroupRequest, reply: ReplySync) -> None:
        """Hand a member its assignment, once the leader has sent it."""
        try:
            member = self._member(request.member_id, request.instance_id)
            self._check_generation(request.generation)
            if self.state is State.PREPARING:
                raise RefusedError(Code.REBALANCE_IN_PROGRESS)
        except RefusedError as refused:
            reply(SyncGroupResponse(error=refused.code))
            return
        self._touch(member)
        if self.state is State.STABLE:
            reply(SyncGroupResponse(assignment=member.assignment))
            return
        member.answer_sync(SyncGroupResponse(error=Code.REBALANCE_IN_PROGRESS))
        member.reply_sync = reply
        if member.id == self.leader:
            self._assign(request.assignments)

    def heartbeat(self, member_id: str, instance_id: str | None, generation: int) -> None:
        """A member is alive; RefusedError tells it to join again."""
        member = self._member(member_id, instance_id)
        self._check_generation(generation)
        self._touch(member)
        if self.state is State.PREPARING:
            raise RefusedError(Code.REBALANCE_IN_PROGRESS)

    def leave(self, member_id: str, instance_id: str | None) -> None:
        """A member leaves for good, a static one named by its instance id alone too."""
        pending = self._pending.pop(member_id, None)
        if pending is not None:
            pending.cancel()
            self._advance()
            return
        if instance_id is not None and not member_id:
            member_id = self._static.get(instance_id, "")
        self._remove(self._member(member_id, instance_id))

    def check_commit(self, generation: int, member_id: str, instance_id: str | None, transactional: bool) -> None:
        """Check that a position may be committed: only members of this generation may, or anyone if there is none."""
        if generation < 0 and self.state is State.EMPTY:
            return
        if generation >= 0 or member_id or instance_id is not None:
            member = self._member(member_id, instance_id)
            self._check_generation(generation)
            self._touch(member)
        elif not transactional:
            raise RefusedError(Code.UNKNOWN_MEMBER_ID)
        if self.state is State.COMPLETING and not transactional:
            raise RefusedError(Code.REBALANCE_IN_PROGRESS)

    def close(self) -> None:
        """Stop the timers; nobody is answered any more."""
        timers = [self._timer, *self._pending.values(), *(member.timer for member in self.members.values())]
        for timer in timers:
            if timer is not None:
                timer.cancel()

    # -- joining

    def _check_join(self, request: JoinGroupRequest) -> None:
        if not MIN_SESSION_MS <= request.session_timeout_ms <= MAX_SESSION_MS:
            raise RefusedError(Code.INVALID_SESSION_TIMEOUT)
        known = [m for m in self.members.values() if m.id != request.member_id]
        names = {protocol.name for protocol in request.protocols}
        fits = not known or request.protocol_type == self.protocol_type
        if not names or not fits or not names.intersection(*(m.names() for m in known)):
            raise RefusedError(Code.INCONSISTENT_GROUP_PROTOCOL)

    def _join_known(self, request: JoinGroupRequest, client: Client, reply: ReplyJoin) -> None:
        pending = self._pending.pop(request.member_id, None)
        if pending is not None:
            pending.cancel()
            self._add(request.member_id, request, client, reply)
            return
        member = self._member(request.member_id, request.instance_id)
        same = member.protocols == request.protocols
        settled = self.state is State.COMPLETING or (self.state is State.STABLE and member.id != self.leader)
        if same and settled:
            self._touch(member)
            reply(self._joined(member))
        else:
            self._await_join(member, request, reply)

    def _reserve(self, request: JoinGroupRequest, client: Client) -> None:
        member_id = new_member_id(client.client_id)
        seconds = request.session_timeout_ms / 1000
        self._pending[member_id] = self._clock.call_later(seconds, lambda: self._forget_pending(member_id))
        raise RefusedError(Code.MEMBER_ID_REQUIRED, member_id)

    def _forget_pending(self, member_id: str) -> None:
        self._pending.pop(member_id, None)
        self._advance()

    def _add(self, member_id: str, request: JoinGroupRequest, client: Client, reply: ReplyJoin) -> None:
        self.protocol_type = request.protocol_type
        member = self.members[member_id] = Member(member_id, request, client)
        if member.instance_id is not None:
            self._static[member.instance_id] = member_id
        self._touch(member)
        self._watch(member)
        self._await_join(member, request, reply)

    def _replace(self, request: JoinGroupRequest, client: Client, reply: ReplyJoin) -> None:
        """A static member is back under a new member id; whoever uses the old one is fenced."""
        assert request.instance_id is not None
        member = self.members.pop(self._static[request.instance_id])
        self._fence(member)
        was, member.id = member.id, new_member_id(request.instance_id)
        member.client = client
        member.update(request)
        self.members[member.id] = member
        self._static[request.instance_id] = member.id
        self._touch(member)
        leader = self.leader
        if leader == was:
            self.leader = member.id
        if self.state is State.STABLE and self._choose_protocol() == self.protocol:
            # Named as follower even if it leads: the assignment stands and is not to be made again.
            reply(
                JoinGroupResponse(
                    generation=self.generation, protocol=self.protocol, leader=leader, member_id=member.id
                )
            )
        else:
            self._await_join(member, request, reply)

    def _fence(self, member: Member) -> None:
        member.answer_join(JoinGroupResponse(error=Code.FENCED_INSTANCE_ID, member_id=member.id))
        member.answer_sync(SyncGroupResponse(error=Code.FENCED_INSTANCE_ID))

    def _await_join(self, member: Member, request: JoinGroupRequest, reply: ReplyJoin) -> None:
        member.update(request)
        member.answer_join(JoinGroupResponse(error=Code.UNKNOWN_MEMBER_ID))
        member.reply_join = reply
        if self.state is State.PREPARING:
            self._advance()
        else:
            self._rebalance()

    # -- the rebalance

    def _rebalance(self) -> None:
        for member in self.members.values():
            member.assignment = b""
            member.answer_sync(SyncGroupResponse(error=Code.REBALANCE_IN_PROGRESS))
        self._gathering = self.state is State.EMPTY and self._gather_seconds > 0
        self.state = State.PREPARING
        self._schedule()
        self._advance()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        longest = max((member.rebalance_seconds for member in self.members.values()), default=0.0)
        self._timer = self._clock.call_later(self._gather_seconds if self._gathering else longest, self._time_up)

    def _advance(self) -> None:
        """Complete the join phase if everybody is there."""
        everybody = not self._pending and all(m.reply_join is not None for m in self.members.values())
        if self.state is State.PREPARING and not self._gathering and everybody:
            self._complete_join()

    def _time_up(self) -> None:
        """Go on without the members that did not join in time; static ones keep their place."""
        self._timer = None
        if self._gathering:
            self._gathering = False
            self._schedule()
            self._advance()
            return
        for member in list(self.members.values()):
            if member.reply_join is None and member.instance_id is None:
                self._drop(member)
        if self.members and all(member.reply_join is None for member in self.members.values()):
            self._schedule()
        else:
            self._complete_join()

    def _complete_join(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.generation += 1
        if not self.members:
            self.state, self.protocol, self.leader = State.EMPTY, "", ""
            return
        self.state = State.COMPLETING
        self.protocol = self._choose_protocol()
        joined = [member for member in self.members.values() if member.reply_join is not None]
        if self.leader not in {member.id for member in joined}:
            self.leader = joined[0].id
        for member in joined:
            self._touch(member)
            member.answer_join(self._joined(member))

    def _joined(self, member: Member) -> JoinGroupResponse:
        everyone = self.members.values() if member.id == self.leader else ()
        return JoinGroupResponse(
            generation=self.generation,
            protocol=self.protocol,
            leader=self.leader,
            member_id=member.id,
            members=[
                JoinedMember(member_id=m.id, instance_id=m.instance_id, metadata=m.metadata(self.protocol))
                for m in everyone
            ],
        )

    def _choose_protocol(self) -> str:
        """The assignor that most members prefer among those that all of them know."""
        lists = [member.names() for member in self.members.values()]
        common = set(lists[0]).intersection(*lists[1:])
        votes = [next(name for name in names if name in common) for names in lists]
        return max(votes, key=votes.count)

    def _assign(self, assignments: list[MemberAssignment]) -> None:
        assigned = {entry.member_id: entry.assignment for entry in assignments}
        self.state = State.STABLE
        for member in self.members.values():
            member.assignment = assigned.get(member.id, b"")
            self._touch(member)
            member.answer_sync(SyncGroupResponse(assignment=member.assignment))

    # -- membership

    def _member(self, member_id: str, instance_id: str | None) -> Member:
        known = self._static.get(instance_id) if instance_id is not None else None
        if known is not None and known != member_id:
            raise RefusedError(Code.FENCED_INSTANCE_ID)
        member = self.members.get(member_id)
        if member is None:
            raise RefusedError(Code.UNKNOWN_MEMBER_ID)
        return member

    def _check_generation(self, generation: int) -> None:
        if generation != self.generation:
            raise RefusedError(Code.ILLEGAL_GENERATION)

    def _touch(self, member: Member) -> None:
        member.deadline = self._clock.time() + member.session_seconds

    def _watch(self, member: Member) -> None:
        """Look at the member again when its session could be over; heartbeats only move the deadline."""
        left = max(member.deadline - self._clock.time(), 0.001)
        member.timer = self._clock.call_later(left, lambda: self._look_at(member))

    def _look_at(self, member: Member) -> None:
        if member.waits:
            self._touch(member)
        if member.deadline <= self._clock.time():
            self._remove(member)
        else:
            self._watch(member)

    def _remove(self, member: Member) -> None:
        self._drop(member)
        if self.state is State.PREPARING:
            self._advance()
        elif self.state in (State.STABLE, State.COMPLETING):
            self._rebalance()

    def _drop(self, member: Member) -> None:
        del self.members[member.id]
        if member.instance_id is not None:
            self._static.pop(member.instance_id, None)
        if member.timer is not None:
            member.timer.cancel()
        member.answer_join(JoinGroupResponse(error=Code.UNKNOWN_MEMBER_ID))
        member.answer_sync(SyncGroupResponse(error=Code.UNKNOWN_MEMBER_ID))
