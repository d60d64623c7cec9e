"""W2 written by hand for a stream library: bytewax or quixstreams, in memory, with one synchronous function.

    python -m benchmarks.peer.streams bytewax|quixstreams

No state machine, no asynchronous task, no history, no limits: what a user of a stream library would write instead.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.peer.serving import JSON, Run, serve

BATCH = 2000
"""Events per run of a dataflow, so that its start counts little."""


def w2(event: JSON) -> JSON:
    """`benchmarks.hand.w2` without a coroutine: neither library awaits one."""
    kind = event["type"]
    value = event["value"]
    if kind == "humidity" and value > 90:
        return event
    if not (kind == "temperature" and (value > 80 or event["battery"] < 10)):
        return event
    message = f"device {event['deviceId']} reported {value} {event['unit']}"
    labels = {**event["attrs"], **event["site"]}
    level = score({"deviceId": event["deviceId"], "value": value})["level"]
    if level >= 0.8:
        return {"id": event["id"], "message": message, "labels": labels, "level": level, "severity": "high"}
    return {**event, "enriched": {"message": message, "labels": labels}, "score": {"level": level}}


def score(payload: JSON) -> JSON:
    """The task."""
    return {"level": payload["value"] / 100, "model": "m1"}


def bytewax(name: str, workload: JSON) -> Run:
    """A dataflow of one map."""
    import bytewax.operators as op
    from bytewax.dataflow import Dataflow
    from bytewax.testing import TestingSink, TestingSource, run_main

    def make() -> JSON:
        found: list[Any] = []
        flow = Dataflow("w2")
        events = op.input("in", flow, TestingSource([workload["input"]] * BATCH, batch_size=500))
        op.output("out", op.map("w2", events, w2), TestingSink(found))
        run_main(flow)
        return found[-1]

    return _only_w2(name, Run(make, BATCH))


def quixstreams(name: str, workload: JSON) -> Run:
    """A stream of one apply, without a broker."""
    from quixstreams.core.stream import Stream

    found: list[Any] = []
    execute = Stream().add_apply(w2).compose_single(sink=lambda value, key, timestamp, headers: found.append(value))

    def make() -> JSON:
        found.clear()
        for _ in range(BATCH):
            execute(workload["input"], b"sensor-7731", 1_768_465_800_000, [])
        return found[-1]

    return _only_w2(name, Run(make, BATCH))


def _only_w2(name: str, run: Run) -> Run:
    if name != "w2":
        raise LookupError("not a state machine: only w2 is written for it")
    return run


if __name__ == "__main__":
    serve({"bytewax": bytewax, "quixstreams": quixstreams}[sys.argv[1]])
