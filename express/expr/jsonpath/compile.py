"""Paths compiled: InputPath, OutputPath, ResultPath and whatever else reads by a path (States Language, "Filters").

What a miss means depends on where the path stands, so `compile_reader` takes that as a function and only calls it
after the guarded chain of subscripts has failed: 99 of 100 published paths are such chains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn, TypeAlias

from express.errors import RESULT_PATH_MATCH_FAILURE, RUNTIME, ExpressionError, StatesError
from express.expr.jsonpath.budget import shown
from express.expr.jsonpath.nodes import Descend, Index, Path
from express.expr.jsonpath.select import Miss, Select, compile_select
from express.expr.jsonpath.syntax import parse
from express.expr.scope import Read, Scope
from express.expr.size_growth import SAME, Growth, Reader, Writer, reader, writer
from express.values import JSON, size

__all__ = [
    "Miss",
    "Path",
    "compile_input_path",
    "compile_path",
    "compile_reader",
    "compile_result_path",
    "parse",
    "path_growth",
    "root_of",
]

Recover: TypeAlias = Callable[[JSON, Scope, Miss], JSON]
"""(data, scope, miss) → the value a miss stands for here, or raises StatesError."""

UNKNOWN_VARIABLE = "the variable has no value"


def compile_path(path: Path, field: str) -> Reader:
    """A path that must find something; a miss is States.Runtime `Invalid path '…' : …`.

    >>> compile_path(parse("$.a.b"), "InputPath")({"a": {"b": 1}}, None)
    1
    """

    def recover(data: JSON, scope: Scope, miss: Miss) -> JSON:
        if miss.null:
            return None
        raise StatesError(RUNTIME, f"Invalid path '{path.shown}' : {miss.reason}", located=True)

    return reader(compile_reader(path, recover), path_growth(path))


def compile_input_path(path: Path | None, field: str) -> Reader | None:
    """InputPath or OutputPath: None where the path is `$` and so nothing is to do; null reads as `{}`."""
    if path is None:
        return reader(lambda data, scope: {}, (0, 2))
    return None if path.whole else compile_path(path, field)


def path_growth(path: Path) -> Growth:
    """Return how much larger than the data the selected value can be; None where it is not part of the data."""
    if path.root != "$" or any(type(step) is Descend for step in path.steps):
        return None
    indexes = [len(step.indexes) for step in path.steps if type(step) is Index]
    if path.definite:
        return (1, 2) if indexes else SAME
    times = 1
    for count in indexes:
        times *= 2 * count
    return times, 2


def root_of(path: Path) -> Callable[[JSON, Scope], JSON]:
    """The function that gives the document a path starts from; raises Miss for an unknown variable."""
    name = path.root
    if name == "$":
        return lambda data, scope: data
    if name == "$$":
        return lambda data, scope: scope.context()

    def variable(data: JSON, scope: Scope) -> JSON:
        variables: Mapping[str, JSON] = scope.variables()
        if name not in variables:
            raise Miss(UNKNOWN_VARIABLE)
        return variables[name]

    return variable


def compile_reader(path: Path, recover: Recover) -> Read:
    """The fastest function for `path`; when it finds nothing, the answer is `recover`'s."""
    chain = path.chain
    select = compile_select(path)
    if path.root == "$" and chain is not None:
        return _chain(chain, select, recover)
    root = root_of(path)
    if chain is not None:
        return _rooted(chain, root, select, recover)

    def read(data: JSON, scope: Scope) -> JSON:
        try:
            return select(root(data, scope), scope)
        except Miss as miss:
            return recover(data, scope, miss)

    return read


def _chain(chain: tuple[str | int, ...], select: Select, recover: Recover) -> Read:
    """Guarded subscripts. An index is only tried on a list: `"abc"[0]` is a value in Python, and none here."""

    def missed(data: JSON, scope: Scope) -> JSON:
        try:
            return select(data, scope)
        except Miss as miss:
            return recover(data, scope, miss)

    if any(type(key) is int for key in chain):
        return _indexed(chain, missed)
    if not chain:
        return lambda data, scope: data
    if len(chain) > 3:
        return _long(chain, missed)
    return (_one, _two, _three)[len(chain) - 1](chain, missed)


def _one(chain: tuple[str | int, ...], missed: Read) -> Read:
    (a,) = chain

    def read(data: JSON, scope: Scope) -> JSON:
        try:
            return data[a]
        except (KeyError, TypeError):
            return missed(data, scope)

    return read


def _two(chain: tuple[str | int, ...], missed: Read) -> Read:
    a, b = chain

    def read(data: JSON, scope: Scope) -> JSON:
        try:
            return data[a][b]
        except (KeyError, TypeError):
            return missed(data, scope)

    return read


def _three(chain: tuple[str | int, ...], missed: Read) -> Read:
    a, b, c = chain

    def read(data: JSON, scope: Scope) -> JSON:
        try:
            return data[a][b][c]
        except (KeyError, TypeError):
            return missed(data, scope)

    return read


def _long(chain: tuple[str | int, ...], missed: Read) -> Read:
    def read(data: JSON, scope: Scope) -> JSON:
        node = data
        try:
            for key in chain:
                node = node[key]
        except (KeyError, TypeError):
            return missed(data, scope)
        return node

    return read


def _indexed(chain: tuple[str | int, ...], missed: Read) -> Read:
    steps = tuple((key, type(key) is int) for key in chain)

    def read(data: JSON, scope: Scope) -> JSON:
        node = data
        try:
            for key, indexed in steps:
                if indexed and type(node) is not list:
                    return missed(data, scope)
                node = node[key]
        except (KeyError, TypeError, IndexError):
            return missed(data, scope)
        return node

    return read


def _rooted(chain: tuple[str | int, ...], root: Read, select: Select, recover: Recover) -> Read:
    """The same from the Context object or a variable."""
    steps = tuple((key, type(key) is int) for key in chain)

    def read(data: JSON, scope: Scope) -> JSON:
        try:
            node = document = root(data, scope)
            try:
                for key, indexed in steps:
                    if indexed and type(node) is not list:
                        raise TypeError
                    node = node[key]
            except (KeyError, TypeError, IndexError):
                return select(document, scope)
        except Miss as miss:
            return recover(data, scope, miss)
        return node

    return read


# ---- ResultPath


def compile_result_path(path: Path | None) -> Writer:
    """ResultPath: (raw input, result) → the output before OutputPath; null keeps the raw input.

    Missing objects are made, array elements must exist, nothing is changed in place.

    >>> compile_result_path(parse("$.a.b"))({"a": {"c": 1}}, 2)
    {'a': {'c': 1, 'b': 2}}

    Raises ExpressionError for what is no Reference Path into the data.
    """
    if path is None:
        return writer(lambda raw, result: raw, (0, 0))
    chain = path.chain
    if path.root != "$" or not path.reference or chain is None:
        raise ExpressionError(f"The value for the field 'ResultPath' must be a valid Reference Path: {path.text}")
    plus = sum(size(key) + 4 for key in chain)
    if not chain:
        return writer(lambda raw, result: result, (0, 0))
    if len(chain) == 1 and type(chain[0]) is str:
        return writer(_put_member(chain[0]), (1, plus))
    return writer(lambda raw, result: _put(raw, chain, 0, result, raw), (1, plus))


def _put_member(name: str) -> Callable[[JSON, JSON], JSON]:
    def write(raw: JSON, result: JSON) -> JSON:
        if type(raw) is not dict:
            _conflict(name, raw)
        return {**raw, name: result}

    return write


def _put(node: JSON, chain: tuple[str | int, ...], depth: int, result: JSON, raw: JSON) -> JSON:
    key = chain[depth]
    last = depth + 1 == len(chain)
    if type(key) is str:
        if type(node) is not dict:
            _conflict(key, raw)
        below = result if last else _put(node.get(key, {}), chain, depth + 1, result, raw)
        return {**node, key: below}
    assert type(key) is int
    if type(node) is not list or key >= len(node):
        _conflict(key, raw)
    copy = node.copy()
    copy[key] = result if last else _put(node[key], chain, depth + 1, result, raw)
    return copy


def _conflict(key: str | int, raw: JSON) -> NoReturn:
    """The text is AWS's ("Unable to apply step …", seen in published failures), the name the specification's."""
    raise StatesError(RESULT_PATH_MATCH_FAILURE, f'Unable to apply step "{key}" to input {shown(raw)}', located=True)
