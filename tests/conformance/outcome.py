"""What became of a case: per level either nothing is wrong, or the first thing that is."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

LEVELS = ("result", "cause", "events")
"""From the coarsest to the finest; a case passes at a level if nothing is wrong there or below."""


class Outcome(msgspec.Struct):
    """`wrong` maps a level to what is wrong there. `finest` is the finest level the case has anything to say at.

    `not_yet` is the reason why the case could not be asked at all: something that is refused by name so far.
    """

    id: str
    area: str
    kind: str = "execution"
    finest: str = "cause"
    wrong: dict[str, str] = {}
    not_yet: str | None = None

    def passed(self, level: str) -> bool:
        """Whether the case passes at `level`."""
        return self.first_wrong(level) is None and self.not_yet is None

    def asked(self, level: str) -> bool:
        """Whether the case has anything of its own to say at `level`."""
        return LEVELS.index(level) <= LEVELS.index(self.finest)

    def first_wrong(self, level: str) -> str | None:
        """What is wrong at `level` or at a coarser one."""
        upto = LEVELS[: LEVELS.index(level) + 1]
        return next((self.wrong[each] for each in upto if each in self.wrong), None)


class NotYet(Exception):
    """Raised by what asks a case: the engine refuses something by name that it does not do so far."""


def worst(checks: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """The first difference per level, from (level, difference or None)."""
    wrong: dict[str, str] = {}
    for level, found in checks:
        if found is not None:
            wrong.setdefault(level, found)
    return wrong
