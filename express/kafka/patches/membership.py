"""Static members: finding out that another one has taken the name.

aiokafka sends `group.instance.id` with JoinGroup and SyncGroup only. Whoever joins with it takes the place of the
member that had it, whose heartbeats and commits are then answered with UNKNOWN_MEMBER_ID, like those of a member that
was silent for too long. aiokafka joins anew under no member id, which takes the place back: two processes with one name
fence each other for ever, and both run every record. Joining under the old member id first tells the two apart: it is
answered with FENCED_INSTANCE_ID where the name has another owner, and with UNKNOWN_MEMBER_ID where it has none.
"""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.protocol.group import JoinGroupRequest

FENCED_INSTANCE_ID = 82
UNKNOWN_MEMBER_ID = 25


def repair_membership() -> None:
    """Let static members ask before they take a name back; calling it again does nothing."""
    if getattr(GroupCoordinator.reset_generation, "repaired", False):
        return
    reset_generation, send = GroupCoordinator.reset_generation, GroupCoordinator._send_req

    def repaired_reset(self: Any) -> None:
        member = self.member_id
        reset_generation(self)
        if self._group_instance_id is not None and member != self.__dict__.get("unknown_as"):
            self.member_id = member  # the answer to joining with it says whether anybody else has the name

    async def repaired_send(self: Any, request: Any) -> Any:
        answer = await send(self, request)
        code = getattr(answer, "error_code", 0)
        if code == FENCED_INSTANCE_ID:
            self.is_fenced = True
        elif code == UNKNOWN_MEMBER_ID and isinstance(request, JoinGroupRequest):
            self.unknown_as = request._member_id
        return answer

    repaired_reset.repaired = True  # type: ignore[attr-defined]  # a mark on the function
    GroupCoordinator.reset_generation = repaired_reset
    GroupCoordinator._send_req = repaired_send


def is_fenced(consumer: AIOKafkaConsumer) -> bool:
    """Tell whether the coordinator of the group has said that another member has this one's `group_instance_id`."""
    return bool(getattr(consumer._coordinator, "is_fenced", False))
