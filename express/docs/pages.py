"""The pages of the documentation, in the order of the site's navigation (`zensical.toml`)."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent


class Page(NamedTuple):
    """A page: its name is its file's without `.md`."""

    name: str
    title: str
    section: str

    @property
    def file(self) -> Path:
        """The Markdown file of the page."""
        return FOLDER / f"{self.name}.md"

    def text(self) -> str:
        """Return the page as Markdown, without the comments that mark tables and examples for the tests."""
        return re.sub(r"^<!-- .*? -->\n", "", self.file.read_text(encoding="utf-8"), flags=re.MULTILINE)


def pages() -> dict[str, Page]:
    """Return every page by its name, in the order in which they are meant to be read."""
    navigation = tomllib.loads((FOLDER / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    found = {}
    for part in navigation:
        for section, entries in part.items():
            for title, file in (item for entry in entries for item in entry.items()):
                found[file.removesuffix(".md")] = Page(file.removesuffix(".md"), title, section)
    return found
