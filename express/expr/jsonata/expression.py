"""A JSONata expression once it is parsed."""

from __future__ import annotations

import msgspec

from express.expr.jsonata.errors import JsonataError, JsonataSyntaxError
from express.expr.jsonata.evaluator import compile_text
from express.expr.jsonata.nodes import Node, Pattern, walk
from express.expr.jsonata.parser import parse
from express.expr.jsonata.references import References, references

_BLANK = " \t\n\r\v\f"


class Expression(msgspec.Struct, frozen=True):
    """An expression: its text with the delimiters, what stands between them as AWS shows it, and its tree.

    `place` is the JSON pointer of where it is written.
    """

    text: str
    source: str
    tree: Node
    references: References
    place: str = ""


def is_expression(value: object) -> bool:
    """Return whether `value` is an expression: a string that begins with `{%` and ends with `%}`, no blanks outside."""
    return type(value) is str and len(value) >= 4 and value.startswith("{%") and value.endswith("%}")


def source_of(text: str) -> str:
    """Return what stands between the delimiters, as AWS shows it."""
    return text[2:-2].strip(_BLANK)


def parse_expression(text: str) -> Expression:
    """Parse an expression with its delimiters; raises JsonataSyntaxError."""
    source = source_of(text)
    tree = parse(source)
    return Expression(text, source, tree, references(tree))


def check_patterns(expression: Expression) -> None:
    """Raise JsonataSyntaxError for a regular expression that does not compile."""
    if any(type(part) is Pattern for part in walk(expression.tree)):
        try:
            compile_text(expression.source)
        except JsonataError as error:
            raise JsonataSyntaxError(error.code or "", error.message, error.position or 0, error.token) from None
