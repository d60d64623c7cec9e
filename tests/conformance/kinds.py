"""What a case of each kind asks, and at which level each answer is held against the expectation."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

from express.engine import History
from express.errors import DefinitionError

from . import express_side
from .cases import Case
from .compare import any_event_id, difference, interleaving_difference
from .host import Host, Run
from .outcome import NotYet, Outcome, worst
from .script import Script

JSON = Any
Checks = Iterator[tuple[str, str | None]]

_NOT_COMPARED = ("id", "time", "timestamp", "inputDetails", "outputDetails", "assignedVariablesDetails")
_OPTIONAL = ("roleArn", "workerName")  # recordings may leave these away; `workerName` is the world's, not in `tasks`


LINKINGS = ("segments", "table", "durable")
"""The ways a machine runs: as generated segments (`express/docs/performance.md`), as a table of rows alone, and as that
table with its state put through bytes between all events, as a Standard workflow that is taken up again."""


def ask(case: Case, linking: str = "segments") -> Outcome:
    """Put a case to the engine. Never raises: a crash is something wrong at the coarsest level."""
    outcome = Outcome(case.id, case.area, case.kind)
    question = KINDS.get(case.kind)
    if question is None:
        outcome.wrong = {"result": f"kind {case.kind!r} is unknown"}
        return outcome
    try:
        outcome.finest, checks = question(case, linking)
        outcome.wrong = worst(checks)
    except NotYet as reason:
        outcome.not_yet = str(reason)
    except DefinitionError as error:
        outcome.wrong = {"result": f"refused: {error}"}
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        outcome.wrong = {"result": f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"}
    return outcome


def _execution(case: Case, linking: str) -> tuple[str, Checks]:
    script = Script(case.tasks)
    run = _run(case, script, linking)
    fine = {"events", "end_event", "sync_response"} & case.expect.keys()
    return ("events" if fine else "cause"), _execution_checks(case, run, script)


def _run(case: Case, script: Script, linking: str) -> Run:
    program = express_side.compile_case(case)
    return Host(script, prepare=express_side.prepare()).run(
        program,
        case.data(),
        express_side.about(case),
        history=History(),
        entropy=express_side.entropy(case),
        limit=express_side.limit(program),
        linking=linking,
    )


def _execution_checks(case: Case, run: Run, script: Script) -> Checks:
    expect = case.expect
    loose = expect.get("events_order") == "any-interleaving"
    want = any_event_id(expect) if loose else expect
    yield "result", "; ".join(script.problems) or None
    yield "result", difference(want.get("status"), run.status, "status")
    if "output" in want:
        yield "result", difference(want["output"], run.output, "output")
    yield "result", difference(want.get("error"), run.error, "error")
    yield "cause", difference(want.get("cause"), run.cause, "cause")
    yield "events", "; ".join(script.surprises) or None
    yield from _history_checks(want, run, loose)
    if "sync_response" in want:
        yield "events", difference(want["sync_response"], express_side.sync_response(case, run), "sync_response")
    if "end_event" in want:
        lines = express_side.log_lines(run, "ALL", include_data=True)
        yield "events", difference(want["end_event"], _logged(lines[-1]), "end_event")


def _history_checks(want: dict[str, JSON], run: Run, loose: bool) -> Checks:
    if "events" not in want:
        return
    assert run.history is not None
    named = {key for event in want["events"] for key in event}
    drop = {*_NOT_COMPARED, *(key for key in _OPTIONAL if key not in named or key == "workerName")}
    drop |= {"prev"} if loose or "prev" not in named else set()
    actual = [_without(event, drop) for event in run.history.events()]
    expected = [_without(event, drop) for event in want["events"]]
    if loose:
        yield "events", interleaving_difference(expected, actual)
    else:
        yield "events", _sequence_difference(expected, actual)


def _sequence_difference(expected: list[JSON], actual: list[JSON]) -> str | None:
    """Like `difference`, but says first which types came where the two lists part."""
    for i, (want, got) in enumerate(zip(expected, actual, strict=False)):
        if (found := difference(want, got, f"events[{i + 1}] {got['type']}")) is not None:
            return found
    if len(expected) != len(actual):
        types = [event["type"] for event in actual[len(expected) :]]
        return f"events: {len(actual)} events, expected {len(expected)} {types}"
    return None


def _without(event: dict[str, JSON], keys: set[str]) -> dict[str, JSON]:
    return {key: value for key, value in event.items() if key not in keys}


def _logs(case: Case, linking: str) -> tuple[str, Checks]:
    script = Script(case.tasks)
    run = _run(case, script, linking)
    logging = case.logging or {}
    level, include = logging.get("level", "OFF"), bool(logging.get("includeExecutionData"))
    actual = [_logged(line) for line in express_side.log_lines(run, level, include_data=include)]
    return "events", _log_checks(case.expect, actual)


def _log_checks(expect: dict[str, JSON], actual: list[dict[str, JSON]]) -> Checks:
    expected = expect["log_events"]
    loose = expect.get("events_order") == "any-interleaving"
    yield (
        "result",
        difference([e["type"] for e in expected], [e["type"] for e in actual], "types") if not loose else None,
    )
    for key in ("error", "cause"):
        want = [e["details"][key] for e in expected if key in e.get("details", {})]
        got = [e["details"][key] for e in actual if key in e.get("details", {})]
        yield "cause", difference(want, got, key) if not loose else None
    compare = interleaving_difference if loose else difference
    yield "events", compare(expected, actual)


def _logged(line: dict[str, JSON]) -> dict[str, JSON]:
    """A log line without what differs from run to run."""
    return {key: value for key, value in line.items() if key not in ("event_timestamp", "execution_arn")}


def _answered(case: Case, actual: dict[str, JSON], coarse: tuple[str, ...], middle: tuple[str, ...]) -> Checks:
    """Compare an API answer member by member, each at its level; what is in neither list is at `events`."""
    for keys, level in ((coarse, "result"), (middle, "cause")):
        for key in keys:
            if key in case.expect or key in actual:
                yield level, _member(case.expect, actual, key)
    yield "events", difference(case.expect, actual)


def _member(expect: dict[str, JSON], actual: dict[str, JSON], key: str) -> str | None:
    return difference({k: v for k, v in expect.items() if k == key}, {k: v for k, v in actual.items() if k == key})


def _api_error(case: Case, actual: dict[str, JSON] | None) -> tuple[str, Checks]:
    want = case.expect["api_error"]
    got = actual or {"code": None, "message": "accepted"}
    checks = [("result", difference(want["code"], got["code"], "code"))]
    checks.append(("cause", difference(want.get("message"), got["message"], "message")))
    return "cause", iter(checks)


def _test_state(case: Case, linking: str) -> tuple[str, Checks]:
    answer, error = express_side.test_state(case)
    if "api_error" in case.expect:
        return _api_error(case, error)
    if error is not None:
        return "events", iter([("result", f"refused: {error['code']}: {error['message']}")])
    assert answer is not None
    return "events", _answered(case, answer, ("status", "output", "error", "nextState"), ("cause",))


def _validate(case: Case, linking: str) -> tuple[str, Checks]:
    return "cause", _answered(case, express_side.validate(case), ("result",), ("diagnostics", "truncated"))


def _create_error(case: Case, linking: str) -> tuple[str, Checks]:
    return _api_error(case, express_side.create_error(case))


def _start_error(case: Case, linking: str) -> tuple[str, Checks]:
    return _api_error(case, express_side.start_error(case))


def _variable_references(case: Case, linking: str) -> tuple[str, Checks]:
    want = {state: sorted(names) for state, names in case.expect["variableReferences"].items()}
    got = {state: sorted(names) for state, names in express_side.variable_references(case).items()}
    return "result", iter([("result", difference(want, got, "variableReferences"))])


KINDS: dict[str, Callable[[Case, str], tuple[str, Checks]]] = {
    "execution": _execution,
    "logs": _logs,
    "test_state": _test_state,
    "validate": _validate,
    "create_error": _create_error,
    "start_error": _start_error,
    "variable_references": _variable_references,
}
