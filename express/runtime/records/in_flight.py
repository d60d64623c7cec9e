"""A record while its execution runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from express.runtime.records.headers import Carried

if TYPE_CHECKING:
    from express.runtime.drain.assignment import AssignedPartition
    from express.runtime.records.routing import Machine
    from express.runtime.records.terminal_record import Naming


class InFlight(msgspec.Struct, eq=False):
    """An input record whose execution runs, with all that its terminal record needs."""

    assigned: AssignedPartition
    offset: int
    timestamp: int
    key: bytes | None
    size: int
    """Bytes of the input."""
    machine: Machine
    naming: Naming
    carried: Carried
    """The headers that are carried over from the record."""
    order: bytes | None
    """The order key that this record holds back others of; None: none."""
    heap: int = 0
    """Bytes that the execution is estimated to hold while it waits."""
