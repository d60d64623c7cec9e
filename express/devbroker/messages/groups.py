"""JoinGroup, SyncGroup, Heartbeat, LeaveGroup, and the descriptions of groups."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from express.devbroker.wire import Int8, Int16, Int32, Message, since, until


class FindCoordinatorRequest(Message, kw_only=True):
    """FindCoordinator, key 10. Key type 0 is a group, 1 a transactional id."""

    key: str
    key_type: Annotated[Int8, since(1)] = 0


class FindCoordinatorResponse(Message, kw_only=True):
    """FindCoordinator, key 10."""

    throttle_ms: Annotated[Int32, since(1)] = 0
    error: Int16 = 0
    error_message: Annotated[str | None, since(1)] = None
    node_id: Int32
    host: str
    port: Int32


class JoinProtocol(Message, kw_only=True):
    """An assignor the member knows, with what it tells the leader."""

    name: str
    metadata: bytes


class JoinGroupRequest(Message, kw_only=True):
    """JoinGroup, key 11."""

    group: str
    session_timeout_ms: Int32
    rebalance_timeout_ms: Annotated[Int32, since(1)] = -1
    member_id: str
    instance_id: Annotated[str | None, since(5)] = None
    protocol_type: str
    protocols: list[JoinProtocol]


class JoinedMember(Message, kw_only=True):
    """A member, as the leader sees it."""

    member_id: str
    instance_id: Annotated[str | None, since(5)] = None
    metadata: bytes


class JoinGroupResponse(Message, kw_only=True):
    """JoinGroup, key 11. Only the leader is told the members."""

    throttle_ms: Annotated[Int32, since(2)] = 0
    error: Int16 = 0
    generation: Int32 = -1
    protocol: str = ""
    leader: str = ""
    member_id: str = ""
    members: list[JoinedMember] = field(default_factory=list)


class MemberAssignment(Message, kw_only=True):
    """The leader's assignment for a member."""

    member_id: str
    assignment: bytes


class SyncGroupRequest(Message, kw_only=True):
    """SyncGroup, key 14."""

    group: str
    generation: Int32
    member_id: str
    instance_id: Annotated[str | None, since(3)] = None
    assignments: list[MemberAssignment]


class SyncGroupResponse(Message, kw_only=True):
    """SyncGroup, key 14."""

    throttle_ms: Annotated[Int32, since(1)] = 0
    error: Int16 = 0
    assignment: bytes = b""


class HeartbeatRequest(Message, kw_only=True):
    """Heartbeat, key 12."""

    group: str
    generation: Int32
    member_id: str
    instance_id: Annotated[str | None, since(3)] = None


class HeartbeatResponse(Message, kw_only=True):
    """Heartbeat, key 12."""

    throttle_ms: Annotated[Int32, since(1)] = 0
    error: Int16 = 0


class LeavingMember(Message, kw_only=True):
    """A member that leaves, by its id or by its static instance id."""

    member_id: str
    instance_id: str | None = None


class LeaveGroupRequest(Message, kw_only=True):
    """LeaveGroup, key 13."""

    group: str
    member_id: Annotated[str, until(2)] = ""
    members: Annotated[list[LeavingMember], since(3)] = field(default_factory=list)


class LeftMember(Message, kw_only=True):
    """Outcome of a member's leaving."""

    member_id: str
    instance_id: str | None = None
    error: Int16 = 0


class LeaveGroupResponse(Message, kw_only=True):
    """LeaveGroup, key 13."""

    throttle_ms: Annotated[Int32, since(1)] = 0
    error: Int16 = 0
    members: Annotated[list[LeftMember], since(3)] = field(default_factory=list)


class DescribeGroupsRequest(Message, kw_only=True):
    """DescribeGroups, key 15."""

    groups: list[str]
    authorized_operations: Annotated[bool, since(3)] = False


class DescribedMember(Message, kw_only=True):
    """A member of a described group."""

    member_id: str
    instance_id: Annotated[str | None, since(4)] = None
    client_id: str
    client_host: str
    metadata: bytes = b""
    assignment: bytes = b""


class DescribedGroup(Message, kw_only=True):
    """A group and its members."""

    error: Int16 = 0
    group: str
    state: str = "Dead"
    protocol_type: str = ""
    protocol: str = ""
    members: list[DescribedMember] = field(default_factory=list)
    authorized_operations: Annotated[Int32, since(3)] = -(1 << 31)


class DescribeGroupsResponse(Message, kw_only=True):
    """DescribeGroups, key 15."""

    throttle_ms: Annotated[Int32, since(1)] = 0
    groups: list[DescribedGroup]


class ListGroupsRequest(Message, kw_only=True):
    """ListGroups, key 16."""

    states: Annotated[list[str], since(4)] = field(default_factory=list)


class ListedGroup(Message, kw_only=True):
    """A group that exists."""

    group: str
    protocol_type: str
    state: Annotated[str, since(4)] = ""


class ListGroupsResponse(Message, kw_only=True):
    """ListGroups, key 16."""

    throttle_ms: Annotated[Int32, since(1)] = 0
    error: Int16 = 0
    groups: list[ListedGroup]


class DeleteGroupsRequest(Message, kw_only=True):
    """DeleteGroups, key 42."""

    groups: list[str]


class DeletedGroup(Message, kw_only=True):
    """Outcome of a group's deletion."""

    group: str
    error: Int16 = 0


class DeleteGroupsResponse(Message, kw_only=True):
    """DeleteGroups, key 42."""

    throttle_ms: Int32 = 0
    groups: list[DeletedGroup]
