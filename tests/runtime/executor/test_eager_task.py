"""Handlers stepped without an asyncio.Task: what asyncio's own tools and others' libraries need of a current task."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import uvloop
from aiohttp import web

from express.engine import About
from express.engine.effects import Finish
from express.errors import StatesError
from express.runtime.executor.eager_task import EagerTask, EagerTasks
from express.runtime.executor.executor import Executor
from tests.engine.scripts import program, task
from tests.runtime.executor.test_executor import Call, finished
from tests.runtime.virtual import clock, run_virtual

Handler = Callable[[], Awaitable[Any]]


def begun(coro: Any, name: str) -> Any:
    """Begin a coroutine on the running loop."""
    return EagerTasks(asyncio.get_running_loop()).begin(coro, name)


async def end(answer: Any) -> Any:
    """What a begun coroutine comes to."""
    return await answer.ending() if isinstance(answer, EagerTask) else answer


async def whole(handler: Handler) -> Any:
    """Step a handler to its end."""
    return await end(begun(handler(), "Call"))


async def times_out() -> str:
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(10)
    except TimeoutError:
        return "timeout"
    return "none"


async def waits_for() -> str:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(10), 0.01)
    return "timeout"


async def groups() -> list[int]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0.001, n)) for n in range(3)]
    return [one.result() for one in tasks]


async def group_fails() -> str:
    async def fails() -> None:
        raise KeyError("x")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
            await asyncio.sleep(10)
    except ExceptionGroup:
        return "failed"
    return "none"


async def serves() -> str:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session,
            session.get(f"http://127.0.0.1:{port}/") as response,
        ):
            return await response.text()
    finally:
        await runner.cleanup()


async def locks() -> str:
    lock = asyncio.Lock()
    async with lock:
        other = asyncio.ensure_future(lock.acquire())
        await asyncio.sleep(0)
    return str(await other)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (times_out, "timeout"),
        (waits_for, "timeout"),
        (groups, [0, 1, 2]),
        (group_fails, "failed"),
        (serves, "hello"),
        (locks, "True"),
    ],
)
def test_what_needs_a_current_task_has_one(run: Any, handler: Handler, expected: Any) -> None:
    """Timeouts, task groups, locks and HTTP clients do in a stepped handler what they do in a task."""
    assert run(whole(handler)) == expected


def test_its_first_step_is_taken_at_once() -> None:
    """What does not wait has ended when `begun` returns, and the task around it is the current one again."""

    async def handler() -> Any:
        return asyncio.current_task()

    async def main() -> None:
        current = begun(handler(), "Call")
        assert isinstance(current, EagerTask)
        assert (current.done(), current.get_name()) == (True, "Call")
        assert asyncio.current_task() in asyncio.all_tasks()

    asyncio.run(main())


def test_each_has_a_context_of_its_own() -> None:
    """What a handler sets stays set over its waits, and nobody else sees it."""
    variable = contextvars.ContextVar("variable", default=0)

    async def handler(n: int) -> int:
        variable.set(n)
        await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return variable.get()

    async def main() -> None:
        begins = [begun(handler(n), "Call") for n in (1, 2)]
        assert [await end(one) for one in begins] == [1, 2]
        assert variable.get() == 0

    asyncio.run(main())


def test_who_yields_gives_way_to_all_that_is_due() -> None:
    """What a handler has made due before `sleep(0)` runs before it goes on, however many yield in the same turn."""
    seen: list[str] = []

    async def handler(name: str) -> None:
        asyncio.get_running_loop().call_soon(seen.append, f"due to {name}")
        await asyncio.sleep(0)
        seen.append(name)

    async def main() -> None:
        stepper = EagerTasks(asyncio.get_running_loop())
        begins = [stepper.begin(handler(name), "Call") for name in "abc"]
        await asyncio.gather(*(one.ending() for one in begins))
        assert seen == ["due to a", "due to b", "due to c", "a", "b", "c"]
        seen.clear()
        await stepper.begin(handler("alone"), "Call").ending()
        assert seen == ["due to alone", "alone"]

    asyncio.run(main())


def test_who_yields_is_stepped_once_in_a_turn() -> None:
    """Handlers that yield over and over leave every other turn of the loop, at least, to the others."""
    steps = [0, 0, 0]

    async def handler(n: int) -> None:
        for _ in range(100):
            steps[n] += 1
            await asyncio.sleep(0)

    async def main() -> None:
        stepper = EagerTasks(asyncio.get_running_loop())
        begins = [stepper.begin(handler(n), "Call") for n in range(3)]
        turns = 0
        while not all(one.done() for one in begins):
            turns += 1
            await asyncio.sleep(0)
            assert max(steps) <= turns + 1
        assert turns <= 205

    asyncio.run(main())


def test_what_goes_wrong_with_one_leaves_the_others() -> None:
    """Should telling of an end fail, the loop hears of it and everybody who yielded goes on all the same."""
    told: list[Any] = []
    heard: list[Any] = []

    async def handler() -> None:
        await asyncio.sleep(0)

    def tell(stepped: EagerTask) -> None:
        told.append(stepped)
        raise RuntimeError("ours")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: heard.append(context["exception"]))
        stepper = EagerTasks(loop, tell)
        begins = [stepper.begin(handler(), "Call") for _ in range(3)]
        for one in begins:
            one.run = "somebody's"
        await asyncio.gather(*(one.ending() for one in begins))
        for _ in range(5):
            await asyncio.sleep(0)
        assert (told, len(heard)) == (begins, 3)

    asyncio.run(main())


def test_cancelling_reaches_what_is_awaited() -> None:
    """`cancel` is thrown in where the handler waits, which may clean up, and even refuse."""
    seen: list[str] = []

    async def cleans() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned")

    async def refuses() -> str:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return "stays"
        return ""

    async def yields() -> None:
        while True:  # noqa: ASYNC110 - it is about bare yields
            await asyncio.sleep(0)

    async def main() -> None:
        first, second, third = begun(cleans(), "A"), begun(refuses(), "B"), begun(yields(), "C")
        assert all(one.cancel("enough") for one in (first, second, third))
        with pytest.raises(asyncio.CancelledError):
            await first.ending()
        assert (seen, first.cancelled(), first.cancelling(), first.cancel()) == (["cleaned"], True, 1, False)
        assert await second.ending() == "stays"
        with pytest.raises(asyncio.CancelledError):
            await third.ending()

    asyncio.run(main())


def test_wrong_awaits_are_errors_of_the_handler() -> None:
    """What a Task refuses to wait for is refused here in the same words."""

    class Odd:
        def __await__(self) -> Any:
            yield 1

    async def odd() -> None:
        await Odd()

    async def main() -> None:
        with pytest.raises(RuntimeError, match="Task got bad yield: 1"):
            await whole(odd)
        other = asyncio.new_event_loop()
        try:
            foreign = other.create_future()
            with pytest.raises(RuntimeError, match="attached to a different loop"):
                await whole(lambda: _await(foreign))
        finally:
            other.close()

    async def _await(future: Any) -> None:
        await future

    asyncio.run(main())


def test_its_end_is_told_to_callbacks_too() -> None:
    """Whoever asks for more than a current task, a done callback or the result, gets it."""

    async def main() -> None:
        stepped = begun(asyncio.sleep(0.001, 5), "Call")
        told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        stepped.add_done_callback(told.set_result)
        with pytest.raises(asyncio.InvalidStateError):
            stepped.result()
        assert (await told, stepped.result(), stepped.exception()) == (stepped, 5, None)

    asyncio.run(main())


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize(
    ("raised", "error", "cause"),
    [
        (StatesError("Boom", "no"), "Boom", "no"),
        (ValueError("odd"), "States.Runtime", "ValueError: odd"),
        (SystemExit(3), "States.Runtime", "SystemExit: 3"),
        (asyncio.CancelledError(), "States.Runtime", "CancelledError: "),
    ],
)
def test_what_a_handler_raises_fails_the_task(waits: bool, raised: BaseException, error: str, cause: str) -> None:
    """An error is the same before and after the first wait."""

    async def handler() -> None:
        if waits:
            await asyncio.sleep(0.001)
        raise raised

    async def main() -> None:
        executor = Executor(clock(), Call(lambda _: handler()))
        assert await finished(executor, program(task())) == Finish("FAILED", error=error, cause=cause)
        assert (executor.calls, executor.running) == (0, 0)

    run_virtual(main())


def test_the_cap_ends_an_execution_whose_handler_waits() -> None:
    """At the cap, not a second earlier or later, the handler is cancelled and the execution has timed out."""
    cancelled: list[float] = []

    async def handler() -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            cancelled.append(clock().monotonic())

    async def main() -> None:
        executor = Executor(clock(), Call(lambda _: handler()))
        for limit in (300.0, 300.7, 0.5):
            began = clock().monotonic()
            finish = await finished(executor, program(task()), limit=limit)
            assert finish.status == "TIMED_OUT"
            assert limit <= clock().monotonic() - began <= limit + 0.02
            await asyncio.sleep(0)
        assert len(cancelled) == 3
        assert (executor.calls, executor.running) == (0, 0)

    run_virtual(main())


def test_stopping_cancels_the_handler() -> None:
    """`stop`, `drop` and `close` reach a handler that waits; nothing is told twice."""
    ended: list[str] = []

    async def handler() -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            ended.append("handler")

    async def main() -> None:
        executor = Executor(clock(), Call(lambda _: handler()))
        told: list[str] = []
        runs = [
            executor.submit(program(task()), n, About(), lambda run, finish: told.append(finish.status))[1]
            for n in range(3)
        ]
        assert runs[0] is not None
        assert runs[1] is not None
        executor.stop(runs[0])
        executor.drop(runs[1])
        await executor.close()
        assert (told[0], len(ended)) == ("ABORTED", 3)

    run_virtual(main())


def test_an_execution_that_has_ended_leaves_nothing_behind() -> None:
    """No cycle keeps an execution's data alive, nor does a timer."""

    class Data(dict):  # type: ignore[type-arg]  # a dict that can be referred to weakly
        pass

    async def handler() -> int:
        await asyncio.sleep(0)
        return 1

    async def main() -> None:
        executor = Executor(clock(), Call(lambda _: handler()))
        data = Data(a=1)
        reference = weakref.ref(data)
        await finished(executor, program(task(ResultPath="$.r")), data)
        del data
        assert reference() is None

    gc.disable()
    try:
        run_virtual(main())
    finally:
        gc.enable()
