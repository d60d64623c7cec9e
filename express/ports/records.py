"""Records: consumed ones, their partitions and positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

from express.record_format import HeaderBlock

Headers: TypeAlias = Sequence[tuple[str, bytes | None]] | HeaderBlock


class Record(msgspec.Struct, frozen=True, gc=False):
    """One event as the broker holds it. `timestamp` is in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_type: int = 0


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """A place in a partition whose record can't be read: an `ConsumedRecord` that no execution can be started with."""

    offset: int
    timestamp: int
    value: bytes | None
    """The bytes that could be had; those of a whole batch with its first record."""
    why: str
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = (("__express.errors.unreadable", b"true"),)
    timestamp_type: int = 0


class ConsumedRecord(Protocol):
    """A polled record as the processor reads it: a `Record`, or a record of the client's own class."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""

    @property
    def timestamp_type(self) -> int:
        """Whose time that is: 0 the producer's, 1 the broker's."""

    @property
    def key(self) -> bytes | None:
        """The message key."""

    @property
    def value(self) -> bytes | None:
        """The payload; None is a tombstone."""

    @property
    def headers(self) -> Headers:
        """The message headers."""


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class Position(NamedTuple):
    """A commit of a partition: the lowest unfinished offset, and the map of finished ones above it."""

    offset: int
    metadata: str = ""
