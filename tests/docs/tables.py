"""Tables in the documentation that the code makes: `python -m tests.docs` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import express.docs
from express.config.schema import sections
from express.telemetry import metrics
from tests.docs.cli_reference import reference
from tests.docs.config_reference import table
from tests.docs.integrations_reference import actions, elsewhere

PAGES = Path(express.docs.__file__).parent
_MARKED = re.compile(r"<!-- table: ([\w-]+) -->\n.*?<!-- end -->", re.DOTALL)


def _maker(section: str) -> Callable[[], str]:
    return lambda: table(section)


MAKERS: dict[str, Callable[[], str]] = {
    **{section: _maker(section) for section in sections()},
    "metric-families": metrics.table,
    "commands": reference,
    "optimized-actions": actions,
    "optimized-elsewhere": elsewhere,
}


def filled(text: str) -> str:
    """A page with every marked table as the code has it now."""
    return _MARKED.sub(lambda match: f"<!-- table: {match[1]} -->\n{MAKERS[match[1]]()}<!-- end -->", text)


def marked(text: str) -> list[str]:
    """The names of the tables of a page."""
    return [match[1] for match in _MARKED.finditer(text)]
