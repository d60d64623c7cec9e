"""The group coordinator: all groups, and the positions they have committed."""

from __future__ import annotations

from collections.abc import Iterator

from express.devbroker.codes import Code, RefusedError
from express.devbroker.group import Group, State
from express.devbroker.journal import GroupDeleted, Journal, OffsetCommitted
from express.devbroker.member import Clock

MAX_METADATA = 4096  # of a position: offset.metadata.max.bytes, which Apache Kafka counts in UTF-16 units

Positions = dict[tuple[str, int], OffsetCommitted]


class Groups:
    """Groups by name. A group begins with its first member or its first position."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._groups: dict[str, Group] = {}
        self._positions: dict[str, Positions] = {}

    def names(self) -> list[str]:
        """The groups that exist."""
        return sorted(self._groups)

    def find(self, name: str) -> Group | None:
        """The group, None if there is none."""
        return self._groups.get(name)

    def known(self, name: str) -> Group:
        """The group, or RefusedError: nobody can be a member of a group that is not there."""
        group = self._groups.get(name)
        if group is None:
            raise RefusedError(Code.UNKNOWN_MEMBER_ID)
        return group

    def begin(self, name: str) -> Group:
        """The group, made if need be."""
        if not name:
            raise RefusedError(Code.INVALID_GROUP_ID)
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group(name, self._clock)
        return group

    def check_commit(
        self, name: str, generation: int, member_id: str, instance_id: str | None, *, transactional: bool = False
    ) -> None:
        """Raise RefusedError unless these may commit positions."""
        group = self._groups.get(name)
        if group is not None:
            group.check_commit(generation, member_id, instance_id, transactional)
        elif generation >= 0:
            raise RefusedError(Code.ILLEGAL_GENERATION)
        else:
            self.begin(name)

    def commit(self, position: OffsetCommitted) -> None:
        """Take a position."""
        self._journal.write(position)
        self.restore(position)

    def restore(self, position: OffsetCommitted) -> None:
        """Set a position as the journal says."""
        self.begin(position.group)
        self._positions.setdefault(position.group, {})[(position.topic, position.partition)] = position

    def positions(self, name: str) -> Positions:
        """All positions of a group."""
        return self._positions.get(name, {})

    def delete(self, name: str) -> None:
        """Delete a group without members, and its positions."""
        group = self._groups.get(name)
        if group is None:
            raise RefusedError(Code.GROUP_ID_NOT_FOUND)
        if group.state is not State.EMPTY:
            raise RefusedError(Code.NON_EMPTY_GROUP)
        self._journal.write(GroupDeleted(name))
        self.forget(name)

    def forget(self, name: str) -> None:
        """Remove a group as the journal says."""
        self._groups.pop(name, None)
        self._positions.pop(name, None)

    def forget_topic(self, topic: str) -> None:
        """Remove all positions of a topic that was deleted."""
        for positions in self._positions.values():
            for key in [key for key in positions if key[0] == topic]:
                del positions[key]

    def events(self) -> Iterator[OffsetCommitted]:
        """The events that lead to the present state: members come back by themselves, positions do not."""
        for positions in self._positions.values():
            yield from positions.values()

    def close(self) -> None:
        """Stop the timers."""
        for group in self._groups.values():
            group.close()


def check_metadata(metadata: str | None) -> None:
    """Refuse metadata that is too long to be kept with a position."""
    if metadata is not None and len(metadata.encode("utf-16-le")) // 2 > MAX_METADATA:
        raise RefusedError(Code.OFFSET_METADATA_TOO_LARGE)
