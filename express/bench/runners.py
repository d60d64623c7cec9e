"""Targets of a bench: the engine in this process, or an API that answers StartSyncExecution."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Protocol

import aiohttp
import msgspec
import orjson

from express.bench.protocol import FAILED, REJECTED, STATUS, SUCCEEDED, TIMED_OUT, WorkerPlan
from express.bench.states import TimedHistory
from express.bench.unmocked_tasks import unanswered
from express.compiler import compile_definition
from express.engine import About, Execution, History
from express.engine.effects import Finish
from express.engine.segments import Ended, Suspended
from express.errors import ConfigError
from express.integrations import CircuitBreakers, ExternalIntegrations, InProcess, Integrations, LocalFunctions, table
from express.integrations.mocks import MockedTasks, parse_case
from express.metering import used_memory
from express.ports import Integration
from express.runtime.clock import SystemClock
from express.runtime.drain.pipeline import Workflow
from express.runtime.executor.executor import Executor, Run
from express.runtime.records.json_input import Rejected, admit
from express.service.child_executions.worker import WorkerMachines, add_others, attaches
from express.service.workflows import compile_callable, machine_name
from express.values import dumps

Note = Callable[[float, float, float, int, int, int], None]
"""Told of each event that ended: due, started, ended, used bytes, transitions, status."""


class Runner(Protocol):
    """Runs events; `note` is called when each has ended."""

    errors: Counter[str]

    def start(self, due: float, value: bytes | None) -> None:
        """Begin with one event."""

    async def open(self) -> None:
        """Make ready."""

    async def close(self) -> None:
        """Give up what still runs."""

    async def trace(self, value: bytes | None) -> History | None:
        """Run one event and keep its history, where that is possible."""


class EngineRunner:
    """Runs events in this process, as a worker would that polled them from Kafka."""

    def __init__(self, plan: WorkerPlan, note: Note) -> None:
        """Raises DefinitionError, ConfigError and HandlerError for what can't be run here."""
        self.errors: Counter[str] = Counter()
        self._note = note
        self._local = LocalFunctions(plan.config.function_table(), threads=plan.config.workers.threads)
        config, clock = plan.config, SystemClock()
        machines = WorkerMachines(clock, config.nested)
        machines.name({plan.name, *map(machine_name, plan.others)})
        self._outside = ExternalIntegrations(config, self._local, InProcess(machines=machines))
        functions = self._outside.functions
        inner = Integrations(table(self._local, self._outside), CircuitBreakers(config.breaker, config.limits))
        text = plan.definition.encode()
        integration: Integration = inner
        if plan.mock is None:
            program = compile_callable(text, functions, inner)
        else:
            responses = parse_case(plan.mock, plan.name, plan.case, plan.seed)
            program = compile_definition(text)
            missing = unanswered(text, responses, functions, inner)
            if missing:
                raise ConfigError("\n".join(missing))
            integration = MockedTasks(inner, responses)
        self._executor = Executor(clock, integration)
        self._workflow = Workflow(name=plan.name, program=program)
        machines.bind(self._executor)
        machines.add(self._workflow)
        if plan.mock is None and attaches(program):
            add_others(machines, plan.others, functions, inner)
        self._table = msgspec.structs.replace(program, segments=None)
        self._memory = self._workflow.memory
        self._prefix, self._arn = self._workflow.execution_prefix, self._workflow.arn
        self._numbers = itertools.count()

    def start(self, due: float, value: bytes | None) -> None:
        """Begin with one event; one that does not wait ends at once."""
        began = time.monotonic()
        try:
            data = admit(value)
        except Rejected as rejected:
            self.errors[rejected.disposition] += 1
            self._note(due, began, time.monotonic(), 0, 0, REJECTED)
            return
        assert value is not None
        size = len(value)
        item = (due, began, size)
        x, run = self._executor.submit(self._workflow.program, data, self._about(), self._done, item, size=size)
        if run is None:
            self._end(x, item)

    async def open(self) -> None:
        """Nothing is to be done."""

    async def close(self) -> None:
        """Cancel what still runs."""
        await self._executor.close()
        await self._outside.close()
        await self._local.close()

    async def trace(self, value: bytes | None) -> History | None:
        """Run one event on the table, which tells of each state, with its history."""
        try:
            data = admit(value)
        except Rejected:
            return None
        history = TimedHistory()
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(_run: Run, _finish: Finish) -> None:
            ended.set_result(None)

        x, run = self._executor.submit(self._table, data, self._about(), done, size=len(value or b""), history=history)
        if run is not None:
            await ended
        assert x.finished is not None
        return history

    def _about(self) -> About:
        name = f"bench-{next(self._numbers):012d}"
        return About(f"{self._prefix}{name}:{name}", name, "", self._arn, self._workflow.name, time.time())

    def _done(self, run: Run, finish: Finish) -> None:
        self._end(run.x, run.item)

    def _end(self, x: Execution | Ended | Suspended, item: tuple[float, float, int]) -> None:
        finish = x.finished
        assert finish is not None
        due, began, size = item
        # A worker writes every result as JSON, so that belongs to what an execution takes.
        if finish.status == "SUCCEEDED":
            output = len(dumps(finish.output))
        else:
            self.errors[finish.error or finish.status] += 1
            output = len(dumps([finish.error, finish.cause]))
        used = self._memory + (size + output) * self._workflow.program.width.holders
        self._note(due, began, time.monotonic(), used, x.transitions, STATUS[finish.status])


class TargetRunner:
    """Posts StartSyncExecution to an endpoint; the state machine is created there for the run and deleted after it."""

    ROLE = "arn:aws:iam::123456789012:role/express-bench"

    def __init__(self, plan: WorkerPlan, note: Note) -> None:
        assert plan.target is not None
        self.errors: Counter[str] = Counter()
        self._plan = plan
        self._note = note
        self._memory = used_memory(len(plan.definition), 0)
        self._session: aiohttp.ClientSession | None = None
        self._arn = ""
        self._calls: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect and create the state machine. Raises ConfigError where that is refused."""
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=310))
        request = {"name": f"express-bench-{self._plan.name}"[:80], "type": "EXPRESS", "roleArn": self.ROLE}
        try:
            status, answer = await self._post("CreateStateMachine", {**request, "definition": self._plan.definition})
        except (aiohttp.ClientError, OSError, ValueError) as error:
            await self._session.close()
            raise ConfigError(f"the target {self._plan.target} does not answer: {error}") from error
        if status != 200:
            await self._session.close()
            raise ConfigError(f"the target {self._plan.target} refuses the state machine: {_reason(answer)}")
        self._arn = answer["stateMachineArn"]

    async def close(self) -> None:
        """Drop the calls under way, delete the state machine."""
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        assert self._session is not None
        if self._arn:
            await self._post("DeleteStateMachine", {"stateMachineArn": self._arn})
        await self._session.close()

    def start(self, due: float, value: bytes | None) -> None:
        """Begin with one event."""
        began = time.monotonic()
        try:
            admit(value)
        except Rejected as rejected:
            self.errors[rejected.disposition] += 1
            self._note(due, began, time.monotonic(), 0, 0, REJECTED)
            return
        call = asyncio.get_running_loop().create_task(self._call(due, began, value or b""))
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)

    async def trace(self, value: bytes | None) -> History | None:
        """Histories stay on the other side."""
        return None

    async def _call(self, due: float, began: float, value: bytes) -> None:
        request = {"stateMachineArn": self._arn, "input": value.decode()}
        try:
            status, answer = await self._post("StartSyncExecution", request)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._end(due, began, len(value), FAILED, type(error).__name__)
            return
        if status != 200:
            self._end(due, began, len(value), FAILED, _reason(answer))
            return
        outcome = str(answer.get("status"))
        code = {"SUCCEEDED": SUCCEEDED, "TIMED_OUT": TIMED_OUT}.get(outcome, FAILED)
        size = len(value) + len(answer.get("output") or "")
        self._end(due, began, size, code, answer.get("error") or outcome)

    def _end(self, due: float, began: float, size: int, status: int, error: str) -> None:
        if status != SUCCEEDED:
            self.errors[error] += 1
        self._note(due, began, time.monotonic(), self._memory + size, 0, status)

    async def _post(self, action: str, request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        assert self._session is not None
        assert self._plan.target is not None
        headers = {"X-Amz-Target": f"AWSStepFunctions.{action}", "Content-Type": "application/x-amz-json-1.0"}
        async with self._session.post(self._plan.target, data=orjson.dumps(request), headers=headers) as response:
            body = await response.read()
        answer = orjson.loads(body or b"{}")
        return response.status, answer if isinstance(answer, dict) else {}


def _reason(answer: dict[str, Any]) -> str:
    return str(answer.get("__type", "no reason")).rpartition("#")[2]
