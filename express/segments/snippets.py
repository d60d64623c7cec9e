"""Small questions about pieces of generated text."""

from __future__ import annotations

import re

from express.expr.python.emitter import Made, display, is_scalar

_ONCE = re.compile(r"[jkotx]_?\w+|None|True|False")
"""The names that are set once: temporaries and constants. Others (`d`, `v`, `r`, `si` …) change."""


def extended(base: str, fields: Made) -> str:
    """Text of an object with more members.

    >>> extended("d", Made(a="x1"))
    "{**d, 'a': x1}"
    """
    return f"{{**{base}, {display(fields)[1:-1]}}}"


def mentions(text: str, name: str) -> bool:
    """Tell if a name may be read in a text; a string that holds the word counts, too."""
    return re.search(rf"\b{name}\b", text) is not None


def is_lasting(source: str) -> bool:
    """Tell if a text is a local that is set once, or a scalar.

    >>> is_lasting("t_1"), is_lasting("'word'"), is_lasting("d"), is_lasting("d['x']"), is_lasting("[]")
    (True, True, False, False, False)
    """
    return _ONCE.fullmatch(source) is not None if source.isidentifier() else is_scalar(source)
