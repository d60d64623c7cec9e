"""OffsetCommit and OffsetFetch: how far a group has come."""

from __future__ import annotations

from typing import Annotated

from express.devbroker.wire import Int16, Int32, Int64, Message, Versions, since


class CommitPartition(Message, kw_only=True):
    """The position of a partition: the next offset to read."""

    index: Int32
    offset: Int64
    leader_epoch: Annotated[Int32, since(6)] = -1
    metadata: str | None = None


class CommitTopic(Message, kw_only=True):
    """The positions of a topic."""

    name: str
    partitions: list[CommitPartition]


class OffsetCommitRequest(Message, kw_only=True):
    """OffsetCommit, key 8."""

    group: str
    generation: Int32
    member_id: str
    instance_id: Annotated[str | None, since(7)] = None
    retention_ms: Annotated[Int64, Versions(2, 4)] = -1
    topics: list[CommitTopic]


class CommittedPartition(Message, kw_only=True):
    """Outcome of a commit of one partition."""

    index: Int32
    error: Int16 = 0


class CommittedTopic(Message, kw_only=True):
    """Which positions of a topic were taken."""

    name: str
    partitions: list[CommittedPartition]


class OffsetCommitResponse(Message, kw_only=True):
    """OffsetCommit, key 8."""

    throttle_ms: Annotated[Int32, since(3)] = 0
    topics: list[CommittedTopic]


class OffsetFetchTopic(Message, kw_only=True):
    """The partitions whose positions are asked for."""

    name: str
    partitions: list[Int32]


class OffsetFetchRequest(Message, kw_only=True):
    """OffsetFetch, key 9. No topics (null) asks for all the group has."""

    group: str
    topics: list[OffsetFetchTopic] | None
    require_stable: Annotated[bool, since(7)] = False


class PositionPartition(Message, kw_only=True):
    """A committed position, offset -1 if there is none."""

    index: Int32
    offset: Int64 = -1
    leader_epoch: Annotated[Int32, since(5)] = -1
    metadata: str | None = ""
    error: Int16 = 0


class PositionTopic(Message, kw_only=True):
    """The committed positions of a topic."""

    name: str
    partitions: list[PositionPartition]


class OffsetFetchResponse(Message, kw_only=True):
    """OffsetFetch, key 9."""

    throttle_ms: Annotated[Int32, since(3)] = 0
    topics: list[PositionTopic]
    error: Annotated[Int16, since(2)] = 0
