"""JSONata values as statements of a larger function: what they read and make is held in local names.

Where one function holds several states, an expression often reads what an expression before it has read, checked
or made. `inline` gives each part of a template a local name with what is known of its value, and takes such names
for what it reads, so that each place is read once, each number is checked once, and the same expression in two
fields of a state is evaluated once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from express.expr.jsonata import nodes as n
from express.expr.jsonata import support
from express.expr.jsonata.compile import MAX_FUSED, fast_value
from express.expr.jsonata.emitter import Code, Emitter, Known, Unsupported, is_name
from express.expr.jsonata.expression import Expression
from express.expr.jsonata.generate_paths import MEMBERS, bare_path
from express.expr.jsonata.generated import Fast, fast_emitter
from express.expr.jsonata.numbers import EXACT
from express.expr.jsonata.sharing import Sharing
from express.expr.tree import Literal, Node, members_of

_LASTING = frozenset({"integer", "string", "boolean"})
"""Kinds that are worth remembering: the others are looked at where they are used."""


@dataclass(slots=True)
class Inlined:
    """A value as text: `statements` to run first, `source` of the value, and what is known then.

    `parts`: the text of each member of an object made here, and `members` those that are in a local name; `read`:
    places that have a local name now; `seen`: expressions that have one, as long as neither data nor variables
    change. `used`, `bound` and `called` are those of `Fast`.
    """

    statements: list[str] = field(default_factory=list)
    source: str = ""
    parts: dict[str, str] | None = None
    members: dict[str, Code] = field(default_factory=dict)
    read: dict[tuple[str, str], Code] = field(default_factory=dict)
    seen: dict[str, Code] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    bound: dict[str, Any] = field(default_factory=dict)
    called: set[str] = field(default_factory=set)


def inline(value: Node, prefix: str, known: Known, seen: Mapping[str, Code]) -> Inlined | None:
    """A template or an expression; None where it has no fast form. New names begin with `prefix`.

    `seen` are expressions that were evaluated over the same data and variables.
    """
    of_any_kind = {place: Code(code.source, clean=True) for place, code in known.items()}
    for names in (known, of_any_kind):  # an operand that is known to be of the wrong kind fails when it is run
        inliner = _Inliner(prefix, names, seen)
        try:
            inliner.value(value)
        except Unsupported:
            continue
        return inliner.out
    return None


class _Inliner:
    """One value on its way to statements."""

    def __init__(self, prefix: str, known: Known, seen: Mapping[str, Code]) -> None:
        self.out = Inlined(seen=dict(seen))
        self._prefix = prefix
        self._known = dict(known)
        self._parts = 0

    def value(self, value: Node) -> None:
        """Fill `out`."""
        out = self.out
        pairs = dict(self._pairs(value))
        if pairs or members_of(value) is not None:
            out.parts = {key: code.source for key, code in pairs.items()}
            out.members = {key: code for key, code in pairs.items() if is_name(code.source)}
            out.source = f"{{{', '.join(f'{key!r}: {text}' for key, text in out.parts.items())}}}"
        else:
            out.source = self._item(value).source

    def _pairs(self, value: Node) -> Iterator[tuple[str, Code]]:
        """The members of an object that the template, or its one expression, makes."""
        members = members_of(value)
        if members is not None:
            for key, item in members.items():
                yield key, self._item(item)
        elif type(value) is Expression:
            node = value.tree
            if type(node) is n.Object and node.bare():
                keys = [key.value for key, _ in node.pairs if type(key) is n.Text and key.bare()]
                if len(set(keys)) < len(node.pairs):
                    raise Unsupported
                for key, (_, part) in zip(keys, node.pairs, strict=True):
                    yield key, self._leaf(part, None)

    def _item(self, value: Node) -> Code:
        """One member of a template."""
        self._parts += 1
        if self._parts > MAX_FUSED:
            raise Unsupported
        if type(value) is Expression:
            found = self.out.seen.get(value.source)
            return found or self._leaf(value.tree, value.source)
        fast = fast_value(value, f"{self._prefix}_{self._parts}_")
        if fast is None:
            raise Unsupported
        self._collect(fast)
        return Code(fast.source, clean=type(value) is not Literal or type(value.value) is not float)

    def _leaf(self, node: n.Node, text: str | None) -> Code:
        """An expression: a name that has its value already, or a new one."""
        if Sharing(node).places:
            raise Unsupported
        self._parts += 1
        name = f"{self._prefix}_{self._parts}"
        emitter = fast_emitter(f"{name}_", self._known)
        emitter.outermost = False
        code = self._named(name, emitter, emitter.emit(node))
        self._collect(Fast("", used=frozenset(emitter.used), bound=emitter.bound, called=frozenset(emitter.called)))
        if text is not None:
            self.out.seen[text] = code
        place = _place(node)
        if place is not None:
            self.out.read[place] = self._known[place] = code
        return code

    def _named(self, name: str, emitter: Emitter, made: Code) -> Code:
        if made.clean and is_name(made.source):
            return made
        add = self.out.statements.append
        add(f"{name} = {made.source}")
        if made.kind == "number":
            exact = emitter.helper(support.exact)
            add(f"if {name}.__class__ is not int or not {-EXACT} <= {name} <= {EXACT}: {name} = {exact}({name})")
            return Code(name, "integer", clean=True)
        if made.kind == "any" and not made.clean:
            fix = emitter.helper(support.fix)
            add(f"if {name}.__class__ is float and {name}.is_integer(): {name} = {fix}({name})")
        return Code(name, made.kind if made.kind in _LASTING else "any", clean=True)

    def _collect(self, fast: Fast) -> None:
        self.out.used |= fast.used
        self.out.bound.update(fast.bound)
        self.out.called |= fast.called


def _place(node: n.Node) -> tuple[str, str] | None:
    """Return what a bare `$x` or `$states.input.x` reads, as `Known` names it."""
    path = bare_path(node)
    if path is None:
        return None
    base, names = path
    if not base.startswith("states."):
        return ("v", base) if not names else None
    member = MEMBERS[base.removeprefix("states.")]
    return (member, names[0]) if len(names) == 1 else None
