"""Time of executions by their states, from histories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import TypeAlias

from express.bench.result import StateShare
from express.engine.history import History, HistoryEvent

Open: TypeAlias = tuple[tuple[str, float], ...]
"""The states that a branch is in, outermost first, and when each was entered."""

_ENTERED, _EXITED = "StateEntered", "StateExited"


class TimedHistory(History):
    """A history whose events have the time at which they were recorded, in seconds of no epoch.

    Engine time stands still while an execution does not wait, so that states which only compute would take none.
    """

    def add(self, event: HistoryEvent) -> None:
        """Take one event."""
        super().add((*event[:3], perf_counter(), event[4]))


def shares(histories: Iterable[Sequence[HistoryEvent]]) -> list[StateShare]:
    """A row per state, in the order in which they are first entered.

    The time of a Map or Parallel is that of all below it too, and branches run side by side, so that shares add up
    to more than one. `failed` counts attempts of a task.
    """
    rows: dict[str, StateShare] = {}
    total = 0.0
    for log in histories:
        total += log[-1][3] - log[0][3]
        _add(rows, log)
    for row in rows.values():
        row.share = row.seconds / total if total else 0.0
    return list(rows.values())


def _add(rows: dict[str, StateShare], log: Sequence[HistoryEvent]) -> None:
    """Count one history. Events know the one before them in their branch."""
    places: dict[int, Open] = {0: ()}
    for id_, previous, kind, time, details in log:
        inside = places[previous]
        if kind.endswith(_ENTERED):
            name = str(details["name"])
            row = rows.setdefault(name, StateShare(name=name, kind=kind.removesuffix(_ENTERED)))
            row.entered += 1
            inside = (*inside, (name, time))
        elif kind.endswith(_EXITED):
            inside = _close(rows, inside, str(details["name"]), time)
        elif kind.startswith("Execution"):
            inside = _close(rows, inside, "", time)
        elif kind.endswith(("Failed", "TimedOut")) and inside:
            rows[inside[-1][0]].failed += 1
        places[id_] = inside


def _close(rows: dict[str, StateShare], inside: Open, name: str, time: float) -> Open:
    """Leave the state `name` and whatever is open within it; all, if there is none such."""
    while inside:
        top, began = inside[-1]
        inside = inside[:-1]
        rows[top].seconds += time - began
        if top == name:
            break
    return inside
