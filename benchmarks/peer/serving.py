"""A peer's process: told `{"work": NAME, "seconds": N}` per line of stdin, it answers a line of JSON each.

The answer has the output, the microseconds of CPU per execution (all threads) and how many ran, or an error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

JSON = Any

SLEEPS = 10.0
"""Seconds of wall time for one measurement."""


class Run(NamedTuple):
    """`make` makes `executions` of them at once, and returns the output of one."""

    make: Callable[[], JSON]
    executions: int = 1


Peer = Callable[[str, JSON], Run]
"""From the name of a workload and its file's content; raises where it can't."""


def serve(peer: Peer) -> None:
    """Answer until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    runs: dict[str, Run] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        answers.write(json.dumps(_answer(peer, runs, asked)) + "\n")
        answers.flush()


def _answer(peer: Peer, runs: dict[str, Run], asked: JSON) -> dict[str, JSON]:
    name = asked["work"]
    try:
        if name not in runs:
            runs[name] = peer(name, asked["workload"])
        output = runs[name].make()
        if output != asked["workload"]["expect"]:
            return {"output": output}
        return {"output": output, **_timed(runs[name], asked["seconds"])}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def _timed(run: Run, seconds: float) -> dict[str, float]:
    """Run for so many CPU seconds, at least three times; what mostly sleeps not much longer than SLEEPS."""
    count, began = 0, time.process_time()
    spent, batch, until = 0.0, 1, time.monotonic() + SLEEPS
    while count < 3 or (spent < seconds and time.monotonic() < until):
        for _ in range(batch):
            run.make()
        count += batch
        spent = time.process_time() - began
        left = min((seconds - spent) / spent, (until - time.monotonic()) / SLEEPS)
        batch = max(1, min(batch * 2, int(count * left)))
    return {"us": spent / count / run.executions * 1e6, "count": count * run.executions}
