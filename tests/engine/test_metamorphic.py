"""What must not change when a machine is written another way (reliability: metamorphic properties)."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest

from tests.conformance.host import Run
from tests.engine.examples import LANGUAGES, count, seeded, states_of
from tests.reference.differential import run_engine
from tests.reference.generate import Example

JSON = Any

_PLACE = re.compile(r"the state '[^']*' \(entered at the event id #\d+\)")


@pytest.mark.parametrize("language", LANGUAGES)
def test_inserting_a_pass_changes_nothing(language: str) -> None:
    """A Pass between any two states costs a transition and has no other effect."""
    for seed, example in seeded(language, count(150)):
        plain, padded = run_engine(example), run_engine(with_definition(example, _padded(example.definition)))
        assert (seed, _ending(padded)) == (seed, _ending(plain))
        assert padded.transitions >= plain.transitions


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_parallel_of_one_puts_the_output_in_a_list(language: str) -> None:
    """Wrapped in a Parallel with one branch, a machine gives the same output in a list, or fails the same way."""
    for seed, example in seeded(language, count(150)):
        plain, wrapped = run_engine(example), run_engine(with_definition(example, _in_parallel(example.definition)))
        status, output, error = _ending(plain)
        assert (seed, *_ending(wrapped)) == (seed, status, [output] if status == "SUCCEEDED" else None, error)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_names_of_states_do_not_matter(language: str) -> None:
    """Renamed consistently, a machine does the same."""
    for seed, example in seeded(language, count(150)):
        if "State.Name" not in json.dumps(example.definition):
            assert (seed, _ending(run_engine(_renamed(example)))) == (seed, _ending(run_engine(example)))


def test_a_map_is_its_single_runs() -> None:
    """A Map over n items gives what n runs of its processor give, or fails as the first of them that does."""
    done = 0
    for seed, example in seeded("JSONPath", count(300)):
        if not _stands_alone(example):
            continue
        items = (
            [example.input, {**example.input, "n": 1}, {"n": 2, "xs": []}] if isinstance(example.input, dict) else [1]
        )
        singles = [run_engine(Example(example.definition, item, example.tasks)) for item in items]
        mapped = run_engine(Example(_in_map(example.definition), items, example.tasks))
        if any(run.status == "TIMED_OUT" for run in (*singles, mapped)):
            continue
        failed = [run.error for run in singles if run.status == "FAILED"]
        want = ("FAILED", None, failed[0]) if failed else ("SUCCEEDED", [run.output for run in singles], None)
        assert (seed, _ending(mapped)) == (seed, want)
        done += 1
    assert done > 20


def with_definition(example: Example, definition: JSON) -> Example:
    """The example with another machine."""
    return Example(definition, example.input, example.tasks)


def _ending(run: Run) -> tuple[str, JSON, str | None]:
    """How a run ended; where in the machine an error arose is left away from the causes."""
    assert not run.leaked
    return run.status, json.loads(_PLACE.sub("a state", json.dumps(run.output))), run.error


def _padded(machine: JSON) -> JSON:
    """A Pass before every state that another one's `Next` or a `StartAt` names, at every depth."""
    machine = copy.deepcopy(machine)
    inner = [branch for state in machine["States"].values() for branch in state.get("Branches", ())]
    for place in inner:
        place.update(_padded(place))
    for state in machine["States"].values():
        for processor in ("ItemProcessor", "Iterator"):
            if processor in state:
                state[processor] = _padded(state[processor])
    added = {}
    for name, state in machine["States"].items():
        if "Next" in state:
            added[f"Before {state['Next']} after {name}"] = {"Type": "Pass", "Next": state["Next"]}
            state["Next"] = f"Before {state['Next']} after {name}"
    start = machine["StartAt"]
    added[f"First before {start}"] = {"Type": "Pass", "Next": start}
    return {**machine, "StartAt": f"First before {start}", "States": {**machine["States"], **added}}


def _in_parallel(machine: JSON) -> JSON:
    branch = {"StartAt": machine["StartAt"], "States": machine["States"]}
    return {**machine, "StartAt": "Wrap", "States": {"Wrap": {"Type": "Parallel", "Branches": [branch], "End": True}}}


def _in_map(machine: JSON) -> JSON:
    body = {"StartAt": machine["StartAt"], "States": machine["States"]}
    wrap = {"Type": "Map", "ItemProcessor": body, "MaxConcurrency": 1, "End": True}
    return {"StartAt": "Wrap", "States": {"Wrap": wrap}}


def _renamed(example: Example) -> Example:
    def rename(value: JSON) -> JSON:
        return json.loads(re.sub(r'"S(\d+)"', r'"État n° \1"', json.dumps(value)))

    return Example(rename(example.definition), example.input, rename(example.tasks))


def _stands_alone(example: Example) -> bool:
    """No look at what differs between a Map and a run of its own, and tasks that always answer the same."""
    text = json.dumps(example.definition)
    if "$$" in text or "TimeoutSeconds" in example.definition:
        return False
    calls = [task for task in example.tasks if len(task["responds"]) > 1]
    return not calls and all(state["Type"] != "Map" for state in states_of(example.definition))
