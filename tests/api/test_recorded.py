"""The recorded cases through the API itself: what boto3 is told is what AWS told (issue "The Step Functions API").

TestState, validation, refused definitions and inputs, log lines, variable references, and whole executions of the
areas express, sfn_api and sfn_api_express. Tasks are answered by an integration that reads the case.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import UNSET

from express.api.context import Api
from express.api.executions import Executions
from express.api.principals import ANYONE
from express.api.protocol import answer
from express.api.registry import Registry
from express.api.teststate import STATE
from express.api.tokens import Pages
from express.config import Standard
from express.engine.effects import StartTask
from express.errors import StatesError
from express.ports import Integration, TaskContext
from express.runtime.clock import SystemClock
from express.runtime.executor.executor import Executor
from express.service.api import standard_executions
from express.stores.database import MEMORY, Database
from express.stores.memory import MemoryStore
from express.stores.ring import Limits, Ring
from tests.conformance.cases import Case, load
from tests.conformance.compare import difference
from tests.conformance.express_side import ROLE
from tests.conformance.script import Script
from tests.conformance.test_recorded import DEVIATIONS, FOLDER

KINDS = ("test_state", "validate", "create_error", "start_error", "logs", "variable_references")
AREAS = ("express", "sfn_api", "sfn_api_express")
CASES = [case for case in load([FOLDER]) if case.kind in KINDS or (case.area in AREAS and case.kind == "execution")]


class Scripted(Integration):
    """An integration that answers as the case says, and a sink for the log lines."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.script = Script([{**task, "state": task.get("state") or STATE} for task in case.tasks])
        self.lines: list[dict[str, Any]] = []

    def start(self, task: StartTask, context: TaskContext) -> Any:
        """The scripted answer."""
        given = self.script.answer(task.state, task.input)
        if given.kind == "succeed":
            return given.output
        raise StatesError(given.error, given.cause)

    dropped = 0

    def write(self, lines: bytes, execution_arn: str) -> None:
        """Keep log lines."""
        self.lines.extend(json.loads(line) for line in lines.splitlines())


class Server:
    """The API in this loop, called as the wire calls it."""

    def __init__(self, case: Case) -> None:
        self.world = Scripted(case)
        clock = SystemClock()
        registry = Registry(MemoryStore(), "arn:aws:states:us-east-1:111111111111")
        self.executor = Executor(clock, self.world)
        executions = Executions(registry, self.executor, clock, ring=Ring(Limits()), logs=self.world, include_data=True)
        self.api = Api(
            registry=registry,
            executions=executions,
            integration=self.world,
            clock=clock,
            pages=Pages(),
            standard=standard_executions(registry, self.world, clock, Database(MEMORY), Standard()),
        )

    async def call(self, action: str, **members: Any) -> tuple[int, dict[str, Any]]:
        """Status and answer; an error as `code` and `message`."""
        result = await answer(self.api, ANYONE, action, json.dumps(members).encode())
        data = json.loads(result.body)
        if result.status != 200:
            return result.status, {"code": data["__type"].rpartition("#")[2], "message": data["message"]}
        return 200, data

    async def create(self, case: Case, **more: Any) -> tuple[int, dict[str, Any]]:
        """Create the case's machine, with its logging."""
        logging = case.logging or {}
        if logging.get("level", "OFF") != "OFF":
            group = {"cloudWatchLogsLogGroup": {"logGroupArn": "arn:aws:logs:us-east-1:111111111111:log-group:g:*"}}
            more["loggingConfiguration"] = {**logging, "destinations": [group]}
        return await self.call("CreateStateMachine", name="Conformance", definition=case.text(), roleArn=ROLE, **more)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case) -> None:
    """What the API answers is what was recorded."""
    if case.id in DEVIATIONS:
        pytest.skip(DEVIATIONS[case.id].reason)
    wanted, got = asyncio.run(_ask(case))

    assert difference(wanted, got) is None


async def _ask(case: Case) -> tuple[Any, Any]:
    """What was recorded, and what the API answers, in the same form."""
    server = Server(case)
    try:
        return await ASK[case.kind](server, case)
    finally:
        await server.executor.close()


async def _test_state(server: Server, case: Case) -> tuple[Any, Any]:
    request = {**case.request, "definition": case.text()}
    if case.input is not UNSET:
        request["input"] = json.dumps(case.input)
    if case.tasks or "mock" in request:
        request.setdefault("roleArn", ROLE)
    _, got = await server.call("TestState", **request)
    return case.expect.get("api_error", case.expect), got


async def _validate(server: Server, case: Case) -> tuple[Any, Any]:
    _, got = await server.call("ValidateStateMachineDefinition", definition=case.text(), type=case.machine_type)
    return case.expect, got


async def _create_error(server: Server, case: Case) -> tuple[Any, Any]:
    _, got = await server.create(case, type=case.machine_type)
    return case.expect["api_error"], got


async def _start_error(server: Server, case: Case) -> tuple[Any, Any]:
    _, machine = await server.create(case, type="EXPRESS")
    _, got = await server.call("StartExecution", stateMachineArn=machine["stateMachineArn"], input=case.input_text)
    return case.expect["api_error"], got


async def _references(server: Server, case: Case) -> tuple[Any, Any]:
    _, machine = await server.create(case, type="STANDARD")
    _, got = await server.call("DescribeStateMachine", stateMachineArn=machine["stateMachineArn"])
    wanted = {state: sorted(names) for state, names in case.expect["variableReferences"].items()}
    return wanted, got.get("variableReferences", {})


async def _logs(server: Server, case: Case) -> tuple[Any, Any]:
    await _run(server, case, "StartExecution")
    lines = [
        {name: value for name, value in line.items() if name not in ("event_timestamp", "execution_arn")}
        for line in server.world.lines
    ]
    return case.expect["log_events"], lines


async def _execution(server: Server, case: Case) -> tuple[Any, Any]:
    sync = "sync_response" in case.expect
    got = await _run(server, case, "StartSyncExecution" if sync else "StartExecution")
    wanted = {key: case.expect[key] for key in ("status", "error", "cause") if key in case.expect}
    if "output" in case.expect:
        wanted["output"] = {"$json": case.expect["output"]}
    wanted |= case.expect.get("sync_response", {})
    return wanted, {key: value for key, value in got.items() if key in wanted}


async def _run(server: Server, case: Case, action: str) -> dict[str, Any]:
    """Run the case's machine: the answer of the start, or the description of the ended execution."""
    _, machine = await server.create(case, type="EXPRESS")
    status, got = await server.call(action, stateMachineArn=machine["stateMachineArn"], input=json.dumps(case.data()))
    assert status == 200, got
    if action == "StartSyncExecution":
        return got
    while True:
        _, described = await server.call("DescribeExecution", executionArn=got["executionArn"])
        if described["status"] != "RUNNING":
            return described
        await asyncio.sleep(0.01)


ASK = {
    "test_state": _test_state,
    "validate": _validate,
    "create_error": _create_error,
    "start_error": _start_error,
    "variable_references": _references,
    "logs": _logs,
    "execution": _execution,
}
