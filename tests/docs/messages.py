"""The texts of the code: whether a message that a page quotes is one that the code can print."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import express

HOLE = "\0"
"""Stands for a value that is put into a text."""


def exists(quoted: str) -> bool:
    """Whether the code has this text; `…` in it stands for anything.

    >>> exists("The record has no value (a tombstone)."), exists("The record has no valour.")
    (True, False)
    """
    wanted = re.compile(".*".join(re.escape(part) for part in quoted.split("…")), re.DOTALL)
    return any(wanted.search(text) for text in texts())


@cache
def texts() -> tuple[str, ...]:
    """Return every text in the package."""
    folder = Path(express.__file__).parent
    return tuple(text for file in sorted(folder.rglob("*.py")) for text in texts_of(file))


def texts_of(file: Path) -> Iterator[str]:
    """Yield every text of a module but its docstrings; values that are put into one are left open."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree))
    inner = {id(value) for node in nodes if isinstance(node, ast.JoinedStr) for value in node.values}
    inner |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        text = None if id(node) in inner else text_of(node)
        if text is not None:
            yield text


def text_of(node: ast.AST) -> str | None:
    """Return a text as it is written, holes in the places of values; None for what is no text."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else HOLE for v in node.values)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[.\d]*[sdrf]", HOLE, node.value)
    return None
