"""First lines of docstrings: they say what a thing does or is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "express"

CLAUSES = ("What", "Who", "Whether", "How", "Where", "When", "Why")
"""Words that begin a clause, which is no sentence."""


def first_words(file: Path) -> Iterator[tuple[int, str]]:
    """Line and first word of the docstrings of modules, classes and functions, and of those behind assignments."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        body = getattr(node, "body", None)
        for at, part in enumerate(body if isinstance(body, list) else ()):
            text = part.value.value if isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) else None
            documents = at == 0 or isinstance(body[at - 1], ast.Assign | ast.AnnAssign)
            if isinstance(text, str) and documents and text.split():
                yield part.lineno, text.split()[0]


@pytest.mark.parametrize("folder", sorted(p.name for p in PACKAGE.iterdir() if p.is_dir() or p.suffix == ".py"))
def test_no_first_line_is_a_clause(folder: str) -> None:
    """`Return whether …` is a sentence, `Whether …` is none."""
    place = PACKAGE / folder
    files = [place] if place.is_file() else sorted(place.rglob("*.py"))
    found = [
        f"{f.relative_to(PACKAGE)}:{line}: {word}" for f in files for line, word in first_words(f) if word in CLAUSES
    ]
    assert found == []
