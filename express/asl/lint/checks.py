"""What lint asks of the expression compilers, as functions handed in: `asl` and `expr` do not know each other.

`express.states.checks` makes the real ones. Without them lint looks at the outside of an expression only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

import msgspec

from express.asl.resources import Resource
from express.errors import ExpressionError
from express.values import JSON


class PathFacts(msgspec.Struct, frozen=True):
    """What is known about a path: whether it denotes one node, and where it starts.

    `root` is `$` (state data), `$$` (Context object) or the name of a variable.
    """

    reference: bool
    root: str = "$"


class JsonataFacts(msgspec.Struct, frozen=True):
    """What a JSONata expression reads.

    `bare` are names and `$`/`$$` used where no context item is; `states` the members of `$states` that are read
    by name; `variables` the variables that the expression does not bind itself and that are no functions;
    `functions` the called functions that there are not.
    """

    bare: tuple[str, ...] = ()
    states: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    functions: frozenset[str] = frozenset()


class JsonataProblem(ExpressionError):
    """A JSONata expression that does not parse; the text is the parser's, without its code.

    `position` is where the parser stopped, in characters, -1 if it is not known.
    """

    def __init__(self, message: str, position: int = -1) -> None:
        self.position = position
        super().__init__(message)


UnknownMember = tuple[str, str, Collection[str]]
"""JSON pointer of the object below the parameters, the field that it may not have, the names that it may."""


def plain(field: str) -> str:
    """Return the name of a field without the `.$` that marks a path or an intrinsic call."""
    return field.removesuffix(".$")


def any_member(resource: Resource, parameters: JSON) -> Iterable[UnknownMember]:
    """Find nothing: no service's model is at hand."""
    return ()


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """The three expression languages, each of which raises ExpressionError for what it can't compile; parameters."""

    path: Callable[[str], PathFacts]
    intrinsic: Callable[[str], tuple[PathFacts, ...]]
    """The paths that a call reads."""
    jsonata: Callable[[str], JsonataFacts]
    functions: frozenset[str] = frozenset()
    """Names of the intrinsic functions, for "did you mean"."""
    members: Callable[[Resource, JSON], Iterable[UnknownMember]] = any_member
    """The names in a Task's parameters that its resource does not take."""


_PATH = re.compile(r"\$(?:\$|[^\W\d]\w*)?(?=[.\[]|\Z)")
_CALL = re.compile(r"States\.[A-Za-z0-9]+\(")
_STEPS = re.compile(r"(?:\.?\[(?:'[^']*'|\"[^\"]*\"|\d+)\]|\.[^.\[\]*@,:?()]+)*\Z")


def outline_path(text: str) -> PathFacts:
    """Judge a path by its start alone."""
    match = _PATH.match(text)
    if match is None:
        raise ExpressionError(f"{text!r} is no path")
    root = match[0] if match[0] in ("$", "$$") else match[0][1:]
    return PathFacts(_STEPS.match(text, match.end()) is not None, root)


def outline_intrinsic(text: str) -> tuple[PathFacts, ...]:
    """Judge an intrinsic call by its start and end alone."""
    if _CALL.match(text) is None or not text.endswith(")"):
        raise ExpressionError(f"{text!r} is no call")
    return ()


def outline_jsonata(text: str) -> JsonataFacts:
    """Know nothing about a JSONata expression but that it is not empty."""
    if not text.strip():
        raise JsonataProblem("Unexpected end of expression")
    return JsonataFacts()


OUTLINE = Checks(path=outline_path, intrinsic=outline_intrinsic, jsonata=outline_jsonata)
"""Checks that know no grammar."""
