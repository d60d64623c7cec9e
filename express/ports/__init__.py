"""The seams between the runtime and the world: small protocols that adapters implement.

An adapter is one file below `integrations`, `sources`, `sinks` or `stores`; the runtime knows only these.
"""

from express.ports.children import Child, ChildEnd, ChildRequest, Machines
from express.ports.clock import Clock
from express.ports.produced import Outbox, Outgoing, Placed, Topics
from express.ports.records import ConsumedRecord, Headers, Partition, Position, Record, Unreadable
from express.ports.sinks import Block, Refused, Sink
from express.ports.sources import Assignments, Source
from express.ports.tasks import (
    LEAVE,
    QUICK_SECONDS,
    Describe,
    Direct,
    Identity,
    Integration,
    Submitted,
    Tally,
    TaskContext,
)
from express.ports.telemetry import GOLDEN, MASK, LogSink, Tracing

__all__ = [
    "GOLDEN",
    "LEAVE",
    "MASK",
    "QUICK_SECONDS",
    "Assignments",
    "Block",
    "Child",
    "ChildEnd",
    "ChildRequest",
    "Clock",
    "ConsumedRecord",
    "Describe",
    "Direct",
    "Headers",
    "Identity",
    "Integration",
    "LogSink",
    "Machines",
    "Outbox",
    "Outgoing",
    "Partition",
    "Placed",
    "Position",
    "Record",
    "Refused",
    "Sink",
    "Source",
    "Submitted",
    "Tally",
    "TaskContext",
    "Topics",
    "Tracing",
    "Unreadable",
]
