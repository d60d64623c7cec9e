"""The threads of handlers: bounded, started when needed, and every call in them known until it returns."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from types import SimpleNamespace
from typing import Any, cast

import pytest

from express.integrations.local.threads import DEAD_SECONDS, HandlerThreads, ThreadCall, names
from tests.patience import PATIENCE


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def called(function: str = "score", state: str = "Score") -> ThreadCall:
    task, execution = SimpleNamespace(state=state), SimpleNamespace(state_machine_name="orders")
    return ThreadCall(function, cast(Any, SimpleNamespace(_task=task, _execution=execution)))


def test_threads_are_started_when_they_are_needed_and_no_more_than_allowed() -> None:
    """One after the other needs one thread; at once, as many run as there may be, and the rest afterwards."""
    pool, gate = HandlerThreads(2), threading.Event()
    assert [pool.submit(threading.get_ident).result(PATIENCE) for _ in range(3)]
    running = threading.Semaphore(0)

    def wait(n: int) -> int:
        running.release()
        gate.wait(PATIENCE)
        return n

    futures = [pool.submit(wait, n) for n in range(5)]
    assert running.acquire(timeout=PATIENCE)
    assert running.acquire(timeout=PATIENCE)
    assert not running.acquire(blocking=False)
    assert len(pool._threads) == 2
    assert all(thread.daemon for thread in pool._threads)
    gate.set()
    assert [future.result(PATIENCE) for future in futures] == [0, 1, 2, 3, 4]
    pool.shutdown()


def test_what_waits_for_a_thread_is_cancelled_by_a_shutdown() -> None:
    """What runs is left alone; nothing is taken any more."""
    pool, gate, begun = HandlerThreads(1), threading.Event(), threading.Event()
    running = pool.submit(lambda: (begun.set(), gate.wait(PATIENCE)))
    waiting = pool.submit(gate.wait)
    begun.wait(PATIENCE)
    pool.shutdown(wait=False, cancel_futures=True)
    with pytest.raises(CancelledError):
        waiting.result(PATIENCE)
    with pytest.raises(RuntimeError):
        pool.submit(gate.wait)
    gate.set()
    assert running.result(PATIENCE) == (None, True)


async def test_exceptions_of_a_thread_reach_the_loop() -> None:
    """As from any other executor."""
    pool = HandlerThreads(1)
    with pytest.raises(ZeroDivisionError):
        await asyncio.get_running_loop().run_in_executor(pool, lambda: 1 / 0)
    pool.shutdown()


def test_a_pool_is_dead_when_all_threads_are_held_by_calls_that_nobody_waits_for() -> None:
    """One call that is waited for is enough for life, and so is one that was given up just now."""
    clock = Clock()
    pool, first, second = HandlerThreads(2, clock), called(), called("rate", "Rate")
    pool.enter(first)
    clock.now += 5
    pool.enter(second)
    pool.abandon(first)
    clock.now += 2 * DEAD_SECONDS
    assert pool.dead == ""
    pool.abandon(second)
    assert pool.dead == ""
    clock.now += DEAD_SECONDS
    assert pool.dead == (
        "all 2 threads (workers.threads) are held by handlers whose executions have ended, for up to 35 s "
        "(score (state 'Score' of orders): 1, rate (state 'Rate' of orders): 1)"
    )
    assert pool.sums()["rate"] == {"awaited": 0, "abandoned": 1, "seconds": 30.0}
    assert names(pool.calls, clock.now).startswith("score (state 'Score' of orders) for 35 s, rate")
    pool.leave(second)
    assert pool.dead == ""
    assert "rate" not in pool.sums()
