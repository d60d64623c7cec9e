"""The engine against the reference interpreter: the same status, output, error, path and transition count.

`python -m tests.reference --examples N` does the same for as many machines as one likes.
"""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from express.compiler import compile_definition
from tests.engine.examples import LANGUAGES, count, examples, seeded
from tests.reference.differential import compare, run_engine
from tests.reference.generate import Example


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("language", LANGUAGES)
def test_generated_machines(language: str, part: int) -> None:
    """600 machines a language, in three parts, run alike in both; `tests.reference --seed` shows one again."""
    number = count(200)
    parts = itertools.islice(seeded(language, 3 * number), part * number, (part + 1) * number)
    wrong = {seed: verdict.wrong for seed, example in parts if (verdict := compare(example)).wrong}
    assert wrong == {}


@given(example=examples())
@settings(max_examples=count(200), suppress_health_check=list(HealthCheck))
def test_machines_that_shrink(example: Example) -> None:
    """The same over machines that hypothesis makes: other ones every day, and small ones where they fail."""
    verdict = compare(example)
    assert verdict.wrong is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_linkings_agree_where_tasks_answer_at_once(language: str) -> None:
    """Generated segments and the table of rows come to the same, cause texts and every history event included."""
    for seed, example in seeded(language, count(250)):
        instant = Example(example.definition, example.input, _without_delays(example.tasks))
        program = compile_definition(instant.definition)
        rows = run_engine(instant, program=program, linking="table")
        segments, recorded = (run_engine(instant, program=program, history=history) for history in (False, True))
        for name in ("status", "output", "error", "cause", "transitions", "at"):
            wanted = (seed, name, getattr(rows, name))
            assert wanted == (seed, name, getattr(segments, name)) == (seed, name, getattr(recorded, name))
        assert rows.history is not None
        assert recorded.history is not None
        assert (seed, recorded.history.log) == (seed, rows.history.log)


def _without_delays(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    quick = copy.deepcopy(tasks)
    for task in quick:
        for answer in task["responds"]:
            answer.pop("after", None)
    return quick


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_generator_is_worth_its_while(language: str) -> None:
    """Enough machines succeed, enough fail, and enough run through several states; few hang on a race."""
    verdicts = [compare(example) for _, example in seeded(language, 150)]
    succeeded = sum(verdict.result.status == "SUCCEEDED" for verdict in verdicts)
    assert 30 < succeeded < 120
    assert sum(len(verdict.result.path) > 3 for verdict in verdicts) > 30
    assert sum(verdict.racy for verdict in verdicts) < 5
