"""Traces and execution logs."""

from __future__ import annotations

from typing import Protocol

from express.engine import About, History
from express.engine.effects import Finish
from express.ports.records import Partition

GOLDEN, MASK = 2_654_435_769, 0xFFFF_FFFF
"""2^32 divided by the golden ratio: multiplied by it, numbers that follow each other are spread evenly."""


class Tracing(Protocol):
    """Takes ended executions as traces. The host looks at two numbers only.

    An execution is sampled, and recorded, where `offset * GOLDEN & MASK < threshold`; it is told where it was
    sampled, did not succeed, or took longer than `slow` seconds.
    """

    @property
    def threshold(self) -> int:
        """The share of all executions, of 2^32."""

    @property
    def slow(self) -> float:
        """The seconds above which an execution is one of the slowest."""

    def ended(
        self, about: About, finish: Finish, seconds: float, history: History | None, partition: Partition, offset: int
    ) -> None:
        """Take the execution of a record. Must be quick and never raise."""


class LogSink(Protocol):
    """A destination of execution logs. It must be quick and never raise; what it can't take it counts and drops."""

    @property
    def dropped(self) -> int:
        """Log events that nobody will see."""

    def write(self, lines: bytes, execution_arn: str) -> None:
        """Take the log lines of one execution."""
