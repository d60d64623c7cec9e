"""JSONata in segments: Arguments, Output, Assign and conditions as text, and what is known from one state to the next.

A segment reads `$states.input` as `si`, the variables as `v`, and the answer as `sr` or the error output as `se`.
`Point.known` has the members of the data and the variables that are in local names; it changes with them.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from express.expr.jsonata import Expression
from express.expr.jsonata.emitter import Code as Part
from express.expr.jsonata.generated import fast_form
from express.expr.jsonata.inline import Inlined, inline
from express.expr.jsonata.size_growth import value_growth
from express.expr.python.emitter import Made, Value, display
from express.expr.size_growth import Growth
from express.expr.tree import Literal, Node, members_of
from express.segments.cursor import Cursor
from express.segments.snippets import mentions
from express.segments.text import CHARACTER, NotOptimized, SegmentText

Given = tuple[str, str] | None
"""The value besides the input and the variables: `sr` or `se`, and the local that has it."""

MOST_PARTS = 32
"""A larger object is made at once."""

SHORT = 500
"""Texts that are longer than this and their constant parts, all of one object's together, are seldom."""

_NUMBER = (0, 32)

_NAMES = frozenset({"si", "sr", "se", "v"})


def condition(code: SegmentText, point: Cursor, value: Expression) -> str:
    """Text of a Condition over `si` and `v`, which raises where it gives no boolean."""
    fast = fast_form(value.tree, _prefix(code), point.known)
    if fast is None or fast.used - {"si", "v"} or fast.called & code.assigned:
        raise NotOptimized
    code.bind(fast.bound)
    _provide(code, point, fast.source)
    return fast.source if fast.kind == "boolean" else f"truth({fast.source})"


def evaluated(
    code: SegmentText, point: Cursor, value: Node, given: Given = None, *, also: Inlined | None = None
) -> Inlined:
    """Write what a template or an expression needs; its text is `source`. `also`: what was evaluated just before."""
    known = point.known if also is None else {**point.known, **also.read}
    made = inline(value, _prefix(code), known, also.seen if also else {})
    if made is None or made.used - _NAMES or made.called & code.assigned:
        raise NotOptimized
    wanted = made.used & {"sr", "se"}
    if wanted:
        if given is None or wanted != {given[0]}:
            raise NotOptimized
        code.add(f"{given[0]} = {given[1]}")
    code.bind(made.bound)
    _provide(code, point, *made.statements, made.source)
    for line in made.statements:
        code.add(line)
    return made


def _provide(code: SegmentText, point: Cursor, *texts: str) -> None:
    """The input and the variables under the names that texts read them by."""
    if any(mentions(text, "v") for text in texts):
        code.spill(point)
    if any(mentions(text, "si") for text in texts) and not point.input:
        code.add(f"si = {code.whole(point)}")
        point.input = True
        point.owned = False


def arguments(code: SegmentText, point: Cursor, value: Node) -> tuple[Value, Growth]:
    """Return what Arguments gives, and its growth."""
    made = evaluated(code, point, value)
    point.owned = False
    point.known = {**point.known, **made.read}
    return _value(code, point, value, made), value_growth(value)


def _value(code: SegmentText, point: Cursor, template: Node, made: Inlined) -> Value:
    """An object in parts whose sizes are bounded, any other value under a name."""
    if made.parts is None or len(made.parts) > MOST_PARTS:
        return code.named(made.source)
    parts = Made({name: code.lasting(source) for name, source in made.parts.items()})
    members = members_of(template)
    if members is not None:
        growths = {name: value_growth(item) for name, item in members.items()}
        growths |= {name: _NUMBER for name, part in made.members.items() if part.kind in ("integer", "boolean")}
        growths |= _texts(code, made, growths)
        for name, part in parts.items():
            code.bounds.born(point, str(part), growths[name])
    return parts


def _texts(code: SegmentText, made: Inlined, growths: dict[str, Growth]) -> dict[str, Growth]:
    """Texts that were put together here are looked at, and seldom long."""
    texts = {name: part.source for name, part in made.members.items() if _put_together(part, made)}
    most = SHORT + sum(growth[1] for name in texts if (growth := growths[name]) is not None)
    if not texts or not code.short([*texts.values()], most):
        return {}
    return dict.fromkeys(texts, (0, CHARACTER * most))


def _put_together(part: Part, made: Inlined) -> bool:
    """Return whether a part is a text that was made here."""
    return part.kind == "string" and any(line.startswith(f"{part.source} = ") for line in made.statements)


def assigning(state: Any) -> Node | UnsetType:
    """Return Assign, unless it is empty, which tells nothing."""
    given: Node | UnsetType = getattr(state, "assign", UNSET)
    return UNSET if isinstance(given, Literal) and not given.value else given


def put(code: SegmentText, state: Any, point: Cursor, result: Value, growth: Growth, phase: str = "sr") -> None:
    """Output and Assign, over `$states.input` and, under the name `phase`, the result or the error output."""
    given = (phase, display(result)) if result != point.data else None
    assign = assigning(state)
    point.assigned = None
    point.owned = False
    output = evaluated(code, point, state.output, given) if state.output is not UNSET else None
    variables = None if isinstance(assign, UnsetType) else evaluated(code, point, assign, given, also=output)
    for made in (output, variables):
        if made is not None:
            point.known = {**point.known, **made.read}
    parts = None if isinstance(assign, UnsetType) or variables is None else _value(code, point, assign, variables)
    if output is not None:
        value = _value(code, point, state.output, output)
        code.change(point, value, owned=False)
        code.grown(point, value_growth(state.output), value)
        _learn(point, "si", output)
    elif given is not None:
        code.change(point, result, owned=False)
        code.grown(point, growth, result)
    if variables is not None and parts is not None and not isinstance(assign, UnsetType):
        _bind(code, point, assign, variables, parts)


def _bind(code: SegmentText, point: Cursor, assign: Node, made: Inlined, parts: Value) -> None:
    """Make the new variables visible: as locals, until somebody wants all of them."""
    if point.data != "d" or isinstance(parts, str):
        raise NotOptimized  # an inner scope, or more variables than a segment takes
    if code.recorded:
        point.assigned = code.named(display(parts))
    point.variables = Made({**point.variables, **parts})
    if len(point.variables) > MOST_PARTS:
        code.spill(point)
    code.grown(point, value_growth(assign), parts, kept=True)
    names = members_of(assign) or {}
    point.known = {place: local for place, local in point.known.items() if place[0] != "v" or place[1] not in names}
    _learn(point, "v", made)


def _learn(point: Cursor, root: str, made: Inlined) -> None:
    """The members of a new object are in local names."""
    point.known = {**point.known, **{(root, name): local for name, local in made.members.items()}}


def _prefix(code: SegmentText) -> str:
    return f"j{code.symbols.temporary()}"
