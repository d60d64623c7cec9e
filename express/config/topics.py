"""Names of topics: what a broker would refuse is refused before one is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from express.config.lines import KeyPath
from express.config.model import Config
from express.config.validate import Problem

LEGAL = re.compile(r"[a-zA-Z0-9._-]{1,249}")
"""Names of topics that Kafka takes, but for `.` and `..`."""

PATTERN = frozenset("^$*+?()[]{}|\\")


def topic_problems(config: Config) -> Iterator[Problem]:
    """Every place with a name that no topic can have."""
    for path, name in _names(config):
        wrong = refusal(name)
        if wrong is not None:
            yield Problem(path, wrong)


def refusal(name: str) -> str | None:
    """Return why no topic can have a name; None where one can.

    >>> refusal("orders.events") is None
    True
    >>> refusal("a,b")
    "'a,b' is no name of a topic: write a list with one name in each string"
    """
    if LEGAL.fullmatch(name) and name not in (".", ".."):
        return None
    if "," in name:
        return f"{name!r} is no name of a topic: write a list with one name in each string"
    if PATTERN & set(name):
        return f"{name!r} is no name of a topic: patterns are not understood, list the topics by name"
    rule = "one has 1 to 249 of A-Z, a-z, 0-9, '.', '_' and '-', and is neither '.' nor '..'"
    return f"{name[:60]!r} is no name of a topic: {rule}"


def _names(config: Config) -> Iterator[tuple[KeyPath, str]]:
    for index, name in enumerate(config.kafka.produce):
        yield ("kafka", "produce", index), name
    for number, pipeline in enumerate(config.pipelines):
        path: KeyPath = ("pipelines", number)
        for index, name in enumerate(pipeline.topics):
            yield (*path, "topics", index), name
        yield (*path, "output"), pipeline.output
        yield (*path, "dead_letter"), pipeline.dead_letter
    for section in ("execution_log", "api"):
        key = "topic" if section == "execution_log" else "log_topic"
        name = getattr(getattr(config, section), key)
        if name:
            yield (section, key), name
