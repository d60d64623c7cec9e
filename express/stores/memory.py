"""A store that lasts as long as the process."""

from __future__ import annotations

from express.stores.records import Activity, Contents, Machine, Revision


class MemoryStore:
    """Keeps records in dictionaries."""

    def __init__(self) -> None:
        self._machines: dict[str, Machine] = {}
        self._revisions: dict[tuple[str, str], Revision] = {}
        self._activities: dict[str, Activity] = {}

    async def open(self) -> Contents:
        """Everything there is."""
        return Contents(machines=tuple(self._machines.values()), activities=tuple(self._activities.values()))

    async def close(self) -> None:
        """Nothing to let go of."""

    async def put_machine(self, machine: Machine, revision: Revision | None = None) -> None:
        """Store a machine and a new revision."""
        self._machines[machine.arn] = machine
        if revision is not None:
            self._revisions[machine.arn, revision.id] = revision

    async def delete_machine(self, arn: str) -> None:
        """Forget a machine and its revisions."""
        self._machines.pop(arn, None)
        self._revisions = {key: revision for key, revision in self._revisions.items() if key[0] != arn}

    async def revision(self, arn: str, id_: str) -> Revision | None:
        """A revision of a machine."""
        return self._revisions.get((arn, id_))

    async def put_activity(self, activity: Activity) -> None:
        """Store an activity."""
        self._activities[activity.arn] = activity

    async def delete_activity(self, arn: str) -> None:
        """Forget an activity."""
        self._activities.pop(arn, None)
