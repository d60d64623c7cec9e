"""Python source text of JSONPath expressions: names, constants, locals, and paths.

The text is optimistic. It may raise anything (KeyError, TypeError, IndexError, Refused …) where the exact closure
would do something else than give the plain value; whoever runs it then evaluates the closure instead, which knows
nulls for absent elements, causes and error names. Where the text does not raise, it gives what the closure gives: a
property test holds it to that. So a subscript is only emitted where Python's means JSON's (`"abc"[0]` does not), and
types are told apart by `type`.

The text reads the data as `d`, the Context object as `c` and the variables as `v`. Nothing of a definition becomes
text but by `repr` of JSON scalars; all else is bound by name. None for what has no such form: filters, wildcards,
chance.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Mapping
from functools import lru_cache
from keyword import iskeyword
from typing import TypeAlias, cast

from express.expr.jsonpath.nodes import Path
from express.values import JSON, size

MAX_DEPTH = 20
"""Deepest nesting of displays, calls and rules that becomes text: CPython's parser ends at 200 brackets."""

MAX_PARTS = 200
"""Most members of one template that become text."""

SHORT = 64
"""Characters of a constant whose size is remembered."""

MARK = "\x01"
"""Stands around a name in text that is not complete; `repr` never lets it through."""

_MARKED = re.compile(f"{MARK}(\\w+){MARK}")

_SCALARS = (type(None), bool, int, float, str)
_ROOTS = {"$$": "c"}

Reads: TypeAlias = Mapping[tuple[str | int, ...], str]
"""The locals that have what is at a path: the name that the path begins at, and its keys."""


class Made(dict[str, "str | Made"]):
    """An object that nobody has wanted as a whole yet: its members, in locals, constants and others of its kind."""

    __slots__ = ()


Value: TypeAlias = str | Made
"""The text of a value that holds wherever it is read: a local that is set once, a constant, or Made of such."""

_NO_FIELDS = Made()


def display(value: Value) -> str:
    """Text that makes the value.

    >>> display(Made(a="x1", b=Made(c="1")))
    "{'a': x1, 'b': {'c': 1}}"
    """
    if isinstance(value, str):
        return value
    return f"{{{', '.join(f'{name!r}: {display(part)}' for name, part in value.items())}}}"


class Symbols:
    """The names of all text of a machine: `constants` that it finds as globals, and what has got a local.

    `sources` are the texts of the paths that were read, by the local that has what they lead to.
    """

    def __init__(self) -> None:
        self.constants: dict[str, object] = {}
        self.sources: dict[str, str] = {}
        self._again: set[str] = set()
        self._names: dict[int, str] = {}
        self._temporaries = 0

    def bind(self, value: object) -> str:
        """The name under which the text finds `value`; one object has one name."""
        name = self._names.get(id(value))
        if name is None:
            name = self._names[id(value)] = f"k{len(self.constants)}"
            self.constants[name] = value
        return name

    def temporary(self) -> str:
        """A local name that no other part of the text uses."""
        self._temporaries += 1
        return f"t{self._temporaries}"

    def constant(self, value: JSON) -> str:
        """The text of a constant: scalars as they are, objects and arrays by name."""
        return repr(value) if type(value) in _SCALARS else self.bind(value)

    def first(self, source: str) -> tuple[str, str]:
        """A path that is read for the first time: its marked text, and the local that it gets if it is read again."""
        name = f"x{len(self.sources) + 1}"
        self.sources[name] = source
        return f"{MARK}{name}{MARK}", name

    def again(self, name: str) -> str:
        """A path that is read again: its local."""
        self._again.add(name)
        return name

    def twice(self, source: str) -> tuple[str, str]:
        """A value that is wanted more than once: its text the first time, and its name from then on."""
        if is_local(source):
            return source, source
        marked = _MARKED.fullmatch(source)
        if marked is not None:
            return source, self.again(marked[1])
        name = self.temporary()
        return f"({name} := {source})", name

    def complete(self, text: str) -> str:
        """A text without marks: where a path was read again, its first reading gives it a local."""
        return _MARKED.sub(self._read_first, text)

    def _read_first(self, marked: re.Match[str]) -> str:
        name = marked[1]
        source = self.complete(self.sources[name])
        return f"({name} := {source})" if name in self._again else source


class Emitter:
    """Writes one expression: knows where its data is, and what of that is in locals.

    `data` is the name that stands for the data (`$`). `fields` are members of the data that are in locals of their own
    instead, and `made` says that it has no others. `reads`, if not None: the locals that have what was read before.

    When the text is written, `reads` has what it has read, too; `used` are those of the names d, c and v that it uses,
    and `whole` says that it asks for all of the data, which then must not have `fields`.
    """

    __slots__ = ("data", "fields", "made", "reads", "symbols", "used", "whole")

    def __init__(
        self,
        symbols: Symbols | None = None,
        data: str = "d",
        *,
        fields: Mapping[str, Value] = _NO_FIELDS,
        made: bool = False,
        reads: Reads | None = None,
    ) -> None:
        self.symbols = Symbols() if symbols is None else symbols
        self.data = data
        self.fields = fields
        self.made = made
        self.reads = reads
        self.used: set[str] = set()
        self.whole = False

    def bind(self, value: object) -> str:
        """The name under which the text finds `value`."""
        return self.symbols.bind(value)

    def temporary(self) -> str:
        """A local name that no other part of the text uses."""
        return self.symbols.temporary()

    def constant(self, value: JSON) -> str:
        """The text of a constant."""
        return self.symbols.constant(value)

    def twice(self, source: str) -> tuple[str, str]:
        """A value that is wanted more than once: its text the first time, and its name from then on."""
        return self.symbols.twice(source)

    def held(self, chain: tuple[str | int, ...]) -> tuple[Value, tuple[str | int, ...]] | None:
        """Return what a path leads to among the fields, and what is left of it; None where it begins elsewhere."""
        value: Value | None = self.fields.get(cast("str", chain[0])) if chain else None
        if value is None:
            return None
        rest = chain[1:]
        while rest and isinstance(value, Made) and rest[0] in value:
            value, rest = value[cast("str", rest[0])], rest[1:]
        return value, rest

    def read(self, path: tuple[str | int, ...], source: str) -> str:
        """Text of what is at a path, whose own text is `source`: the first time it is read, and from then on."""
        if self.reads is None:
            return source
        name = self.reads.get(path)
        if name is not None:
            return self.symbols.again(name)
        text, name = self.symbols.first(source)
        self.reads = {**self.reads, path: name}
        return text


def path_source(path: Path, emitter: Emitter) -> str | None:
    """The text of a definite path without unions; None for any other.

    >>> from express.expr.jsonpath.syntax import parse
    >>> path_source(parse("$.a['b c']"), Emitter())
    "d['a']['b c']"
    """
    chain = path.chain
    if chain is None or len(chain) > MAX_DEPTH:
        return None
    root = emitter.data if path.root == "$" else _ROOTS.get(path.root)
    emitter.used.add(root or "v")
    text = root or f"v[{path.root!r}]"
    if path.root == "$" and (emitter.fields or emitter.made):
        text, chain = _held(text, chain, emitter)
    place: tuple[str | int, ...] = (text,)
    for key in chain:
        place = (*place, key)
        if type(key) is str:
            source = f"{text}[{key!r}]"
            text = emitter.read(place, source) if path.root == "$" else source
        else:
            held = emitter.temporary()
            text = f"({held}[{key}] if ({held} := {text}).__class__ is list else {emitter.bind(_no_list)}())"
    return text


def _held(text: str, chain: tuple[str | int, ...], emitter: Emitter) -> tuple[str, tuple[str | int, ...]]:
    """Return where a path begins, and what is left of it, when some members of the data are locals."""
    found = emitter.held(chain)
    if found is None:
        emitter.whole = emitter.whole or emitter.made or not chain or type(chain[0]) is not str
        return text, chain
    value, rest = found
    if rest and not is_local(value):  # a member that is not there
        emitter.whole = True
        return text, chain
    return display(value), rest


def is_local(value: Value) -> bool:
    """Return whether a value is in a local, so that Python may look into it."""
    return isinstance(value, str) and value.isidentifier() and not iskeyword(value)


def _no_list() -> None:
    """Refuse an index into something that is no array: the closure says why."""
    raise TypeError("not a list")


def is_scalar(source: str) -> bool:
    """Return whether a text is a constant without a name.

    >>> is_scalar("-1.5"), is_scalar("'a'"), is_scalar("[]"), is_scalar("x1")
    (True, True, False, False)
    """
    return scalar_size(source) is not None


def scalar_size(source: str) -> int | None:
    """Return the size of a constant without a name, None for any other text.

    >>> scalar_size("'a'"), scalar_size("None"), scalar_size("x1")
    (3, 4, None)
    """
    return (_known_size if len(source) < SHORT else _size_of)(source)


def _size_of(source: str) -> int | None:
    try:
        value = literal_eval(source)
    except (ValueError, SyntaxError):
        return None
    return None if isinstance(value, list | dict | tuple | set) else size(value)


_known_size = lru_cache(maxsize=4096)(_size_of)
