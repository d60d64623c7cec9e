"""The tables of optimized integrations, made of the rows that perform them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from express.integrations.aws.jobs import JOBS
from express.integrations.aws.optimized import ELSEWHERE, FORMS

OTHERS = ("apigateway:invoke", "http:invoke")
"""Optimized actions that are no calls of an AWS service's API."""


def actions() -> str:
    """Return every service with its optimized actions as a Markdown table; those with `.sync` apart."""
    lines = ["| service | called | called, or waited for with `.sync` |", "|---|---|---|"]
    for service, group in groupby(sorted([*FORMS, *OTHERS]), lambda name: name.partition(":")[0]):
        names = list(group)
        alone = _listed(name for name in names if name not in JOBS)
        lines.append(f"| `{service}` | {alone} | {_listed(name for name in names if name in JOBS)} |")
    return "\n".join(lines) + "\n"


def elsewhere() -> str:
    """Return the optimized actions that are not performed, and what does the same."""
    lines = ["| action | instead |", "|---|---|"]
    lines += [f"| `{name}` | {instead} |" for name, instead in sorted(ELSEWHERE.items())]
    return "\n".join(lines) + "\n"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name.partition(':')[2]}`" for name in names)
