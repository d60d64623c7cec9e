"""What an execution that becomes no trace pays for tracing: nanoseconds, beside the same loop without it.

    python -m benchmarks.tracing [--quick]

`runtime.records.fast_path` and `runtime.records.dispatcher` make the same two checks: is this offset sampled, and
was the execution slow. Both loops take turns in one process; what counts is the difference of their best times.
"""

from __future__ import annotations

import argparse

from benchmarks.measure import take_turns
from express.ports import GOLDEN, MASK
from express.telemetry.trace_sampling import Trace, Tracer


class Nowhere:
    """A receiver that takes everything."""

    def send(self, traces: object) -> bool:
        """Taken."""
        return True

    def close(self) -> None:
        """Nothing to close."""


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracing")
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    tracer = Tracer(Nowhere(), ratio=0.001, slowest=1, waiting=16)
    about, finish = object(), object()
    tracer.offer(Trace(about, finish, 1.0))  # type: ignore[arg-type]  # one slow one, so that the quick are none
    sampled = tracer.threshold
    hits = 0

    def without(count: int) -> None:
        for offset in range(count):
            seconds = offset * 1e-12
            if seconds > 1.0:
                raise AssertionError

    def traced(count: int) -> None:
        nonlocal hits
        for offset in range(count):
            seconds = offset * 1e-12
            if seconds > 1.0:
                raise AssertionError
            if sampled and offset * GOLDEN & MASK < sampled:
                hits += 1
            if tracer is not None and seconds > tracer.slow:
                hits += 1

    variants = {"without": without, "traced": traced}
    found = take_turns(variants, rounds=3 if quick else 15, seconds=0.02 if quick else 0.2)
    tracer.close()
    base, more = found["without"], found["traced"]
    print(f"without {base.best * 1e3:.0f} ns, traced {more.best * 1e3:.0f} ns")
    print(f"an execution that becomes no trace pays {(more.best - base.best) * 1e3:.0f} ns")


if __name__ == "__main__":
    main()
