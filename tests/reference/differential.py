"""Holds the engine against the reference interpreter: same status, output, error, path and transition count."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec

from express.compiler import compile_definition
from express.engine import About, History, Program
from tests.conformance.compare import difference
from tests.conformance.host import Entropy, Host, Run
from tests.conformance.script import Script

from .generate import Example
from .interpreter import Result, interpret

JSON = Any
STARTED = 1_800_000_000.0
ABOUT = About(execution_arn="arn:e", name="e", role_arn="arn:r", state_machine_arn="arn:m", started=STARTED)


class Verdict(msgspec.Struct):
    """`wrong` None: the two agree. `racy`: the outcome hung on the order of things at one instant."""

    wrong: str | None
    result: Result
    run: Run
    racy: bool


def compare(example: Example) -> Verdict:
    """Run an example in both and compare. Where an instant was contested a difference is no fault."""
    before = _text(example)
    program = compile_definition(copy.deepcopy(example.definition))
    run = run_engine(example, program=program)
    world = Script(example.tasks)
    result = interpret(copy.deepcopy(example.definition), copy.deepcopy(example.input), world, started=STARTED)
    wrong = _difference(result, run, _forks(example.definition))
    contested = result.racy and wrong is not None
    changed = None if before == _text(example) else f"the data was changed from {before}"
    wrong = changed or _unlike_without_history(example, program, run) or (None if contested else wrong)
    return Verdict(wrong, result, run, contested)


def _text(example: Example) -> str:
    return json.dumps([example.input, example.tasks])


def run_engine(
    example: Example,
    *,
    history: bool = True,
    program: Program | None = None,
    linking: str = "segments",
    **options: Any,
) -> Run:
    """The engine's run of an example; `program` where it is compiled already."""
    program = program or compile_definition(copy.deepcopy(example.definition))
    host = Host(Script(example.tasks), **options)
    kept = History() if history else None
    return host.run(program, example.input, ABOUT, history=kept, entropy=Entropy(1), linking=linking)


def path_of(run: Run) -> list[str]:
    """The states that a run entered, in order."""
    assert run.history is not None
    return [event["name"] for event in run.history.events() if event["type"].endswith("StateEntered")]


def _paths(wanted: list[str], got: list[str], forks: bool) -> tuple[list[str], list[str]]:
    """Where branches or iterations run at once, the order between them is nobody's promise."""
    return (sorted(wanted), sorted(got)) if forks else (wanted, got)


def _difference(result: Result, run: Run, forks: bool) -> str | None:
    checks = [
        ("status", result.status, run.status),
        ("error", result.error, run.error),
        ("output", result.output, run.output),
        ("path", *_paths(result.path, path_of(run), forks)),
        ("transitions", result.transitions, run.transitions),
    ]
    for name, want, got in checks:
        if (found := difference(want, got, name)) is not None:
            return f"{found} (cause: {run.cause})"
    return f"leaked {run.leaked}" if run.leaked else None


def _log(run: Run) -> list[JSON]:
    """The events of a run. Budgets end at other places, and then what runs at once is told in another order."""
    assert run.history is not None
    log = [list(event) for event in run.history.log]
    return sorted((event[2:] for event in log), key=repr) if run.yielded else log


def _forks(definition: dict[str, JSON]) -> bool:
    return any(state["Type"] in ("Map", "Parallel") for state in definition["States"].values())


def _unlike_without_history(example: Example, program: Program, run: Run) -> str | None:
    """Without a history, and on the table alone, other code runs: it must come to the same."""
    plain = run_engine(example, history=False, program=program)
    rows = run_engine(example, program=program, linking="table")
    for name in ("status", "output", "error", "cause", "transitions", "at"):
        for other, how in ((plain, "without history"), (rows, "on the table")):
            if (found := difference(getattr(run, name), getattr(other, name), name)) is not None:
                return f"{how} {found}"
    found = difference(_log(rows), _log(run), "log")
    return None if found is None else f"on the table {found}"
