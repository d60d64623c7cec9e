"""The ring of ended executions: what it keeps, and that it never grows beyond its limits."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from express.stores.ring import Ended, Limits, Ring


def ended(arn: str, seconds: float = 0.0, **members: Any) -> Ended:
    """An execution that ended."""
    fields = {"machine_arn": "m", "name": arn, "status": "SUCCEEDED", "started": 0.0, "stopped": seconds, **members}
    return Ended(arn=arn, **fields)


def offer(ring: Ring, arn: str, seconds: float = 0.0, *, failed: bool = False, at: float = 0.0, size: int = 0) -> None:
    """Offer an execution that began at `at`."""
    status = "FAILED" if failed else "SUCCEEDED"
    record = ended(arn, at + seconds, started=at, status=status, history=b"x" * size)
    ring.offer(failed=failed, started=at, stopped=at + seconds, render=lambda: record)


def kept(ring: Ring) -> set[str]:
    """The ARNs that are there."""
    return {record.arn for record in ring}


def test_failures_are_kept_whatever_else_comes() -> None:
    """The last failures stay while successes go by."""
    ring = Ring(Limits(failures=2, slowest=1, samples=1))
    for i in range(3):
        offer(ring, f"f{i}", failed=True)
    for i in range(50):
        offer(ring, f"s{i}")

    assert {"f1", "f2"} <= kept(ring)
    assert ring.get("f0") is None


def test_the_slowest_are_kept() -> None:
    """Whatever order they come in."""
    ring = Ring(Limits(slowest=2, samples=0))
    for seconds in (5, 1, 9, 2, 7, 3):
        offer(ring, f"s{seconds}", seconds)

    assert kept(ring) == {"s9", "s7"}


def test_few_successes_are_all_kept() -> None:
    """One who tries a workflow by hand sees every run."""
    ring = Ring(Limits(slowest=1, samples=50))
    for i in range(50):
        offer(ring, f"s{i}", at=float(i))

    assert len(kept(ring)) == 50


def test_many_successes_are_sampled() -> None:
    """Under load only so many a second are rendered at all."""
    ring = Ring(Limits(slowest=0, samples=1_000, samples_per_second=10))
    for i in range(10_000):
        offer(ring, f"s{i}", at=i / 1_000)

    assert 100 <= len(kept(ring)) <= 120


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 10), st.integers(0, 5_000)), max_size=60))
def test_the_ring_is_never_larger_than_its_limit(offers: list[tuple[bool, float, int]]) -> None:
    """Its size is what it holds, to the byte, and within the limit after every offer."""
    ring = Ring(Limits(failures=5, slowest=3, samples=5, bytes=10_000))
    for i, (failed, seconds, size) in enumerate(offers):
        offer(ring, f"e{i}", seconds, failed=failed, at=float(i), size=size)
        assert ring.size == sum(record.size for record in ring) <= 10_000
        assert all(ring.get(record.arn) is record for record in ring)
