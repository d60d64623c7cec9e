"""Virtual time: what never waits ends all the same, what is real is waited for, and moments are exact."""

from __future__ import annotations

import asyncio
import concurrent.futures
import socket
import sys
import threading
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from express.testing import Fail, Result, attempts, run
from express.testing.mocks import MOST_CALLS
from express.testing.virtual import Deadlock

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
TASK = {"Type": "Task", "Resource": FUNCTION}


def polling(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A state that is asked again and again while `$.n` is 1."""
    again = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "A"}], "Default": "B"}
    return {"StartAt": "A", "States": {"A": {**state, "Next": "C"}, "C": again, "B": {"Type": "Succeed"}}, **more}


def one(**state: Any) -> dict[str, Any]:
    """A machine of one state."""
    return {"StartAt": "A", "States": {"A": {**state, "End": True}}}


async def later(_: Any) -> Any:
    """A mock that gives way before it answers."""
    await asyncio.sleep(0)
    return {"n": 1}


async def spinning(_: Any) -> Any:
    """A mock that gives way for ever."""
    while True:  # noqa: ASYNC110 - that is what it is for
        await asyncio.sleep(0)


# What never waits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "mock"),
    [
        ({"Type": "Pass"}, None),
        ({"Type": "Wait", "Seconds": 0}, None),
        (TASK, {"n": 1}),
        (TASK, later),
    ],
)
def test_a_loop_that_does_not_wait_times_out(state: dict[str, Any], mock: Any) -> None:
    """At TimeoutSeconds, to the moment, with a bounded history: as `express exec` ends it, if not as late."""
    mocks = {} if mock is None else {"A": mock}
    result = run(polling(state, TimeoutSeconds=60), {"n": 1}, mocks=mocks)

    assert (result.status, result.error, result.seconds) == ("TIMED_OUT", "States.Timeout", 60.0)
    assert len(result.events) <= 25_000
    assert len(result.calls) == (0 if mock is None else MOST_CALLS)
    assert result.events[-1]["type"] == "ExecutionTimedOut"
    assert set(result.path) == {"A", "C"}


def test_five_minutes_end_it_without_a_timeout() -> None:
    """The cap of an Express execution."""
    result = run(polling({"Type": "Pass"}), {"n": 1})

    assert (result.status, result.seconds) == ("TIMED_OUT", 300.0)


def test_a_loop_below_a_map_times_out() -> None:
    """Iterations that loop side by side."""
    each = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": polling({"Type": "Pass"}), "End": True}
    result = run({"StartAt": "M", "States": {"M": each}, "TimeoutSeconds": 9}, {"items": [{"n": 1}] * 3})

    assert (result.status, result.seconds) == ("TIMED_OUT", 9.0)


def test_a_mock_that_never_comes_to_an_end_times_out() -> None:
    """The state's own timeout comes first, and can be caught."""
    result = run(one(**TASK, TimeoutSeconds=7), mocks={"A": spinning})

    assert (result.status, result.error, result.seconds) == ("FAILED", "States.Timeout", 7.0)


def test_a_standard_machine_that_loops_for_ever_is_told() -> None:
    """It has no cap: no timer would ever end it."""
    with pytest.raises(Deadlock, match="100,000 steps"):
        run(polling({"Type": "Pass"}), {"n": 1}, type="STANDARD")


def test_nothing_is_left_behind_that_was_never_awaited() -> None:
    """Answers whose execution has ended before anybody came to wait for them are closed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(polling(TASK, TimeoutSeconds=60), {"n": 1}, mocks={"A": later})

    assert [str(warning.message) for warning in caught] == []


def test_much_at_one_moment_takes_no_time() -> None:
    """Thousands of states without a wait are no endless loop."""
    each = {"StartAt": "P", "States": {"P": {"Type": "Pass", "Next": "T"}, "T": {**TASK, "End": True}}}
    result = run(one(Type="Map", ItemProcessor=each), list(range(10_000)), mocks={"T": lambda item: item})

    assert (result.status, result.seconds, result.transitions) == ("SUCCEEDED", 0.0, 20_001)


# What is real ------------------------------------------------------------------------------------------


async def threaded(_: Any) -> Any:
    """Waits for a thread that nobody knows of."""
    answer: concurrent.futures.Future[int] = concurrent.futures.Future()
    threading.Timer(0.2, answer.set_result, [5]).start()
    return await asyncio.wrap_future(answer)


async def in_executor(_: Any) -> Any:
    """Waits for a thread of the loop's own pool."""
    await asyncio.to_thread(time.sleep, 0.2)
    return 5


async def program(_: Any) -> Any:
    """Waits for another process."""
    code = "import time; time.sleep(0.2); print(5)"
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    return int(output)


async def through_a_socket(_: Any) -> Any:
    """Waits for what another thread sends."""
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        threading.Timer(0.2, there.send, [b"5"]).start()
        return int(await asyncio.get_running_loop().sock_recv(here, 1))


@pytest.mark.parametrize("kind", ["mocks", "functions"])
@pytest.mark.parametrize("way", [threaded, in_executor, program, through_a_socket])
def test_what_waits_for_the_world_takes_real_time(way: Callable[[Any], Awaitable[Any]], kind: str) -> None:
    """Threads, processes and sockets of a mock or a handler are waited for, and the clock says how long."""

    async def handler(event: Any, context: Any) -> Any:
        return await way(event)

    given: Any = {"mocks": {"A": way}} if kind == "mocks" else {"functions": {"f": handler}}
    result = run(one(**TASK, TimeoutSeconds=250), **given)

    assert result.output == 5
    assert 0.15 < result.seconds < 200


@pytest.mark.parametrize("kind", ["mocks", "functions"])
def test_host_names_are_resolved(kind: str) -> None:
    """Which a thread does: no deadlock, neither then nor when the loop is closed."""

    async def resolved(_: Any, __: Any = None) -> Any:
        found = await asyncio.get_running_loop().getaddrinfo("localhost", 80)
        return len(found) > 0

    given: Any = {"mocks": {"A": resolved}} if kind == "mocks" else {"functions": {"f": resolved}}
    assert run(one(**TASK), **given).output is True


def test_an_endpoint_is_named_by_its_host(tmp_path: Path) -> None:
    """A function behind an URL with a host name, called for real."""

    async def serve() -> Result:
        async def answer(request: web.Request) -> web.Response:
            return web.json_response({"n": 1})

        app = web.Application()
        app.router.add_route("*", "/{any:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        file = tmp_path / "express.toml"
        file.write_text(f'[aws.functions]\n"f" = "http://localhost:{port}/f"\n')
        result = await asyncio.to_thread(run, one(**TASK), config=file)
        await runner.cleanup()
        return result

    assert asyncio.run(serve()).output == {"n": 1}


# Moments -----------------------------------------------------------------------------------------------


def test_retries_come_to_the_moment() -> None:
    """After one second and after two more: three in all."""
    retry = [{"ErrorEquals": ["X"], "IntervalSeconds": 1, "BackoffRate": 2, "MaxAttempts": 2}]
    result = run(one(**TASK, Retry=retry), mocks={"A": attempts(Fail("X"), Fail("X"), 1)})

    assert result.seconds == 3.0
    asked = [event["time"] for event in result.events if event["type"] == "LambdaFunctionScheduled"]
    assert asked == [1000.0, 1001.0, 1003.0]


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [({"Seconds": 7}, 7.0), ({"SecondsPath": "$.s"}, 3.0), ({"Timestamp": "2026-01-01T00:02:00Z"}, 120.0)],
)
def test_waits_end_to_the_moment(wait: dict[str, Any], seconds: float) -> None:
    """The clock, the history and the Context object agree."""
    told = {"Type": "Pass", "Parameters": {"at.$": "$$.State.EnteredTime"}, "End": True}
    states = {"A": {"Type": "Wait", **wait, "Next": "B"}, "B": told}
    result = run({"StartAt": "A", "States": states}, {"s": 3})

    assert result.seconds == seconds
    assert result.output == {"at": f"2026-01-01T00:0{int(seconds) // 60}:{int(seconds) % 60:02}.000Z"}


def test_iterations_share_the_clock() -> None:
    """Ten calls of a tenth of a second, two at a time: half a second."""

    async def slow(item: Any) -> Any:
        await asyncio.sleep(0.1)
        return item

    each = {"StartAt": "T", "States": {"T": {**TASK, "End": True}}}
    result = run(one(Type="Map", MaxConcurrency=2, ItemProcessor=each), list(range(10)), mocks={"T": slow})

    assert (result.output, result.seconds) == (list(range(10)), 0.5)


def test_timeouts_and_heartbeats_come_to_the_moment() -> None:
    """A task that does not answer fails after exactly so long."""

    async def silent(_: Any) -> Any:
        await asyncio.sleep(1_000)

    caught = [{"ErrorEquals": ["States.Timeout"], "Next": "B"}]
    for field, seconds in (("TimeoutSeconds", 20), ("HeartbeatSeconds", 5)):
        fields = {"TimeoutSeconds": 30, field: seconds}
        states = {"A": {**TASK, **fields, "Catch": caught, "End": True}, "B": {"Type": "Succeed"}}
        assert run({"StartAt": "A", "States": states}, mocks={"A": silent}).seconds == seconds
