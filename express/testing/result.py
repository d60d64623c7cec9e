"""Executions as a test sees them, and how they are shown where it fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import Any

import msgspec

from express.engine import History
from express.testing.mocks import Call
from express.values import JSON, text


class ExecutionFailed(AssertionError):
    """The output of an execution was asked for that has none."""


class Unmocked(AssertionError):
    """A task was asked for that the test says nothing of, and that can't be called for real."""


class Path(list[str]):
    """The names of the states in the order in which they were entered; those of branches and iterations, too."""

    def __repr__(self) -> str:
        return " → ".join(self) or "(no state)"


class Result(msgspec.Struct, kw_only=True):
    """An execution that has ended.

    `events` are its history as AWS writes it, values parsed; `seconds` what it took in virtual time; `calls` every
    task that was asked for, mocked or not; `billed` the milliseconds and MB that AWS would charge.
    """

    name: str
    status: str
    returned: JSON
    error: str | None
    cause: str | None
    path: Path
    calls: list[Call]
    seconds: float
    transitions: int
    billed: tuple[int, int]
    history: History

    @property
    def output(self) -> Any:
        """The output. Raises ExecutionFailed, which tells error, cause and path, where there is none."""
        if self.status != "SUCCEEDED":
            raise ExecutionFailed(f"{self.name} has no output:\n{self.told()}")
        return self.returned

    @property
    def events(self) -> list[dict[str, Any]]:
        """The history, oldest event first: `{"type", "id", "prev", "time", …details}`."""
        return self.history.events()

    def told(self) -> str:
        """The path as a timed tree, with what it came to."""
        from express.cli.trace import lines  # only where a test has failed
        from express.telemetry.spans import tree

        told = list(lines(tree(self.name, self.history.log)))
        if self.status != "SUCCEEDED":
            told.append(f"{self.error}: {self.cause}" if self.cause else str(self.error))
        else:
            told.append(f"output: {text(self.returned)}")
        return "\n".join(told)


RECENT: list[Result] = []
"""The executions of the test that runs, for its report."""


def differing(taken: list[str], wanted: list[str]) -> Iterator[str]:
    """Two paths, line by line: what both have, what was taken (+) and what was wanted (-).

    >>> list(differing(["A", "B"], ["A", "C"]))
    ['    A', '  - C', '  + B']
    """
    for kind, a, b, c, d in SequenceMatcher(None, wanted, taken, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from _marked(" ", wanted[a:b])
        else:
            yield from _marked("-", wanted[a:b])
            yield from _marked("+", taken[c:d])


def _marked(mark: str, names: Iterable[str]) -> Iterator[str]:
    return (f"  {mark} {name}" for name in names)
