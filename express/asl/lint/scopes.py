"""Assignments and reads of each `States` map, noted while states are walked and judged at the end."""

from __future__ import annotations

from collections.abc import Iterable


class Scope:
    """Assignments and reads of one `States` map.

    `state` is the state of the parent scope that holds this map. A distributed Map's child has no parent: it
    does not see the variables around it.
    """

    __slots__ = ("assigned", "edges", "parent", "reads", "state")

    def __init__(self, parent: Scope | None = None, state: str = "") -> None:
        self.parent = parent
        self.state = state
        self.assigned: dict[str, list[tuple[str, str]]] = {}
        self.reads: list[tuple[str, str, str]] = []
        self.edges: dict[str, list[str]] = {}

    def assign(self, name: str, state: str, location: str) -> None:
        """Note that `state` assigns `name`."""
        self.assigned.setdefault(name, []).append((state, location))

    def read(self, name: str, state: str, location: str) -> None:
        """Note that `state` reads `name`."""
        self.reads.append((name, state, location))

    @property
    def transitions(self) -> int:
        """Return how many there are, and states: what a walk over them costs."""
        return len(self.edges) + sum(map(len, self.edges.values()))

    def ancestors(self) -> Iterable[tuple[Scope, str]]:
        """The enclosing scopes that can be seen from here, each with its state on the way."""
        inner = self
        while inner.parent is not None:
            yield inner.parent, inner.state
            inner = inner.parent
