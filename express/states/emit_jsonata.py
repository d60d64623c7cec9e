"""JSONata in segments: Arguments, Output, Assign and conditions as text, and what is known from one state to the next.

A segment reads `$states.input` as `si`, the variables as `v`, and the answer as `sr` or the error output as `se`.
`Point.known` has the members of the data and the variables that are in local names; it changes with them.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from express.expr.growth import Growth
from express.expr.jsonata.compile import inner, parsed
from express.expr.jsonata.fast import fast_form
from express.expr.jsonata.growth import value_growth
from express.expr.jsonata.inline import Inlined, inline
from express.states.segment import Code, NotFused, Point
from express.values import JSON

Given = tuple[str, str] | None
"""What there is besides the input and the variables: `sr` or `se`, and the local that has it."""

_NAMES = frozenset({"si", "sr", "se", "v"})


def condition(code: Code, point: Point, value: str) -> str:
    """Text of a Condition over `si` (set before) and `v`, which raises where it gives no boolean."""
    fast = fast_form(parsed(inner(value)), _prefix(code), point.known)
    if fast is None or fast.used - {"si", "v"} or fast.called & code.assigned:
        raise NotFused
    code.bind(fast.bound)
    return fast.source if fast.kind == "boolean" else f"truth({fast.source})"


def evaluated(code: Code, point: Point, value: JSON, given: Given = None, *, also: Inlined | None = None) -> Inlined:
    """Write what a template or an expression needs; its text is `source`. `also`: what was evaluated just before."""
    if also is None:
        code.add(f"si = {code.whole(point)}")
    known = point.known if also is None else {**point.known, **also.read}
    made = inline(value, _prefix(code), known, also.seen if also else {})
    if made is None or made.used - _NAMES or made.called & code.assigned:
        raise NotFused
    wanted = made.used & {"sr", "se"}
    if wanted:
        if given is None or wanted != {given[0]}:
            raise NotFused
        code.add(f"{given[0]} = {given[1]}")
    code.bind(made.bound)
    for line in made.statements:
        code.add(line)
    return made


def arguments(code: Code, point: Point, value: JSON) -> tuple[str, Growth]:
    """The name of what Arguments gives, and its growth."""
    made = evaluated(code, point, value)
    point.owned = False
    point.known = {**point.known, **made.read}
    return code.named(made.source), value_growth(value)


def put(code: Code, state: Any, point: Point, result: str, growth: Growth, phase: str = "sr") -> None:
    """Output and Assign, over `$states.input` and, under the name `phase`, the result or the error output."""
    code.whole(point)
    given = (phase, result) if result != point.data else None
    assign: Any = getattr(state, "assign", UNSET)
    point.assigned = None
    point.owned = False
    output = evaluated(code, point, state.output, given) if state.output is not UNSET else None
    variables = evaluated(code, point, assign, given, also=output) if assign is not UNSET else None
    for made in (output, variables):
        if made is not None:
            point.known = {**point.known, **made.read}
    if output is not None:
        code.change(point, output.source, owned=False)
        code.grown(point, value_growth(state.output))
        _learn(point, "si", output)
    elif given is not None:
        code.change(point, result, owned=False)
        code.grown(point, growth)
    if variables is not None:
        _bind(code, point, assign, variables)


def _bind(code: Code, point: Point, assign: dict[str, JSON], made: Inlined) -> None:
    """Make the new variables visible."""
    if point.data != "d" or made.parts is None:
        raise NotFused  # an inner scope, or more variables than a segment takes
    if code.recorded:
        point.assigned = code.named(made.source)
    if not point.bound:
        code.add(f"v = {{**v, {made.source[1:-1]}}}")
        point.bound = True
    else:
        for name, source in made.parts.items():
            code.add(f"v[{name!r}] = {source}")
    code.grown(point, value_growth(assign), kept=True)
    point.known = {place: local for place, local in point.known.items() if place[0] != "v" or place[1] not in assign}
    _learn(point, "v", made)


def _learn(point: Point, root: str, made: Inlined) -> None:
    """The members of a new object are in local names."""
    point.known = {**point.known, **{(root, name): local for name, local in made.members.items()}}


def _prefix(code: Code) -> str:
    return f"j{code.emitter.temporary()}"
