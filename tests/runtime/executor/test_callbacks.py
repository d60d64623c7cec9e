"""Tasks of STANDARD machines that wait: callbacks by token, heartbeats, and jobs whose outcome is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from express.compiler import compile_definition
from express.engine import About, History, Program
from express.engine.effects import Finish, StartTask
from express.errors import ApiError, DefinitionError, StatesError
from express.integrations.task_token import by_token
from express.ports import Integration, Submitted, TaskContext
from express.runtime.executor.callbacks import Callbacks
from express.runtime.executor.executor import Executor, Run
from express.values import JSON
from tests.runtime.virtual import clock, run_virtual

TOKEN = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
REQUEST = {"QueueUrl": "q", "MessageBody": {"t.$": "$$.Task.Token"}}
HOUR = 3600.0


def waiting(*, resource: str = TOKEN, **more: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": resource, "Parameters": REQUEST, "End": True, **more}


def standard(*states: dict[str, Any]) -> Program:
    named = {f"S{i}": state for i, state in enumerate(states)}
    return compile_definition({"StartAt": "S0", "States": named}, type="STANDARD")


class Host(Integration):
    """An executor whose queue keeps the tokens that it was sent."""

    def __init__(self, answer: Callable[[StartTask], JSON | Awaitable[JSON]] | None = None, **more: Any) -> None:
        self.tokens: list[str] = []
        self.sent: list[StartTask] = []
        self.callbacks = Callbacks.of(clock(), **more)
        self._answer = answer
        self._start = by_token(self._send)
        self.executor = Executor(clock(), self, callbacks=self.callbacks)
        self.history = History()
        self.ended: asyncio.Future[Finish] = asyncio.get_running_loop().create_future()

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Send the token, and answer by it."""
        return self._start(task, context)

    def _send(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        self.sent.append(task)
        if task.token is not None:
            self.tokens.append(task.token)
        return {"MessageId": "m"} if self._answer is None else self._answer(task)

    def begin(self, program: Program, arn: str = "arn:e:1") -> Run:
        _, run = self.executor.submit(
            program,
            {},
            About(execution_arn=arn),
            lambda _run, finish: self.ended.done() or self.ended.set_result(finish),
            limit=None,
            history=self.history,
        )
        assert run is not None
        return run

    @property
    def events(self) -> list[str]:
        return [event["type"] for event in self.history.events()]

    async def asked(self, count: int = 1) -> str:
        """The token of the attempt `count`, once its request has been answered."""
        while len(self.tokens) < count:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
        return self.tokens[count - 1]


def refusal(call: Callable[..., None], *arguments: Any) -> str:
    with pytest.raises(ApiError) as raised:
        call(*arguments)
    return raised.value.code


def test_success_is_the_tasks_result() -> None:
    """The token is in the request; an hour later the caller's output is the result. The first answer wins."""

    async def main() -> None:
        host = Host()
        host.begin(standard(waiting()))
        token = await host.asked()
        assert host.sent[0].input["MessageBody"] == {"t": token}
        assert host.sent[0].resource.arn == "arn:aws:states:::sqs:sendMessage"
        await asyncio.sleep(HOUR)
        host.callbacks.succeed(token, {"approved": True})

        assert await host.ended == Finish("SUCCEEDED", {"approved": True})
        assert host.events[2:6] == ["TaskScheduled", "TaskStarted", "TaskSubmitted", "TaskSucceeded"]
        assert refusal(host.callbacks.succeed, token, 1) == "TaskTimedOut"
        assert len(host.callbacks) == 0
        await host.executor.close()

    run_virtual(main())


def test_failure_is_caught_and_retried_with_a_new_token() -> None:
    """SendTaskFailure is an error that Retry sees; the next attempt has another token, and the old one is closed."""

    async def main() -> None:
        host = Host()
        host.begin(standard(waiting(Retry=[{"ErrorEquals": ["Denied"], "MaxAttempts": 1}])))
        first = await host.asked()
        host.callbacks.fail(first, "Denied", "not today")
        second = await host.asked(2)
        assert second != first
        assert refusal(host.callbacks.succeed, first, 1) == "TaskTimedOut"
        host.callbacks.fail(second, "Denied", "never")

        assert await host.ended == Finish("FAILED", error="Denied", cause="never")
        await host.executor.close()

    run_virtual(main())


def test_heartbeats_keep_a_task_alive() -> None:
    """Each one starts the timer anew; when they stay away the task has timed out, and its token with it."""

    async def main() -> None:
        host = Host()
        host.begin(standard(waiting(HeartbeatSeconds=60)))
        token = await host.asked()
        for _ in range(10):
            await asyncio.sleep(50)
            host.callbacks.beat(token)
        await asyncio.sleep(59)
        assert not host.ended.done()
        finish = await host.ended

        assert (finish.status, finish.error) == ("FAILED", "States.Timeout")
        assert refusal(host.callbacks.beat, token) == "TaskTimedOut"
        assert host.events[-2:] == ["TaskTimedOut", "ExecutionFailed"]
        await host.executor.close()

    run_virtual(main())


def test_the_heartbeat_counts_from_the_answer_of_the_call() -> None:
    """A call that takes longer than HeartbeatSeconds is not missed: nobody can beat before it has begun."""

    async def slow(task: StartTask) -> JSON:
        await asyncio.sleep(100)
        return {}

    async def main() -> None:
        host = Host(slow)
        host.begin(standard(waiting(HeartbeatSeconds=20)))
        await asyncio.sleep(115)
        assert not host.ended.done()
        assert (await host.ended).error == "States.Timeout"
        await host.executor.close()

    run_virtual(main())


def test_heartbeat_seconds_from_the_input() -> None:
    """HeartbeatSecondsPath is read when the state is entered, and each heartbeat counts anew by it."""

    async def main() -> None:
        host = Host()
        program = standard(
            {"Type": "Pass", "Result": {"beat": 30}, "Next": "S1"},
            waiting(HeartbeatSecondsPath="$.beat", Catch=[{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "S2"}]),
            {"Type": "Succeed"},
        )
        host.begin(program)
        token = await host.asked()
        await asyncio.sleep(25)
        host.callbacks.beat(token)
        await asyncio.sleep(25)
        assert not host.ended.done()

        assert (await host.ended).status == "SUCCEEDED"
        await host.executor.close()

    run_virtual(main())


def test_an_answer_before_the_calls_own() -> None:
    """A worker may be quicker than the service's response: the execution goes on at once."""

    async def main() -> None:
        host = Host(lambda task: asyncio.sleep(1000, {}))
        host.begin(standard(waiting()))
        token = await host.asked()
        host.callbacks.succeed(token, "early")

        assert (await host.ended).output == "early"
        await host.executor.close()

    run_virtual(main())


def test_tokens_after_the_end() -> None:
    """After a stop and after the state's timeout a callback is TaskTimedOut; what is not ours is InvalidToken."""

    async def main() -> None:
        host = Host()
        run = host.begin(standard(waiting()))
        token = await host.asked()
        host.executor.stop(run)
        assert refusal(host.callbacks.succeed, token, 1) == "TaskTimedOut"
        assert refusal(host.callbacks.beat, "t") == "InvalidToken"
        stranger = Callbacks.of(clock()).entropy.token("arn:e:1/S0#1/0")
        assert refusal(host.callbacks.fail, stranger, None, None) == "InvalidToken"
        unknown = host.callbacks.entropy.token("arn:e:1/S0#1/0")
        assert refusal(host.callbacks.fail, unknown, None, None) == "TaskDoesNotExist"
        await host.executor.close()

    run_virtual(main())


def test_tokens_expire_with_their_lifetime() -> None:
    """A token that is older than it may be is TaskTimedOut, though its task waits still."""

    async def main() -> None:
        host = Host(lifetime=HOUR)
        run = host.begin(standard(waiting()))
        token = await host.asked()
        await asyncio.sleep(HOUR + 1)
        assert refusal(host.callbacks.succeed, token, 1) == "TaskTimedOut"
        host.executor.stop(run)
        await host.executor.close()

    run_virtual(main())


def test_a_task_that_waits_costs_no_asyncio_task() -> None:
    """A thousand tasks that wait for tokens own rows and timers only, and all of that is gone when they are."""

    async def main() -> None:
        host = Host()
        runs = [host.begin(standard(waiting(TimeoutSeconds=60)), f"arn:e:{n}") for n in range(1000)]
        await host.asked(1000)
        assert len(asyncio.all_tasks()) == 1
        assert len(host.callbacks) == 1000
        host.callbacks.succeed(host.tokens[500], "x")
        assert runs[500].x.finished.output == "x"
        assert sum(run.x.finished is not None for run in runs) == 1
        await asyncio.sleep(61)
        assert len(host.callbacks) == 0
        await host.executor.close()

    run_virtual(main())


def test_jobs_are_waited_for_and_given_up() -> None:
    """`.sync`: the response is noted, the outcome is the result; a timeout cancels the waiting."""
    cancelled: list[bool] = []

    async def ended() -> JSON:
        await asyncio.sleep(500)
        return {"State": "DONE"}

    async def never() -> JSON:
        try:
            return await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    class Jobs(Integration):
        def __init__(self, then: Callable[[], Awaitable[JSON]]) -> None:
            self._then = then

        async def start(self, task: StartTask, context: TaskContext) -> JSON:
            return Submitted({"JobRunId": "j"}, self._then)

    async def main() -> None:
        for then, status in ((ended, "SUCCEEDED"), (never, "FAILED")):
            host = Host()
            host.executor = Executor(clock(), Jobs(then))
            job = {"Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync", "Parameters": {"JobName": "j"}}
            host.begin(standard({**job, "TimeoutSeconds": 600, "End": True}))
            assert (await host.ended).status == status
            assert "TaskSubmitted" in host.events
            await host.executor.close()
        assert cancelled == [True]

    run_virtual(main())


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (TOKEN, "'.waitForTaskToken'"),
        ("arn:aws:states:::glue:startJobRun.sync", "'.sync'"),
        ("arn:aws:states:::states:startExecution.sync:2", "'.sync'"),
        ("arn:aws:states:us-east-1:123456789012:activity:a", "Activity ARN"),
    ],
)
def test_express_may_not_wait(resource: str, said: str) -> None:
    """An EXPRESS machine with any of them is refused by name when it is compiled."""
    with pytest.raises(DefinitionError, match="Express state machine does not support") as raised:
        compile_definition({"StartAt": "S", "States": {"S": waiting(resource=resource)}})

    assert said in str(raised.value)


def test_a_call_that_fails_waits_for_nothing() -> None:
    """The request itself failed: the task fails at once, and its token is closed."""

    def broken(task: StartTask) -> JSON:
        raise StatesError("SQS.AmazonSQSException", "no")

    async def main() -> None:
        host = Host(broken)
        host.begin(standard({"Type": "Wait", "Seconds": 1, "Next": "S1"}, waiting()))
        assert (await host.ended).error == "SQS.AmazonSQSException"
        assert refusal(host.callbacks.succeed, host.tokens[0], 1) == "TaskTimedOut"
        await host.executor.close()

    run_virtual(main())
