"""SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat by boto3, for a STANDARD machine on the server's executor."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from express.compiler import compile_definition
from express.engine import About
from express.engine.effects import Finish
from tests.api.server import PREFIX, Running, serving
from tests.patience import PATIENCE

WAITS = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
    "Parameters": {"FunctionName": "echo", "Payload": {"token.$": "$$.Task.Token"}},
    "HeartbeatSeconds": 600,
    "End": True,
}


class Approval:
    """An execution that waits for somebody's word."""

    def __init__(self, running: Running) -> None:
        self._loop = running.loop
        self._executor = running.server._executor
        self._program = compile_definition({"StartAt": "S", "States": {"S": WAITS}}, type="STANDARD")
        self.client = running.client()
        self.token, self.ended = self._do(self._begin())

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _begin(self) -> tuple[str, asyncio.Future[Finish]]:
        ended: asyncio.Future[Finish] = self._loop.create_future()
        about = About(execution_arn=f"{PREFIX}:execution:m:e", state_machine_name="m")
        _, run = self._executor.submit(
            self._program, {}, about, lambda _r, finish: ended.set_result(finish), limit=None
        )
        assert run is not None
        frame = next(frame for frame, _ in run.x.pending.values() if frame is not None)
        return frame.token, ended

    def end(self) -> Finish:
        """How it ended."""

        async def wait() -> Finish:
            return await self.ended

        found: Finish = self._do(wait())
        return found

    def refusal(self, action: str, **request: Any) -> tuple[str, str]:
        """Code and message of an answer that is an error."""
        with pytest.raises(ClientError) as raised:
            getattr(self.client, action)(**request)
        error = raised.value.response["Error"]
        return error["Code"], error["Message"]


@pytest.fixture
def approval() -> Iterator[Approval]:
    """One that waits, on a server of its own."""
    with serving() as running:
        yield Approval(running)


def test_success(approval: Approval) -> None:
    """Bad output leaves the task waiting; good output ends it; the second answer comes too late."""
    send = approval.client.send_task_success
    assert approval.refusal("send_task_success", taskToken=approval.token, output="{")[0] == "InvalidOutput"
    approval.client.send_task_heartbeat(taskToken=approval.token)
    assert send(taskToken=approval.token, output='{"ok": true}')["ResponseMetadata"]["HTTPStatusCode"] == 200

    assert approval.end() == Finish("SUCCEEDED", {"ok": True})
    assert approval.refusal("send_task_success", taskToken=approval.token, output="1") == (
        "TaskTimedOut",
        "Task Timed Out: 'Provided task does not exist anymore'",
    )
    assert approval.refusal("send_task_heartbeat", taskToken=approval.token)[0] == "TaskTimedOut"


def test_failure(approval: Approval) -> None:
    """Error and cause are the task's; neither has to be given."""
    approval.client.send_task_failure(taskToken=approval.token, error="Denied", cause="no")

    assert approval.end() == Finish("FAILED", error="Denied", cause="no")


def test_tokens_that_are_none(approval: Approval) -> None:
    """Anything that the server did not make is InvalidToken, one character of a real token changed included."""
    other = ("A" if approval.token[50] != "A" else "B").join((approval.token[:50], approval.token[51:]))
    for token in ("t", other, approval.token[:-1]):
        for action, more in (("success", {"output": "1"}), ("failure", {}), ("heartbeat", {})):
            refused = approval.refusal(f"send_task_{action}", taskToken=token, **more)
            assert refused == ("InvalidToken", "Invalid Token: 'Invalid token'")
    approval.client.send_task_failure(taskToken=approval.token)
    assert approval.end() == Finish("FAILED")
