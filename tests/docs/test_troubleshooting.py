"""The page about messages: what it quotes is in the code, and what the code refuses to start with is on the page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import express
from tests.docs.messages import HOLE, exists, text_of
from tests.docs.tables import PAGES

PAGE = (PAGES / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^(?:\| )?`(.+?)` (?:\||in the log) ", PAGE, re.MULTILINE)
PACKAGE = Path(express.__file__).parent

APART = ("devbroker", "docs")
"""Folders whose messages are not those of a user's own set-up."""

RAISED = ("ConfigError", "PipelineStopped", "StoreError", "Problem", "UsageError", "BadParameter")


def said(file: Path) -> Iterator[str]:
    """Yield what a module refuses with, and what it logs as a warning or an error."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.rpartition(".")[2] in RAISED or re.fullmatch(r"log\.(warning|error|exception)", name):
                texts = [text_of(argument) for argument in node.args]
                yield from (text for text in texts if text is not None)


def test_quoted_messages_are_in_the_code() -> None:
    """Each message of the page can be printed."""
    assert len(QUOTED) > 150
    assert [message for message in QUOTED if not exists(message)] == []


def test_messages_of_the_code_are_on_the_page() -> None:
    """Each refusal, and each warning of a worker, has its row."""
    specific = [message for message in QUOTED if len(re.findall(r"\w", message)) > 3]
    rows = [re.compile(".*".join(map(re.escape, message.split("…"))), re.DOTALL) for message in specific]
    missing = [
        f"{file.relative_to(PACKAGE)}: {text.replace(HOLE, '…')}"
        for file in sorted(PACKAGE.rglob("*.py"))
        if file.relative_to(PACKAGE).parts[0] not in APART
        for text in said(file)
        if len(text.replace(HOLE, "").strip(" :;,.")) > 2 and not any(row.search(text) for row in rows)
    ]
    assert missing == []
