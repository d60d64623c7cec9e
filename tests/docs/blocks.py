"""The code blocks of a page, and what says how each is checked.

A block belongs to one of these, and `kind` says which:

- `file`: the paragraph before it ends with the file's name and a colon ("In `orders.asl.json`:");
- `session`: a `console` block: commands after `$ `, and below each what it prints;
- `elsewhere`: a comment before it names what checks it, `<!-- checked by: tests/docs/test_events.py -->`;
- else its language.

A comment `<!-- terminal: NAME -->` before a session gives it a terminal of its own, where its command goes on to
run; a later block `<!-- terminal: NAME, Ctrl-C -->` stops it there, and shows what it prints then.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(
    r"(?P<before>(?:^[^\n]+\n)*)\n*(?P<marks>(?:^<!-- [^\n]* -->\n)*)"
    r"^(?P<indent> *)```(?P<language>[\w-]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"`([\w./-]+\.(?:csv|jsonl?|py|toml|ya?ml))`:\s*$")
_MARK = re.compile(r"<!-- ([\w ]+): (.*?) -->")


class Block(NamedTuple):
    """A fenced block: where it begins, what stands in it, and what was said before it."""

    page: Path
    line: int
    language: str
    text: str
    file: str
    marks: dict[str, str]

    @property
    def place(self) -> str:
        """The page and the line, for messages."""
        return f"{self.page.name}:{self.line}"

    @property
    def kind(self) -> str:
        """How the block is checked."""
        if "checked by" in self.marks:
            return "elsewhere"
        if self.file:
            return "file"
        return "session" if self.language == "console" else self.language


def blocks(page: Path) -> list[Block]:
    """Return every code block of a page."""
    whole = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(whole):
        named = _FILE.search(match["before"])
        line = whole.count("\n", 0, match.start("language")) + 1
        marks = dict(_MARK.findall(match["marks"]))
        found.append(Block(page, line, match["language"], match["text"], named[1] if named else "", marks))
    return found
