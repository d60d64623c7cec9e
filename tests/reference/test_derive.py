"""The generator is derived from the model, and the tiers agree on all that it makes."""

from __future__ import annotations

from collections import defaultdict

import msgspec
import pytest

from express.asl import model
from express.asl.lint.fields import FIELDS
from express.compiler import compile_definition
from tests.engine.examples import LANGUAGES, count
from tests.reference import tiers
from tests.reference.derive import derived, every_field
from tests.reference.fields import unknown_fields
from tests.reference.world import Endless

NOT_MADE = {"Map.ItemReader", "Map.ItemBatcher", "Map.ResultWriter"}
"""Fields of a distributed Map, which is refused by name."""


def test_every_field_of_the_model_is_known() -> None:
    """A field that is new in the model and that the generator has no values for is named here."""
    assert unknown_fields() == []


def test_a_field_that_is_not_known_is_named() -> None:
    """The check sees a field that somebody adds."""

    class Newer(model.Pass, frozen=True, kw_only=True, tag="Pass"):
        """Pass with one more field."""

        brand_new: str | msgspec.UnsetType = msgspec.UNSET

    assert unknown_fields([Newer]) == ["Newer.BrandNew"]


def test_every_field_of_every_state_in_every_language() -> None:
    """Each is run on all tiers, and each that `lint` lets a language have is really among what is run."""
    ran: dict[str, int] = defaultdict(int)
    for place, case in every_field():
        ran[place] += case is not None
        verdict = None if case is None else tiers.compare(case)
        assert verdict is None or verdict.wrong is None, (place, verdict)
    for kind, fields in FIELDS.items():
        for name, field in fields.items():
            for language in ("JSONPath", "JSONata"):
                legal = field.language in ("", language) and name != "Type" and f"{kind}.{name}" not in NOT_MADE
                assert not legal or ran[f"{kind}.{name} {language}"], f"{kind}.{name} {language} was never made"
    assert ran["Pass.Result JSONata"], "what is only warned about is made, too"


@pytest.mark.parametrize("language", LANGUAGES)
def test_derived_machines_run_alike_on_every_tier(language: str) -> None:
    """Rows and segments agree, with a history and without; a good part of the states must have run on segments.

    `python -m tests.reference --tiers --examples N` does the same for as many as one likes.
    """
    wrong, states, fast = {}, 0, 0
    for seed in range(count(250)):
        case = derived(seed, language)
        if case is not None:
            verdict = tiers.compare(case)
            states, fast = states + verdict.states, fast + verdict.fast
            wrong.update({seed: verdict.wrong} if verdict.wrong else {})
    assert wrong == {}
    assert fast > states / 6


def test_a_difference_is_seen() -> None:
    """A machine whose segments were made of another one is told: the comparison can fail."""
    case = next(case for seed in range(50) if (case := derived(seed, "JSONPath")) is not None)
    other = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": "other", "End": True}}}
    right, wrong = (compile_definition(definition) for definition in (case.definition, other))
    false = msgspec.structs.replace(right, segments=wrong.segments)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiers, "compile_definition", lambda *_, **__: false)
        assert tiers.compare(case).wrong is not None


def test_what_never_ends_is_told() -> None:
    """A loop that does not wait ends the comparison, not the test."""
    loop = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Choice", "Choices": []}}}
    loop["States"]["B"] = {  # type: ignore[index]  # a dict of dicts
        "Type": "Choice",
        "Choices": [{"Variable": "$", "IsNull": True, "Next": "C"}],
        "Default": "A",
    }
    loop["States"]["C"] = {"Type": "Succeed"}  # type: ignore[index]  # a dict of dicts
    case = tiers.Case(loop, "EXPRESS", {})
    assert tiers.compare(case).endless
    with pytest.raises(Endless):
        tiers.run(compile_definition(loop), case)
