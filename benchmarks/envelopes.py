"""What envelopes, CloudEvents and headers cost: CPU per record from the dispatcher to the sink, without a broker.

    python -m benchmarks.envelopes [--records N] [--rounds N]

Each row takes the same records of 300 bytes through a machine of one Pass state; the least of several rounds, in turns.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from express.compiler import compile_definition
from express.engine.effects import StartTask
from express.ports import Headers, Integration, Partition, Position, Record, TaskContext
from express.runtime.clock import SystemClock
from express.runtime.counters import Counters
from express.runtime.drain.assignment import AssignedPartition
from express.runtime.drain.pipeline import Workflow
from express.runtime.executor.executor import Executor
from express.runtime.records.dispatcher import Dispatcher
from express.runtime.records.terminal_record import Naming
from express.values import JSON
from tests.runtime.pipelines import pipeline_of

PASS = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Parameters": {"x.$": "$"}, "End": True}}}
VALUE = b'{"a": 1, "b": "' + b"x" * 280 + b'"}'
AT = Partition("in", 0)
TRACED = (("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),)
EVENT = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/s"),
    ("ce_type", b"t"),
    ("content-type", b"application/json"),
)

ROWS: dict[str, tuple[Headers, dict[str, Any]]] = {
    "plain value": ((), {}),
    "plain value with a traceparent": (TRACED, {}),
    "envelope record": ((), {"envelope": "record"}),
    "envelope pipes": ((), {"envelope": "pipes"}),
    "envelope cloudevents, binary": (EVENT, {"envelope": "cloudevents"}),
    "the same, results structured": (EVENT, {"envelope": "cloudevents", "cloudevents": "structured"}),
}


class Void:
    """A sink that takes everything and keeps nothing."""

    transactional = False
    doubtful = ()
    pending = 0

    def limit_of(self, topic: str) -> int:
        """Enough."""
        return 1 << 20

    def append(self, *record: Any) -> None:
        """Forget it."""


class Nobody(Integration):
    """An integration that is never asked."""

    def start(self, task: StartTask, context: TaskContext) -> JSON:
        """No task is in the machine."""
        raise AssertionError(task)


def measure(records: int, headers: Headers, settings: dict[str, Any]) -> float:
    """Microseconds of CPU per record."""
    workflow = Workflow(name="w", program=compile_definition(PASS))
    pipeline = pipeline_of(workflow, ordering="none", **settings)
    clock, counters = SystemClock(), Counters()
    sink: Any = Void()
    dispatcher = Dispatcher(pipeline, Executor(clock, Nobody()), sink, clock, counters, lambda: None)
    assigned = AssignedPartition(AT, Naming(workflow.execution_prefix, AT), Position(0), 1024)
    made = [Record("in", 0, n, 1_700_000_000_000, b"k", VALUE, tuple(headers)) for n in range(records)]
    began = time.process_time()
    for record in made:
        assigned.tracker.track(record.offset)
        dispatcher.take(assigned, record)
    spent = time.process_time() - began
    if counters.poison or counters.oversize or sum(machine.started for machine in _machines(dispatcher)) != records:
        raise RuntimeError("not every record was run")
    return spent / records * 1e6


def _machines(dispatcher: Any) -> list[Counters]:
    return [dispatcher._counters, *dispatcher.machines.values()]


def main() -> None:
    """Print a row for each form."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    least = dict.fromkeys(ROWS, float("inf"))
    for _ in range(options.rounds):
        for name, (headers, settings) in ROWS.items():
            least[name] = min(least[name], measure(options.records, headers, settings))
    for name, micros in least.items():
        print(f"{name:32} {micros:6.2f} µs")


if __name__ == "__main__":
    main()
