"""Tables for terminals of any width: columns are left out, digits never."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

Build = Callable[[frozenset[str]], "Table"]
"""Makes a table without the columns of the headings given."""

_WIDEST = 10_000


def fitting(build: Build, droppable: Sequence[str], width: int) -> Table:
    """Return the table that fits `width` columns: headings of `droppable` are left out in their order, as few as do."""
    table = build(frozenset())
    for number in range(1, len(droppable) + 1):
        if natural_width(table) <= width:
            break
        table = build(frozenset(droppable[:number]))
    return table


def natural_width(table: Table) -> int:
    """Return the columns that a table takes when nothing is cut."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(width=_WIDEST)
    return Measurement.get(console, console.options, table).maximum
