"""Handlers that never return: named in the log and in a metric, and nothing runs again for ever because of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from express.service.service import Service
from tests.patience import PATIENCE
from tests.service.kit import Lab, get, until

THREADS = 3


def machine(timeout: int | None = None) -> dict[str, Any]:
    state: dict[str, Any] = {"Type": "Task", "Resource": "work", "End": True}
    if timeout is not None:
        state["TimeoutSeconds"] = timeout
    return {"StartAt": "Work", "States": {"Work": state}}


def lab(address: str, folder: Path, handler: str, mode: str, timeout: int | None = None) -> Lab:
    made = Lab(address, folder, machine(timeout))
    function = f'work = {{ handler = "tests.service.hanging_handlers:{handler}", mode = "{mode}" }}\n'
    text = made.file.read_text().replace("[functions]\n", f"[functions]\n{function}")
    made.file.write_text(text)
    return made


def records(count: int, **first: Any) -> list[bytes]:
    """Events, of which the first has something to itself."""
    return [json.dumps({"n": n, **(first if n == 0 else {})}).encode() for n in range(count)]


def counted(service: Service, *names: str) -> int:
    overall = service.totals.overall()
    return sum(int(overall.get(name, 0)) for name in names)


def said(logs: list[str], *words: str) -> Callable[[], bool]:
    return lambda: any(all(word in line for word in words) for line in logs)


async def test_handlers_that_never_return_are_named_and_make_the_worker_unhealthy(
    devbroker_process: str, tmp_path: Path
) -> None:
    """Every thread is held for good: log, metrics and /livez name the handler and its state; a stop is clean."""
    it = lab(devbroker_process, tmp_path, "double", "thread", timeout=1)
    await it.prepare()
    async with it.service(1, f"workers.threads={THREADS}") as service:
        assert await service.ready(PATIENCE), it.logs
        await it.produce([b'{"n": 1, "hang": true}'] * THREADS + records(5))
        await until(lambda: counted(service, "succeeded", "failed", "timed_out") == THREADS + 5)
        await until(said(it.logs, "handler work (state 'Work' of machine)", "not returned"))
        await until(lambda: "held by handlers" in service.supervisor.live()["worker 0"])
        status, body = await get(f"{service.url}/livez")
        _, metrics = await get(f"{service.url}/metrics")
    assert status == 503
    assert "work (state 'Work' of machine): 3" in body
    assert f'express_handler_threads{{function="work",state="abandoned"}} {THREADS}.0' in metrics
    assert 'express_handler_longest_call_seconds{function="work"}' in metrics
    assert it.exit_code == 0, it.logs
    assert said(it.logs, "the worker ends though handlers have not returned", "work (state 'Work' of machine) for")()
    found = await it.count()
    assert (found.found, found.duplicates) == (THREADS + 5, 0)


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
@pytest.mark.parametrize("handler", ["block", "block_loop"])
async def test_a_handler_that_blocks_the_loop_runs_elsewhere_from_then_on(
    devbroker_process: str, tmp_path: Path, handler: str, delivery: str
) -> None:
    """Blocked for longer than the session: the handler is named, and its record runs twice, not for ever."""
    it = lab(devbroker_process, tmp_path, handler, "inline")
    await it.prepare()
    async with it.service(1, f"pipelines.0.delivery={delivery}") as service:
        assert await service.ready(PATIENCE), it.logs
        await it.produce(records(20, seconds=8))
        await it.complete()  # what the first worker has counted since its last report is lost with it
    found = await it.count()
    assert said(it.logs, "handler work (state 'Work' of machine) has blocked the event loop", "in block")(), it.logs
    assert (found.found, set(found.statuses)) == (20, {"SUCCEEDED"})
    assert found.duplicates == 0 if delivery == "exactly_once" else found.duplicates < 20
    assert service.totals.deaths == {0: 1}
    assert it.exit_code == 0, it.logs


async def test_what_blocks_the_loop_for_a_while_is_named(devbroker_process: str, tmp_path: Path) -> None:
    """Shorter than the session: the line names function, state and seconds, and everything goes on where it is."""
    it = lab(devbroker_process, tmp_path, "block", "inline")
    await it.prepare()
    async with it.service(1, "kafka.client.session_timeout_ms=60000") as service:
        assert await service.ready(PATIENCE), it.logs
        await it.produce(records(20, seconds=7))
        await until(lambda: counted(service, "succeeded") == 20)
        await until(said(it.logs, "the event loop goes on after"))
        _, metrics = await get(f"{service.url}/metrics")
    assert said(it.logs, "handler work (state 'Work' of machine) has blocked the event loop for 5 s", "in block")()
    assert 'express_handler_loop_blocked_seconds_total{function="work"}' in metrics
    assert (service.totals.deaths, it.exit_code) == ({}, 0)
    assert (await it.count()).duplicates == 0


async def test_a_thread_that_a_handler_leaves_behind_does_not_keep_the_worker(
    devbroker_process: str, tmp_path: Path
) -> None:
    """A stop names the thread and exits with 0."""
    it = lab(devbroker_process, tmp_path, "leave_a_thread", "inline")
    await it.prepare()
    async with it.service() as service:
        assert await service.ready(PATIENCE), it.logs
        await it.produce(records(1))
        await until(lambda: counted(service, "succeeded") == 1)
    assert it.exit_code == 0, it.logs
    assert said(it.logs, "the worker ends though the thread left behind has not")()
