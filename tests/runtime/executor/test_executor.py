"""The host of executions: effects performed, events delivered, nothing owned that is not needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from express.compiler import compile_definition
from express.engine import About, Program
from express.engine.effects import Finish, StartTask
from express.errors import StatesError
from express.ports import Integration, TaskContext
from express.runtime.executor.executor import Executor, Run
from tests.engine.scripts import program, task
from tests.runtime.virtual import clock, run_virtual

WAIT = {"Type": "Wait", "Seconds": 5}
LOOP = compile_definition(
    {
        "StartAt": "Again",
        "States": {
            "Again": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.stop", "IsPresent": True, "Next": "Done"}],
                "Default": "Again",
            },
            "Done": {"Type": "Succeed"},
        },
    }
)


class Call(Integration):
    """An integration that answers with what `answer` makes of the task."""

    def __init__(self, answer: Callable[[StartTask], Any]) -> None:
        self.answer = answer
        self.contexts: list[TaskContext] = []

    def start(self, task: StartTask, context: TaskContext) -> Any:
        self.contexts.append(context)
        return self.answer(task)


def unexpected(run: Run, finish: Finish) -> None:
    pytest.fail(f"{finish} was not to be told")


async def finished(executor: Executor, machine: Program, data: Any = None, **more: Any) -> Finish:
    """Run one execution to its end."""
    end: asyncio.Future[Finish] = asyncio.get_running_loop().create_future()
    x, run = executor.submit(machine, data, About(), lambda run, finish: end.set_result(finish), **more)
    if run is None:
        assert x.finished is not None
        end.set_result(x.finished)
    return await end


def test_what_never_waits_ends_at_once() -> None:
    """An execution without a wait is over when `submit` returns, and nobody is called."""

    async def main() -> None:
        executor = Executor(clock(), Call(lambda task: None))

        x, run = executor.submit(program({"Type": "Pass"}), {"a": 1}, About(), unexpected)

        assert (run, x.finished) == (None, Finish("SUCCEEDED", {"a": 1}))
        assert executor.running == 0

    run_virtual(main())


def test_an_answer_at_once_needs_no_task_and_no_timer() -> None:
    """A synchronous integration answers inside `submit`: the wheel and the loop are not touched."""

    async def main() -> None:
        executor = Executor(clock(), Call(lambda task: {"got": task.input}))

        x, run = executor.submit(program(task(), task()), 1, About(), unexpected)

        assert (run, x.finished) == (None, Finish("SUCCEEDED", {"got": {"got": 1}}))
        assert executor.timers == 0
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())


def test_a_wait_owns_a_place_in_the_wheel_and_no_task() -> None:
    """1,000 parked executions add no asyncio task, and each ends within 20 ms after its time."""

    async def main() -> None:
        executor = Executor(clock(), Call(lambda task: None))
        started = clock().monotonic()
        ends: list[float] = []
        for _ in range(1000):
            executor.submit(program(WAIT), None, About(), lambda run, finish: ends.append(clock().monotonic()))

        assert executor.running == 1000
        assert len(asyncio.all_tasks()) == 1
        await asyncio.sleep(6)

        assert len(ends) == 1000
        assert all(5 <= at - started <= 5.02 for at in ends)
        assert (executor.running, executor.timers) == (0, 0)

    run_virtual(main())


def test_an_awaitable_becomes_one_task() -> None:
    """What an integration answers later arrives later; meanwhile there is one task for the call."""

    async def slow(task: StartTask) -> Any:
        await asyncio.sleep(1)
        return {"slow": task.input}

    async def main() -> None:
        integration = Call(slow)
        executor = Executor(clock(), integration)
        end = asyncio.create_task(finished(executor, program(task()), 7))
        await asyncio.sleep(0.5)

        assert executor.calls == 1
        assert await end == Finish("SUCCEEDED", {"slow": 7})
        assert integration.contexts[0].deadline == 1_300.0
        await asyncio.sleep(0)
        assert executor.calls == 0

    run_virtual(main())


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    ("raised", "error", "cause"),
    [
        (StatesError("Boom", "because"), "Boom", "because"),
        (ZeroDivisionError("oh"), "States.Runtime", "ZeroDivisionError: oh"),
    ],
)
def test_a_failed_call_fails_the_task(later: bool, raised: Exception, error: str, cause: str) -> None:
    """StatesError is what Retry and Catch see; any other exception is States.Runtime, at once or awaited."""

    async def fail() -> None:
        raise raised

    def answer(task: StartTask) -> Any:
        if later:
            return fail()
        raise raised

    async def main() -> None:
        finish = await finished(Executor(clock(), Call(answer)), program(task()))

        assert (finish.status, finish.error) == ("FAILED", error)
        assert finish.cause is not None
        assert cause in finish.cause

    run_virtual(main())


def test_a_handler_cannot_end_the_worker() -> None:
    """sys.exit() in an async handler fails the task and nothing else."""

    async def leave(task: StartTask) -> None:
        raise SystemExit(3)

    async def main() -> None:
        finish = await finished(Executor(clock(), Call(leave)), program(task()))
        assert finish.error == "States.Runtime"

    run_virtual(main())


def test_a_timeout_cancels_the_call() -> None:
    """When TimeoutSeconds wins, the call is cancelled and its late answer means nothing."""
    cancelled: list[str] = []

    async def hang(task: StartTask) -> Any:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            cancelled.append(task.state)
            raise

    async def main() -> None:
        executor = Executor(clock(), Call(hang))
        finish = await finished(executor, program(task(TimeoutSeconds=2)))
        await asyncio.sleep(0)

        assert (finish.status, finish.error) == ("FAILED", "States.Timeout")
        assert cancelled == ["S0"]
        assert (executor.timers, executor.running) == (0, 0)

    run_virtual(main())


def test_a_dropped_execution_tells_nobody() -> None:
    """`drop` cancels calls and timers; `done` is not called, whatever comes later."""

    async def main() -> None:
        executor = Executor(clock(), Call(lambda task: asyncio.sleep(3, "late")))
        _, run = executor.submit(program(task()), None, About(), unexpected)
        assert isinstance(run, Run)

        executor.drop(run)
        await asyncio.sleep(10)

        assert (executor.timers, executor.calls, executor.running) == (0, 0, 0)

    run_virtual(main())


def test_a_stopped_execution_is_aborted() -> None:
    """`stop` ends an execution as ABORTED, and `done` hears of it."""

    async def main() -> None:
        executor = Executor(clock(), Call(lambda task: None))
        ends: list[Finish] = []
        _, run = executor.submit(program(WAIT), None, About(), lambda run, finish: ends.append(finish))
        assert run is not None

        executor.stop(run, "Mine", "enough")

        assert ends == [Finish("ABORTED", error="Mine", cause="enough")]
        assert executor.running == 0

    run_virtual(main())


class BusyClock:
    """The loop's clock, on which every look at it takes half a millisecond of work."""

    def __init__(self) -> None:
        self.loop = clock()

    def monotonic(self) -> float:
        self.loop.virtual.now += 0.0005
        return self.loop.time()

    def wall(self) -> float:
        return self.loop.wall()


def test_endless_loops_are_stopped_at_the_cap_and_starve_nobody() -> None:
    """100 rogues that never wait end TIMED_OUT at the cap; honest timers beside them are at most 20 ms late."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        executor = Executor(BusyClock(), Call(lambda task: None))
        began = loop.time()
        rogues = [asyncio.create_task(finished(executor, LOOP, {}, limit=0.7)) for _ in range(100)]
        await asyncio.sleep(0)
        lags = []
        while not any(rogue.done() for rogue in rogues):
            before = loop.time()
            await asyncio.sleep(0.01)
            lags.append(loop.time() - before - 0.01)
        ends = await asyncio.gather(*rogues)

        assert {end.status for end in ends} == {"TIMED_OUT"}
        assert 0.7 <= loop.time() - began <= 1
        assert len(lags) > 20
        assert max(lags) <= 0.02

    run_virtual(main())


def test_timers_do_not_stand_in_line_behind_endless_loops() -> None:
    """A Wait beside 100 rogues goes on at most 20 ms late, however many of them want a turn."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        executor = Executor(BusyClock(), Call(lambda task: None))
        for _ in range(100):
            executor.submit(LOOP, {}, About(), unexpected, limit=9)
        end: asyncio.Future[float] = loop.create_future()
        due = loop.time() + 1
        waiting = program({"Type": "Wait", "Seconds": 1})
        executor.submit(waiting, None, About(), lambda run, finish: end.set_result(loop.time()))

        assert await end - due <= 0.02
        assert executor.running == 100

    run_virtual(main())


def test_answers_at_once_do_not_starve_others() -> None:
    """A loop over a task that answers at once gives way after a few answers, if they take long."""
    calls = 0

    def answer(task: StartTask) -> Any:
        nonlocal calls
        calls += 1
        return calls

    async def main() -> None:
        never = {"Variable": "$", "NumericLessThan": 0, "Next": "S2"}
        again = program(task(Next="S1"), {"Type": "Choice", "Choices": [never], "Default": "S0"}, {"Type": "Succeed"})
        executor = Executor(BusyClock(), Call(answer))
        _, run = executor.submit(again, None, About(), unexpected)
        assert run is not None

        assert calls <= 70
        given = calls
        await asyncio.sleep(0)
        assert given < calls <= given + 10
        executor.drop(run)

    run_virtual(main())


def test_branches_that_fail_cancel_those_still_running() -> None:
    """A Parallel whose first branch fails at once cancels the call of the second one."""

    def answer(task: StartTask) -> Any:
        if task.state == "Fails":
            raise StatesError("Boom", "no")
        return asyncio.sleep(100)

    async def main() -> None:
        branches = [{"StartAt": name, "States": {name: {**task(), "End": True}}} for name in ("Hangs", "Fails")]
        executor = Executor(clock(), Call(answer))
        finish = await finished(executor, program({"Type": "Parallel", "Branches": branches}))
        await executor.close()

        assert (finish.status, finish.error) == ("FAILED", "Boom")
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main())
