"""The surroundings of a compiled expression, besides the data it is given.

A running frame of the engine is a `Scope`; tests and tools may pass `Constants`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

from express.budget import Budget
from express.values import JSON


class Scope(Protocol):
    """The surroundings of an expression while it is evaluated. Nothing given out may be changed in place."""

    def context(self) -> dict[str, JSON]:
        """The Context object (`$$`, `$states.context`), built when asked for."""

    def variables(self) -> Mapping[str, JSON]:
        """Every variable that can be seen here, inner scopes first."""

    def random(self) -> float:
        """A number in [0, 1)."""

    def uuid(self) -> str:
        """A version-4 UUID."""

    def budget(self) -> Budget:
        """The budget that is left for the expressions of the state."""


Read: TypeAlias = Callable[[JSON, Scope], JSON]
"""Gets a value out of data (`$`) and scope; raises StatesError."""

Predicate: TypeAlias = Callable[[JSON, Scope], bool]
"""A compiled Choice rule."""

Write: TypeAlias = Callable[[JSON, JSON], JSON]
"""(raw input, value) → the new data; copies the spine it changes (ResultPath)."""


class Constants:
    """A Scope with fixed answers, for tests, tools and constant folding."""

    def __init__(
        self,
        context: dict[str, JSON] | None = None,
        variables: Mapping[str, JSON] | None = None,
        random: Callable[[], float] = lambda: 0.5,
        uuid: Callable[[], str] = lambda: "00000000-0000-4000-8000-000000000000",
    ) -> None:
        self._context = context or {}
        self._variables = variables or {}
        self.random = random
        self.uuid = uuid

    def context(self) -> dict[str, JSON]:
        """The Context object given."""
        return self._context

    def variables(self) -> Mapping[str, JSON]:
        """The variables given."""
        return self._variables

    def budget(self) -> Budget:
        """A new one each time."""
        return Budget()
