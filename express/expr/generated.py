"""From generated text to Python's code: the one place where that is compiled, within bounds.

What Python cannot take (nested too deeply, too long, a number with too many digits) or warns of has no fast form: the
table of rows and the closures of its expressions are there for it. Emitters keep clear of all that by themselves;
this is what holds where one of them does not.
"""

from __future__ import annotations

import re
import warnings
from threading import Lock
from types import CodeType

LONGEST_TEXT = 400_000
"""Characters of text that are compiled at once: half a second, and a hundred megabytes for a moment."""

LONGEST_LINE = 40_000
DEEPEST_LINE = 80
"""Most brackets that are open at once in a line: CPython's tokenizer ends at 200, and its stack before that."""

_STRING = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_BRACKETS = re.compile(r"[()\[\]{}]")
_LOCK = Lock()


def fits(line: str) -> bool:
    """Return whether a line of generated text is neither too long nor too deeply nested to be compiled.

    >>> fits("x = f(a[0])"), fits("(" * 90 + ")" * 90), fits("'" + "(" * 90 + "'")
    (True, False, True)
    """
    if len(line) > LONGEST_LINE:
        return False
    if line.count("(") + line.count("[") + line.count("{") <= DEEPEST_LINE:
        return True
    depth = 0
    for bracket in _BRACKETS.findall(_STRING.sub("", line)):
        depth += 1 if bracket in "([{" else -1
        if depth > DEEPEST_LINE:
            return False
    return True


def code_of(text: str, filename: str) -> CodeType | None:
    """Return the code of generated text; None where Python does not take it, or would warn of it."""
    if len(text) > LONGEST_TEXT:
        return None
    try:
        with _LOCK, warnings.catch_warnings():
            warnings.simplefilter("error")
            return compile(text, filename, "exec")
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError, Warning):
        return None
