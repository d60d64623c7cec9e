"""Rows of a store: state machines with their revisions, versions, aliases and tags, and activities.

All frozen: a change is a new record that takes the place of the old one once it is stored, so that a reader never
sees half a change. Times are wall-clock seconds. A revision's definition may be a megabyte, so revisions are
records of their own and are only read when they are run or shown.
"""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from express.values import JSON

INITIAL = "INITIAL"
"""The id of a machine's first revision (Step Functions API Reference, "Actions")."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Shared settings of all records."""


class Revision(Record, frozen=True, kw_only=True):
    """One state of a machine's definition and settings. `logging` … are the API's structures as they came."""

    id: str
    definition: str
    role_arn: str
    logging: dict[str, JSON] | None = None
    tracing: dict[str, JSON] | None = None
    encryption: dict[str, JSON] | None = None
    created: float


class Version(Record, frozen=True, kw_only=True):
    """A published revision."""

    number: int
    revision: str
    description: str | None = None
    created: float


class Route(Record, frozen=True, kw_only=True):
    """A share of an alias's executions: `weight` per cent go to version `version`."""

    version: int
    weight: int


class Alias(Record, frozen=True, kw_only=True):
    """A name for one version, or for two with weights."""

    name: str
    description: str | None = None
    routes: tuple[Route, ...]
    created: float
    updated: float


class Machine(Record, frozen=True, kw_only=True):
    """A state machine. `revision` is the current one's id; `last_version` the highest number ever given out.

    `published` tells how the machine was created, for idempotent creation: whether with `publish`, and the
    description of that version. `deleting`: it is gone as soon as its last execution is over.
    """

    arn: str
    name: str
    type: Literal["STANDARD", "EXPRESS"]
    created: float
    revision: str = INITIAL
    updated: float | None = None
    versions: tuple[Version, ...] = ()
    aliases: dict[str, Alias] = {}
    tags: dict[str, str] = {}
    last_version: int = 0
    published: tuple[bool, str | None] = (False, None)
    deleting: bool = False

    def version(self, number: int) -> Version | None:
        """The version of that number, while it is there."""
        return next((version for version in self.versions if version.number == number), None)


class Activity(Record, frozen=True, kw_only=True):
    """A registered activity."""

    arn: str
    name: str
    created: float
    encryption: dict[str, JSON] | None = None
    tags: dict[str, str] = {}


class Contents(Record, frozen=True, kw_only=True):
    """Everything but the revisions."""

    machines: tuple[Machine, ...] = ()
    activities: tuple[Activity, ...] = ()


class Store(Protocol):
    """Keeps records. What a method has returned from is stored, as durably as the store is.

    Every method may raise StoreError; then nothing has changed. One caller at a time.
    """

    async def open(self) -> Contents:
        """Everything there is."""

    async def close(self) -> None:
        """Let go of the store."""

    async def put_machine(self, machine: Machine, revision: Revision | None = None) -> None:
        """Store a machine, with a new revision of it if there is one: both or neither."""

    async def delete_machine(self, arn: str) -> None:
        """Forget a machine with all of its revisions; nothing happens where there is none."""

    async def revision(self, arn: str, id_: str) -> Revision | None:
        """A revision of a machine."""

    async def put_activity(self, activity: Activity) -> None:
        """Store an activity."""

    async def delete_activity(self, arn: str) -> None:
        """Forget an activity; nothing happens where there is none."""
