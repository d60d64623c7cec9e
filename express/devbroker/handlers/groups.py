"""The membership of consumer groups."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from express.devbroker.call import Answer, Call
from express.devbroker.codes import Code, RefusedError
from express.devbroker.group import Group, State
from express.devbroker.messages.groups import (
    DeletedGroup,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
    DescribedGroup,
    DescribedMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
    LeavingMember,
    LeftMember,
    ListedGroup,
    ListGroupsRequest,
    ListGroupsResponse,
    SyncGroupRequest,
    SyncGroupResponse,
)
from express.devbroker.node import NODE_ID, Node

NEEDS_ID = 4  # the version of JoinGroup from which on clients know MEMBER_ID_REQUIRED

R = TypeVar("R")


def find_coordinator(node: Node, request: FindCoordinatorRequest, call: Call) -> Answer:
    """The one node coordinates everything."""
    return FindCoordinatorResponse(node_id=NODE_ID, host=node.host, port=node.port)


def join_group(node: Node, request: JoinGroupRequest, call: Call) -> Answer:
    """Join; the answer comes when everybody has."""
    try:
        group = node.groups.known(request.group) if request.member_id else node.groups.begin(request.group)
    except RefusedError as refused:
        return JoinGroupResponse(error=refused.code, member_id=request.member_id)
    reply, answered = _later(JoinGroupResponse)
    group.join(request, call.client, call.version >= NEEDS_ID, reply)
    return answered


def sync_group(node: Node, request: SyncGroupRequest, call: Call) -> Answer:
    """Give or get the assignment; the answer comes when the leader has given it."""
    try:
        group = node.groups.known(request.group)
    except RefusedError as refused:
        return SyncGroupResponse(error=refused.code)
    reply, answered = _later(SyncGroupResponse)
    group.sync(request, reply)
    return answered


def _later(kind: type[R]) -> tuple[Callable[[R], None], asyncio.Future[R]]:
    """A callback and the future that it resolves; the client may have hung up by then."""
    future: asyncio.Future[R] = asyncio.get_running_loop().create_future()

    def reply(response: R) -> None:
        if not future.done():
            future.set_result(response)

    return reply, future


def heartbeat(node: Node, request: HeartbeatRequest, call: Call) -> Answer:
    """A sign of life."""
    try:
        group = node.groups.known(request.group)
        group.heartbeat(request.member_id, request.instance_id, request.generation)
    except RefusedError as refused:
        return HeartbeatResponse(error=refused.code)
    return HeartbeatResponse()


def leave_group(node: Node, request: LeaveGroupRequest, call: Call) -> Answer:
    """Members leave; before version 3 one at a time."""
    if call.version < 3:
        return LeaveGroupResponse(error=_leave(node, request.group, request.member_id, None))
    return LeaveGroupResponse(members=[_left(node, request.group, leaving) for leaving in request.members])


def _left(node: Node, name: str, leaving: LeavingMember) -> LeftMember:
    code = _leave(node, name, leaving.member_id, leaving.instance_id)
    return LeftMember(member_id=leaving.member_id, instance_id=leaving.instance_id, error=code)


def _leave(node: Node, name: str, member_id: str, instance_id: str | None) -> Code:
    try:
        node.groups.known(name).leave(member_id, instance_id)
    except RefusedError as refused:
        return refused.code
    return Code.NONE


def describe_groups(node: Node, request: DescribeGroupsRequest, call: Call) -> Answer:
    """Groups and their members; a group that is not there is Dead."""
    return DescribeGroupsResponse(groups=[_described(name, node.groups.find(name)) for name in request.groups])


def _described(name: str, group: Group | None) -> DescribedGroup:
    if group is None:
        return DescribedGroup(group=name)
    stable = group.state is State.STABLE
    members = [
        DescribedMember(
            member_id=member.id,
            instance_id=member.instance_id,
            client_id=member.client.client_id,
            client_host=member.client.host,
            metadata=member.metadata(group.protocol) if stable else b"",
            assignment=member.assignment,
        )
        for member in group.members.values()
    ]
    return DescribedGroup(
        group=name,
        state=group.state,
        protocol_type=group.protocol_type,
        protocol=group.protocol if stable else "",
        members=members,
    )


def list_groups(node: Node, request: ListGroupsRequest, call: Call) -> Answer:
    """All groups, or those in the states asked for."""
    groups = [group for name in node.groups.names() if (group := node.groups.find(name)) is not None]
    return ListGroupsResponse(
        groups=[
            ListedGroup(group=group.name, protocol_type=group.protocol_type, state=group.state)
            for group in groups
            if not request.states or group.state in request.states
        ]
    )


def delete_groups(node: Node, request: DeleteGroupsRequest, call: Call) -> Answer:
    """Delete groups without members."""
    return DeleteGroupsResponse(groups=[_deleted(node, name) for name in request.groups])


def _deleted(node: Node, name: str) -> DeletedGroup:
    try:
        node.groups.delete(name)
    except RefusedError as refused:
        return DeletedGroup(group=name, error=refused.code)
    return DeletedGroup(group=name)
