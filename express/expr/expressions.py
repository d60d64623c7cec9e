"""The parser of one definition: each text is parsed once, whoever asks for it and however often."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from express.errors import ExpressionError
from express.expr.intrinsics.syntax import Call, parse_call
from express.expr.jsonata.expression import Expression, parse_expression
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.syntax import parse

T = TypeVar("T")


class Expressions:
    """Paths, intrinsic calls and JSONata expressions by their text, parsed when they are first asked for.

    What does not parse raises the same ExpressionError each time.
    """

    def __init__(self) -> None:
        self._paths: dict[str, Path | ExpressionError] = {}
        self._calls: dict[str, Call | ExpressionError] = {}
        self._jsonata: dict[str, Expression | ExpressionError] = {}

    def path(self, text: str) -> Path:
        """Return a path."""
        return _once(self._paths, text, parse)

    def call(self, text: str) -> Call:
        """Return an intrinsic call."""
        return _once(self._calls, text, self._parse_call)

    def jsonata(self, text: str) -> Expression:
        """Return a JSONata expression, whose text has its delimiters."""
        return _once(self._jsonata, text, parse_expression)

    def _parse_call(self, text: str) -> Call:
        return parse_call(text, self.path)


def _once(known: dict[str, T | ExpressionError], text: str, parse_: Callable[[str], T]) -> T:
    found = known.get(text)
    if found is None:
        try:
            found = parse_(text)
        except ExpressionError as error:
            found = error
        known[text] = found
    if isinstance(found, ExpressionError):
        raise found.with_traceback(None)
    return found
