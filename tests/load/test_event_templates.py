"""Templates: every member gives what the table in the module says, from a seed; mistakes name their place."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from express.errors import ConfigError
from express.load import event_templates
from express.load.event_templates import MEMBERS, EventTemplate


def drawn(tree: Any, count: int = 300, seed: int = 1) -> list[Any]:
    template = EventTemplate(tree, random.Random(seed))
    return [template.make() for _ in range(count)]


def test_a_whole_event() -> None:
    """Members are drawn wherever they stand, all else stays; the same seed gives the same events."""
    tree = {"id": {"$pattern": "o-####"}, "lines": [{"n": {"$int": [1, 3]}}], "fixed": [None, "x"]}
    events = drawn(tree)

    assert all(re.fullmatch(r"o-\d{4}", event["id"]) and event["fixed"] == [None, "x"] for event in events)
    assert {event["lines"][0]["n"] for event in events} == {1, 2, 3}
    assert drawn(tree) == events
    assert drawn(tree, seed=2) != events


@pytest.mark.parametrize(
    ("tree", "fits"),
    [
        ({"$int": [-2, 2]}, lambda values: set(values) == {-2, -1, 0, 1, 2}),
        ({"$float": [1, 2]}, lambda values: 1 <= min(values) < max(values) <= 2),
        ({"$float": [0, 1, 1]}, lambda values: all(value == round(value, 1) for value in values)),
        ({"$normal": [20, 2, 1]}, lambda values: 19 < sum(values) / len(values) < 21 and max(values) > 23),
        ({"$bool": 0.1}, lambda values: 5 < values.count(True) < 70 and values.count(False) > 200),
        ({"$choice": ["a", {"$int": [7, 7]}]}, lambda values: set(values) == {"a", 7}),
        ({"$weighted": [[9, "a"], [1, "b"]]}, lambda values: 5 < values.count("b") < 70),
        ({"$text": [2, 4]}, lambda values: {len(value) for value in values} == {2, 3, 4}),
        ({"$pattern": "?#!"}, lambda values: all(re.fullmatch(r"[a-z]\d!", value) for value in values)),
        (
            {"$uuid": True},
            lambda values: all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", v) for v in values),
        ),
        ({"$count": 5}, lambda values: values == list(range(5, 305))),
        ({"$now": "ms"}, lambda values: all(value > 1.7e12 for value in values)),
        ({"$now": "iso"}, lambda values: all(value.endswith("Z") for value in values)),
        ({"$key": True}, lambda values: set(values) == {""}),
        ({"$repeat": [0, 2, "x"]}, lambda values: {len(value) for value in values} == {0, 1, 2}),
        ({"$format": ["s-{}/{}", {"$int": [1, 1]}, "b"]}, lambda values: set(values) == {"s-1/b"}),
        ({"$literal": {"$int": [1, 2]}}, lambda values: values[0] == {"$int": [1, 2]}),
    ],
)
def test_every_member(tree: Any, fits: Any) -> None:
    """Three hundred draws of a member are what its row of the table says."""
    assert fits(drawn(tree))


def test_every_member_is_documented() -> None:
    """The table of the module's docstring has every member and no other."""
    assert set(re.findall(r"^\| `\{\"(\$\w+)\"", str(event_templates.__doc__), re.MULTILINE)) == set(MEMBERS)


def test_the_page_says_the_same() -> None:
    """The page about load tests has the rows of the module, and its example is a template that works."""
    page = (Path(event_templates.__file__).parents[1] / "docs" / "bench.md").read_text(encoding="utf-8")
    rows = [line for line in str(event_templates.__doc__).splitlines() if line.startswith("| `{")]
    example = next(block for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL) if "$pattern" in block)

    assert [row for row in rows if row not in page] == []
    assert drawn(json.loads(example))[0].keys() == {"id", "device", "temperature", "alarm", "lines"}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"a": {"$itn": [1, 2]}}, "did you mean '\\$int'"),
        ({"a": {"$int": [1, 2], "b": 1}}, "template /a: \\$int must be the only member"),
        ({"a": [{"$int": [2, 1]}]}, "template /a/0/\\$int: the first must not be above"),
        ({"$int": 5}, "expected 2 whole numbers"),
        ({"$int": [True, 2]}, "expected 2 whole numbers"),
        ({"$choice": []}, "a list that is not empty"),
        ({"$weighted": [[0, "a"]]}, "nor all 0"),
        ({"$format": ["{}"]}, "a value for each"),
        ({"$now": "days"}, "unknown form of \\$now"),
        ({"$repeat": [1, 2]}, "LEAST, MOST, TEMPLATE"),
    ],
)
def test_a_mistake_names_its_place(tree: Any, said: str) -> None:
    """A mistake in a template is a configuration error with its place and what was meant."""
    with pytest.raises(ConfigError, match=said):
        EventTemplate(tree, random.Random(1))
