"""Nodes of a parsed JSONPath: steps, and the conditions of filters."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from express.values import JSON

CURRENT = "@"
"""The root of paths inside filters that start at the node being tested."""


class Name(msgspec.Struct, frozen=True):
    """A member of an object, `.a` or `['a']`; several gather an object (last step) or fan out."""

    names: tuple[str, ...]


class Index(msgspec.Struct, frozen=True):
    """An element of an array, `[0]`, negative from the end; several fan out."""

    indexes: tuple[int, ...]


class Slice(msgspec.Struct, frozen=True):
    """A range of an array, `[start:stop:step]`, as in Python."""

    start: int | None
    stop: int | None
    step: int | None


class Wild(msgspec.Struct, frozen=True):
    """Every member or element, `.*` or `[*]`."""


class Descend(msgspec.Struct, frozen=True):
    """`..`: the node and all below it; the next step applies to each."""


class Literal(msgspec.Struct, frozen=True):
    """A constant inside a filter."""

    value: JSON


class Pattern(msgspec.Struct, frozen=True):
    """`/source/flags`, the right side of `=~`."""

    source: str
    flags: str


class Comparison(msgspec.Struct, frozen=True):
    """`left op right`; a single operand that must exist has `op` "exists"."""

    left: Operand
    op: str
    right: Operand


class Not(msgspec.Struct, frozen=True):
    """`!(condition)`."""

    condition: Condition


class Both(msgspec.Struct, frozen=True):
    """`a && b`."""

    conditions: tuple[Condition, ...]


class Either(msgspec.Struct, frozen=True):
    """`a || b`."""

    conditions: tuple[Condition, ...]


class Filter(msgspec.Struct, frozen=True):
    """`[?(condition)]`: elements of an array, or the object itself, for which the condition holds."""

    condition: Condition
    text: str


Step: TypeAlias = Name | Index | Slice | Wild | Descend | Filter
Condition: TypeAlias = Comparison | Not | Both | Either


class Path(msgspec.Struct, frozen=True):
    """A parsed path. `root` is "$", "$$", a variable's name, or "@" inside a filter; `place` is where it is written.

    `definite`: it denotes at most one value; the others yield an array of all they find. `reference`: it is a legal
    Reference Path, single names and indexes counted from the start only. `chain`: its subscripts, None if it is not a
    mere chain of them.
    """

    text: str
    root: str
    steps: tuple[Step, ...]
    definite: bool = True
    reference: bool = True
    chain: tuple[str | int, ...] | None = ()
    place: str = ""

    @property
    def whole(self) -> bool:
        """Return whether it is `$`, all of the data."""
        return self.root == "$" and not self.steps

    @property
    def shown(self) -> str:
        """The path as AWS names it in failures: a Context path loses its first `$`."""
        return self.text[1:] if self.root == "$$" else self.text


def path_of(text: str, root: str, steps: tuple[Step, ...]) -> Path:
    """Return the path of these steps, with what is known about it."""
    last = len(steps) - 1
    definite = reference = True
    chain: tuple[str | int, ...] | None = ()
    for i, step in enumerate(steps):
        single = (type(step) is Name and len(step.names) == 1) or (type(step) is Index and len(step.indexes) == 1)
        reference = reference and single and not (type(step) is Index and step.indexes[0] < 0)
        definite = definite and (single or (type(step) is Name and i == last))
        key = step.names[0] if type(step) is Name else step.indexes[0] if type(step) is Index else ""
        chain = (*chain, key) if single and chain is not None else None
    return Path(text, root, steps, definite, reference, chain)


WHOLE = path_of("$", "$", ())
"""`$`, what InputPath, OutputPath and ResultPath are where they are not given."""


Operand: TypeAlias = Path | Literal | Pattern | None
