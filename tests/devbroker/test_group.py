"""The group's state machine, with time moved by hand."""

from __future__ import annotations

import pytest

from express.devbroker.codes import Code, RefusedError
from express.devbroker.group import Group, State
from express.devbroker.member import Client
from express.devbroker.messages.groups import (
    JoinGroupRequest,
    JoinGroupResponse,
    JoinProtocol,
    MemberAssignment,
    SyncGroupRequest,
    SyncGroupResponse,
)
from tests.devbroker.clock import HandClock

CLIENT = Client("client", "/127.0.0.1")


class Script:
    """A group, and the answers that its members have got."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.group = Group("group", self.clock, gather_seconds=0.02)

    def join(self, member_id: str = "", instance_id: str | None = None, *names: str) -> list[JoinGroupResponse]:
        """Ask to join; the answer is in the list once it is there."""
        answers: list[JoinGroupResponse] = []
        request = JoinGroupRequest(
            group="group",
            session_timeout_ms=6_000,
            rebalance_timeout_ms=20_000,
            member_id=member_id,
            instance_id=instance_id,
            protocol_type="consumer",
            protocols=[JoinProtocol(name=name, metadata=b"") for name in names or ("range",)],
        )
        self.group.join(request, CLIENT, False, answers.append)
        return answers

    def sync(self, joined: JoinGroupResponse) -> list[SyncGroupResponse]:
        """Ask for the assignment; the leader gives each member its id."""
        answers: list[SyncGroupResponse] = []
        assignments = [MemberAssignment(member_id=m.member_id, assignment=m.member_id.encode()) for m in joined.members]
        request = SyncGroupRequest(
            group="group", generation=joined.generation, member_id=joined.member_id, assignments=assignments
        )
        self.group.sync(request, answers.append)
        return answers

    def stable(self, *instances: str | None) -> list[JoinGroupResponse]:
        """A group of so many members that has settled."""
        joins = [self.join("", instance) for instance in instances]
        self.clock.move(0.05)
        joined = [answers[0] for answers in joins]
        for one in joined:
            self.sync(one)
        assert self.group.state is State.STABLE
        return joined

    def beat(self, joined: JoinGroupResponse) -> Code:
        """The code that a heartbeat is answered with."""
        try:
            self.group.heartbeat(joined.member_id, None, joined.generation)
        except RefusedError as refused:
            return refused.code
        return Code.NONE


def test_members_that_come_together_form_one_generation() -> None:
    """An empty group waits a moment for others, so that two that start together rebalance once."""
    script = Script()
    first, second = script.join(), script.join()
    assert (first, second) == ([], [])
    script.clock.move(0.02)

    assert [first[0].generation, second[0].generation] == [1, 1]
    assert len(first[0].members) == 2
    assert second[0].members == []


def test_heartbeats_keep_a_member() -> None:
    """A session is over when its time has passed since the last heartbeat, not before."""
    script = Script()
    (joined,) = script.stable(None)
    for _ in range(5):
        script.clock.move(5.9)
        assert script.beat(joined) is Code.NONE
    script.clock.move(6.1)

    assert script.beat(joined) is Code.UNKNOWN_MEMBER_ID
    assert script.group.state is State.EMPTY


def test_a_dead_member_is_left_out_of_the_next_generation() -> None:
    """The others go on without it once its session is over."""
    script = Script()
    alive, _dead = script.stable(None, None)
    again = None
    for _ in range(4):
        script.clock.move(2)
        if again is None and script.beat(alive) is Code.REBALANCE_IN_PROGRESS:
            again = script.join(alive.member_id)

    assert again is not None
    assert again[0].generation == 2
    assert [member.member_id for member in again[0].members] == [alive.member_id]


def test_who_does_not_rejoin_in_time_is_dropped() -> None:
    """A member that sends heartbeats but does not join again holds up the others for the rebalance time only."""
    script = Script()
    lazy, eager = script.stable(None, None)
    again = script.join(eager.member_id, None, "range", "other")  # its protocols changed: a rebalance
    for _ in range(10):
        assert again == []
        assert script.beat(lazy) is Code.REBALANCE_IN_PROGRESS
        script.clock.move(1.99)
    script.clock.move(0.2)

    assert again[0].generation == 2
    assert script.beat(lazy) is Code.UNKNOWN_MEMBER_ID


def test_a_static_member_that_does_not_rejoin_keeps_its_place() -> None:
    """Within its session a static member may be away during a rebalance and is assigned to all the same."""
    script = Script()
    static, other = script.stable("static", None)
    again = script.join(other.member_id, None, "range", "other")
    for _ in range(10):
        script.clock.move(1.99)
        with_instance(script, static)
    script.clock.move(0.2)

    assert {member.member_id for member in again[0].members} == {static.member_id, other.member_id}


def with_instance(script: Script, joined: JoinGroupResponse) -> None:
    """A static member's heartbeat during a rebalance."""
    with pytest.raises(RefusedError, match="REBALANCE"):
        script.group.heartbeat(joined.member_id, "static", joined.generation)


def test_a_static_member_that_stays_away_is_dropped() -> None:
    """After its session a static member is like any other."""
    script = Script()
    script.stable("static")
    script.clock.move(6.1)

    assert script.group.state is State.EMPTY
    assert script.group.members == {}


def test_the_old_incarnation_is_told_that_it_is_fenced() -> None:
    """A static member that joins while its old self still waits for an answer: the old one gets FENCED_INSTANCE_ID."""
    script = Script()
    old = script.join("", "static")
    new = script.join("", "static")
    script.clock.move(0.05)

    assert old[0].error == Code.FENCED_INSTANCE_ID
    assert new[0].error == Code.NONE


def test_the_assignor_that_most_prefer_wins() -> None:
    """Among those that all members know."""
    script = Script()
    joins = [
        script.join("", None, "only-here", "range", "sticky"),
        script.join("", None, "sticky", "range"),
        script.join("", None, "sticky", "range"),
    ]
    script.clock.move(0.05)

    assert {answers[0].protocol for answers in joins} == {"sticky"}


def test_a_new_leader_is_chosen_when_the_leader_leaves() -> None:
    """The next generation has a leader that is there."""
    script = Script()
    leader, follower = script.stable(None, None)
    assert leader.leader == leader.member_id
    script.group.leave(leader.member_id, None)
    again = script.join(follower.member_id)

    assert (again[0].leader, again[0].generation) == (follower.member_id, 2)
    assert script.sync(again[0])[0].assignment == follower.member_id.encode()


def test_followers_are_told_when_the_leader_dies_before_it_assigns() -> None:
    """A sync that waits for a leader that never comes ends with a rebalance, not in silence."""
    script = Script()
    joins = [script.join(), script.join()]
    script.clock.move(0.05)
    (leader,), (follower,) = joins
    waits = script.sync(follower)
    assert leader.members
    script.clock.move(6.1)

    assert waits[0].error == Code.REBALANCE_IN_PROGRESS


def test_an_id_that_was_given_out_is_waited_for_and_forgotten() -> None:
    """A new member has its session's time to come back with its id; the others wait for it no longer."""
    script = Script()
    answers: list[JoinGroupResponse] = []
    request = JoinGroupRequest(
        group="group",
        session_timeout_ms=6_000,
        rebalance_timeout_ms=20_000,
        member_id="",
        protocol_type="consumer",
        protocols=[JoinProtocol(name="range", metadata=b"")],
    )
    script.group.join(request, CLIENT, True, answers.append)
    assert answers[0].error == Code.MEMBER_ID_REQUIRED
    other = script.join()
    script.clock.move(5)
    assert other == []
    script.clock.move(1.1)

    assert other[0].error == Code.NONE
    assert script.join(answers[0].member_id)[0].error == Code.UNKNOWN_MEMBER_ID
