"""The budget of the expressions of one state, counted in units.

A definition comes from outside, and an expression of a few characters over a payload within the limits can keep
the loop for minutes. So whatever is read or made is paid for before it is done: a unit stands for some 50 ns of the
work of a function in C or Rust on a common machine, and one state has `UNITS` of them (10 ms). Counting gives the
same answer on every machine and under every load; processor time is looked at behind it, for what the counts do not
see, where whoever runs the expressions has a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

UNITS: Final = 200_000
"""Units of all evaluations of one state."""

SECONDS: Final = 0.010
"""Processor time of all evaluations of one state."""


class Exhausted(Exception):
    """There is less left than something costs. It has not been done."""


class Budget:
    """A budget. `clock` gives the seconds of processor time of this thread, None where nobody can."""

    __slots__ = ("clock", "seconds", "units")

    def __init__(self, units: int = UNITS, clock: Callable[[], float] | None = None) -> None:
        self.units = units
        self.seconds = SECONDS
        self.clock = clock

    def spend(self, units: int) -> None:
        """Take `units` away; raises Exhausted where there were fewer, and then nothing is left."""
        if units > self.units:
            self.units = 0
            raise Exhausted
        self.units -= units


GENERATED: Final = Budget()
"""The budget of generated code before the interpreter enters its next state, which fills it up again.

Generated code has no state's budget at hand, in segments nor in the fast form of an expression. It pays for what is
large from here; once that is used up, all of it is left to the interpreter, which counts by state and gives turns
away.
"""


def pay(units: int) -> None:
    """Pay for what generated code does next; raises Exhausted where it is to be left to the interpreter."""
    GENERATED.units -= units
    if GENERATED.units < 0:
        raise Exhausted
