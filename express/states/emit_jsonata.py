"""JSONata in segments: Arguments, Output, Assign and conditions as text, and what is known from one state to the next.

A segment reads `$states.input` as `si`, the variables as `v`, and the answer as `sr` or the error output as `se`.
`Point.known` has the members of the data and the variables that are in local names; it changes with them.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from express.expr.growth import Growth, total
from express.expr.jsonata.compile import inner, parsed
from express.expr.jsonata.emitter import Code as Part
from express.expr.jsonata.fast import fast_form
from express.expr.jsonata.growth import value_growth
from express.expr.jsonata.inline import Inlined, inline
from express.expr.source import Made, Value, display
from express.states.segment import Code, NotFused, Point, mentions
from express.values import JSON

Given = tuple[str, str] | None
"""What there is besides the input and the variables: `sr` or `se`, and the local that has it."""

MOST_PARTS = 32
"""A larger object is made at once."""

SHORT = 500
"""Texts that are longer than this and their constant parts, all of one object's together, are seldom."""

CHARACTER = 6
"""Most bytes of a character in JSON text: an escape sequence."""

_NAMES = frozenset({"si", "sr", "se", "v"})


def condition(code: Code, point: Point, value: str) -> str:
    """Text of a Condition over `si` and `v`, which raises where it gives no boolean."""
    fast = fast_form(parsed(inner(value)), _prefix(code), point.known)
    if fast is None or fast.used - {"si", "v"} or fast.called & code.assigned:
        raise NotFused
    code.bind(fast.bound)
    _provide(code, point, fast.source)
    return fast.source if fast.kind == "boolean" else f"truth({fast.source})"


def evaluated(code: Code, point: Point, value: JSON, given: Given = None, *, also: Inlined | None = None) -> Inlined:
    """Write what a template or an expression needs; its text is `source`. `also`: what was evaluated just before."""
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
    _provide(code, point, *made.statements, made.source)
    for line in made.statements:
        code.add(line)
    return made


def _provide(code: Code, point: Point, *texts: str) -> None:
    """The input and the variables under the names that texts read them by."""
    if any(mentions(text, "v") for text in texts):
        code.spill(point)
    if any(mentions(text, "si") for text in texts) and not point.input:
        code.add(f"si = {code.whole(point)}")
        point.input = True
        point.owned = False


def _growth(code: Code, value: JSON, made: Inlined) -> Growth:
    """How large a template's value may be. Texts that were put together are looked at, and seldom long."""
    if type(value) is not dict or made.parts is None:
        return value_growth(value)
    texts = {name: value_growth(value[name]) for name, part in made.members.items() if _put_together(part, made)}
    if not texts or not texts.keys() <= value.keys():
        return value_growth(value)
    most = SHORT + sum(growth[1] for growth in texts.values() if growth is not None)
    code.add(f"if {' + '.join(f'len({made.members[name].source})' for name in texts)} > {most}: raise Large")
    others = value_growth({name: "" if name in texts else item for name, item in value.items()})
    return total([others], CHARACTER * most)


def _put_together(part: Part, made: Inlined) -> bool:
    """Whether a part is a text that was made here."""
    return part.kind == "string" and any(line.startswith(f"{part.source} = ") for line in made.statements)


def arguments(code: Code, point: Point, value: JSON) -> tuple[Value, Growth]:
    """What Arguments gives, and its growth."""
    made = evaluated(code, point, value)
    point.owned = False
    point.known = {**point.known, **made.read}
    return _value(code, made), value_growth(value)


def _value(code: Code, made: Inlined) -> Value:
    """An object in parts, any other value under a name."""
    if made.parts is None or len(made.parts) > MOST_PARTS:
        return code.named(made.source)
    return Made({name: code.lasting(source) for name, source in made.parts.items()})


def put(code: Code, state: Any, point: Point, result: Value, growth: Growth, phase: str = "sr") -> None:
    """Output and Assign, over `$states.input` and, under the name `phase`, the result or the error output."""
    given = (phase, display(result)) if result != point.data else None
    assign: Any = getattr(state, "assign", UNSET)
    point.assigned = None
    point.owned = False
    output = evaluated(code, point, state.output, given) if state.output is not UNSET else None
    variables = evaluated(code, point, assign, given, also=output) if assign is not UNSET else None
    for made in (output, variables):
        if made is not None:
            point.known = {**point.known, **made.read}
    parts = _value(code, variables) if variables is not None else None
    if output is not None:
        code.change(point, _value(code, output), owned=False)
        code.grown(point, _growth(code, state.output, output))
        _learn(point, "si", output)
    elif given is not None:
        code.change(point, result, owned=False)
        code.grown(point, growth)
    if variables is not None and parts is not None:
        _bind(code, point, assign, variables, parts)


def _bind(code: Code, point: Point, assign: dict[str, JSON], made: Inlined, parts: Value) -> None:
    """Make the new variables visible: as locals, until somebody wants all of them."""
    if point.data != "d" or isinstance(parts, str):
        raise NotFused  # an inner scope, or more variables than a segment takes
    if code.recorded:
        point.assigned = code.named(display(parts))
    point.variables = Made({**point.variables, **parts})
    if len(point.variables) > MOST_PARTS:
        code.spill(point)
    code.grown(point, _growth(code, assign, made), kept=True)
    point.known = {place: local for place, local in point.known.items() if place[0] != "v" or place[1] not in assign}
    _learn(point, "v", made)


def _learn(point: Point, root: str, made: Inlined) -> None:
    """The members of a new object are in local names."""
    point.known = {**point.known, **{(root, name): local for name, local in made.members.items()}}


def _prefix(code: Code) -> str:
    return f"j{code.emitter.temporary()}"
