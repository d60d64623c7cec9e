"""`python -m tests.conformance.jsonata DIR…`: run the cases of the JSONata language suite and say what passes.

A folder holds `cases.jsonl` and `datasets/`, as `shared/conformance/jsonata/README.md` describes. Exit code 0 if
every case passes or is listed in DELIBERATE as different because AWS is, 1 otherwise, 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from express.expr.jsonata import UNDEFINED, JsonataError, JsonataSyntaxError, compile_standalone
from express.values import equal

JSON = Any

DELIBERATE: dict[str, str] = {}
"""Cases that Step Functions answers in another way, by id, each with the reason."""

OWN_BOUNDS = {"D1011", "D1012"}
"""What an evaluation that was stopped says, where the suite's harness says U1001."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case; `why` is None where it passes. `text` and `place`: as the reference, where it tells."""

    id: str
    why: str | None
    text: bool | None = None
    place: bool | None = None


def main(arguments: list[str] | None = None) -> int:
    """Run, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.jsonata", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--id", default="", metavar="SUBSTR", help="only cases whose id holds this text")
    options = parser.parse_args(arguments)
    try:
        cases = [case for folder in options.folders for case in load(folder) if options.id in case["id"]]
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    outcomes = [run(case) for case in cases]
    return _report(outcomes)


def load(folder: Path) -> Iterator[dict[str, JSON]]:
    """The cases of a folder, each with its document under `data` where it has one."""
    datasets = {path.stem: json.loads(path.read_text("utf-8")) for path in (folder / "datasets").glob("*.json")}
    for line in (folder / "cases.jsonl").read_text("ascii").splitlines():
        case = json.loads(line)
        if "dataset" in case:
            case["data"] = datasets[case["dataset"]]
        yield case


def run(case: dict[str, JSON]) -> Outcome:
    """Evaluate one case and compare."""
    expected = case.get("error", {}).get("code", case.get("code"))
    try:
        result = compile_standalone(case["expr"])(
            case.get("data", UNDEFINED),
            case.get("bindings"),
            timeout=case.get("timelimit", 10_000) / 1000,
            max_depth=case.get("depth", 1000),
        )
    except (JsonataError, JsonataSyntaxError) as error:
        return _error_outcome(case, expected, error)
    except Exception as error:  # a case that breaks the implementation fails, the others still run
        return Outcome(case["id"], f"{type(error).__name__}: {error}")
    if expected is not None:
        return Outcome(case["id"], f"expected the error {expected}, got {_shown(result)}")
    return Outcome(case["id"], _result_difference(case, result))


def _error_outcome(case: dict[str, JSON], expected: str | None, error: JsonataError | JsonataSyntaxError) -> Outcome:
    stopped = expected == "U1001" and error.code in OWN_BOUNDS
    if error.code != expected and not stopped:
        return Outcome(case["id"], f"expected {expected or 'a result'}, got the error {error.code}: {error.message}")
    told = case.get("token", case.get("error", {}).get("token", error.token))
    if told != error.token:
        return Outcome(case["id"], f"expected the token {told!r}, got {error.token!r}")
    reference = case.get("reference_error")
    if reference is None:
        return Outcome(case["id"], None)
    return Outcome(case["id"], None, error.message == reference["message"], error.position == reference["position"])


def _result_difference(case: dict[str, JSON], result: JSON) -> str | None:
    if case.get("undefinedResult"):
        return None if result is UNDEFINED else f"expected nothing, got {_shown(result)}"
    wanted = case["result"]
    if result is UNDEFINED:
        return f"expected {_shown(wanted)}, got nothing"
    same = _unordered(wanted, result) if case.get("unordered") else equal(wanted, result)
    return None if same else f"expected {_shown(wanted)}, got {_shown(result)}"


def _unordered(wanted: JSON, result: JSON) -> bool:
    if type(wanted) is not list or type(result) is not list:
        return equal(wanted, result)
    return Counter(json.dumps(v, sort_keys=True) for v in wanted) == Counter(
        json.dumps(v, sort_keys=True) for v in result
    )


def _shown(value: JSON) -> str:
    text = "nothing" if value is UNDEFINED else json.dumps(value)
    return text if len(text) <= 200 else text[:200] + "…"


def _report(outcomes: list[Outcome]) -> int:
    failed = [outcome for outcome in outcomes if outcome.why is not None and outcome.id not in DELIBERATE]
    for outcome in outcomes:
        if outcome.why is not None:
            label = "different" if outcome.id in DELIBERATE else "FAILED"
            reason = f" ({DELIBERATE[outcome.id]})" if outcome.id in DELIBERATE else ""
            print(f"{label} {outcome.id}: {outcome.why}{reason}")
    told = [outcome for outcome in outcomes if outcome.text is not None]
    if told:
        texts, places = sum(bool(o.text) for o in told), sum(bool(o.place) for o in told)
        print(f"errors as the reference words them: {texts} of {len(told)}, as it places them: {places}")
    print(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
