"""The engine against the reference interpreter: the same status, output, error, path and transition count.

`python -m tests.reference --examples N` does the same for as many machines as one likes.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.engine.examples import LANGUAGES, count, examples, seeded
from tests.reference.differential import compare
from tests.reference.generate import Example


@pytest.mark.parametrize("language", LANGUAGES)
def test_generated_machines(language: str) -> None:
    """600 machines a language run alike in both; `--seed N` of `tests.reference` shows one that does not."""
    wrong = {
        seed: verdict.wrong for seed, example in seeded(language, count(600)) if (verdict := compare(example)).wrong
    }
    assert wrong == {}


@given(example=examples())
@settings(max_examples=count(200), deadline=None, suppress_health_check=list(HealthCheck))
def test_machines_that_shrink(example: Example) -> None:
    """The same over machines that hypothesis makes: other ones every day, and small ones where they fail."""
    verdict = compare(example)
    assert verdict.wrong is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_generator_is_worth_its_while(language: str) -> None:
    """Enough machines succeed, enough fail, and enough run through several states; few hang on a race."""
    verdicts = [compare(example) for _, example in seeded(language, 150)]
    succeeded = sum(verdict.result.status == "SUCCEEDED" for verdict in verdicts)
    assert 30 < succeeded < 120
    assert sum(len(verdict.result.path) > 3 for verdict in verdicts) > 30
    assert sum(verdict.racy for verdict in verdicts) < 5
