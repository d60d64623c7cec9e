"""The cost of each function of JSONata, and how the complete evaluator is made to pay for it.

The evaluator counts its own steps, but not what a function of its library does below one: `$keys` of 15,000 keys is
one step and takes 0.3 s. So an expression that may meet large values is given a *prelude*: definitions under the
functions' own names that pay first (`spend§`, by what the arguments hold) and then call the function that they
shadow, which is kept under a name with a mark. Some functions are replaced altogether (`functions`, `replace`).

Costs are in units (`budget.UNITS`) and were measured at 256 KiB.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MARK: Final = "§"
SPEND: Final = f"spend{MARK}"
UNPAID: Final = 150
"""Units of a call that the steps of its own evaluation pay for well enough."""

HOSTED: Final = f"{MARK}{MARK}"
"""Stands behind the name of a function of ours in preludes."""


@dataclass(frozen=True, slots=True)
class Charge:
    """The charge for a function.

    `free`: it takes the same little time for any arguments. `steps`: it calls a function for each item, which the
    evaluator counts. `own`: it is ours, and pays by itself. Otherwise `parameters` and `signature` are its own, `size`
    is an expression over them that says how much there is to do, a unit each, and `body` what is called then, if that
    is not the function with its parameters; both may use `name§` for what is shadowed.
    """

    parameters: str = ""
    signature: str = ""
    size: str = ""
    body: str = ""
    free: bool = False
    steps: bool = False
    own: bool = False


FREE, STEPS, OWN = Charge(free=True), Charge(steps=True), Charge(own=True)


def on_text(size: str, parameters: str = "s", signature: str = "s-:s", body: str = "") -> Charge:
    """Return how a function of a text is paid for; `#` in `size` counts characters."""
    return Charge(parameters, signature, size.replace("#", "$length§"), body)


def on_items(size: str, parameters: str = "a", signature: str = "a:a", body: str = "") -> Charge:
    """Return how a function of an array is paid for; `#` in `size` counts items."""
    return Charge(parameters, signature, size.replace("#", "$count§"), body)


def matching(parameters: str, signature: str, size: str) -> Charge:
    """A function that takes a text or a pattern: in a long text each match of a pattern is paid for, too."""
    name, rest = "{name}", "".join(f", ${p}" for p in parameters[2:])
    call = f"{name}($s, $matcher§($s, $p){rest})"
    return on_text(size, parameters, signature, call)


KEYS: Final = (
    '($type§($o) = "object" ? ($count§($o.*) > 200 ? $each§($o, function($v, $k) {$k}) : {name}($o)) : '
    "$count§($o) > 200 ? $keys§§($o) : {name}($o))"
)
