"""`run`: one execution of a definition, in this process and in virtual time."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from pathlib import Path as FilePath
from typing import Any, Literal

import msgspec

from express.compiler import compile_definition
from express.config import Config, Function, load
from express.engine import About, History, Program
from express.engine.effects import Finish, StartTask
from express.engine.program import EXECUTION_SECONDS
from express.errors import ConfigError, DefinitionError, StatesError
from express.integrations import CircuitBreakers, ExternalIntegrations, Integrations, LocalFunctions, table
from express.integrations.local.functions import LocalFunction
from express.integrations.mocks import TestCase, load_case
from express.metering import billed
from express.ports import TaskContext
from express.runtime.drain.pipeline import Workflow
from express.runtime.executor.executor import Executor
from express.runtime.records.json_input import Rejected, admit
from express.service.workflows import machine_name, read_definition, unregistered
from express.testing import coverage
from express.testing.mocks import Mock, Mocks, check
from express.testing.result import RECENT, Path, Result, Unmocked
from express.testing.virtual import Deadlock, VirtualLoop
from express.values import JSON, dumps, loads

STARTED = "2026-01-01T00:00:00Z"

TICKS = 1_000_000
"""Timers are due to the microsecond here; a worker's are sorted into hundredths of a second."""


def run(
    definition: str | FilePath | Mapping[str, JSON],
    input: Any = None,
    *,
    mocks: Mapping[str, Mock] | str | None = None,
    functions: Mapping[str, Callable[..., Any] | str] | None = None,
    config: str | FilePath | None = None,
    name: str | None = None,
    type: Literal["EXPRESS", "STANDARD"] = "EXPRESS",
    started: str = STARTED,
    seed: int = 0,
) -> Result:
    """Run a definition to its end and tell how that went.

    `definition` is a file, a definition as JSON text, or plain data; `input` {} where it is None. `mocks` answers
    tasks, by the name of the state or by resource: see `express.testing.mocks`; or it is `FILE#TESTCASE` of a Step
    Functions Local mock file. `functions` are handlers `(event, context)` or `module:function`, by function name.
    `config` is a configuration file that says what else is called, for real. `started` is when the execution starts,
    and `seed` what its chance is made of: the same test takes the same way.

    Raises DefinitionError for a definition that is none, ConfigError for mocks of what it does not have, and Unmocked
    where a task is asked for that nobody performs.
    """
    text, label, machine = _read(definition, name)
    case = load_case(mocks, machine) if isinstance(mocks, str) else {}
    answers = {} if mocks is None or isinstance(mocks, str) else dict(mocks)
    program, covered = coverage.instrument(compile_definition(text, type=type))
    check(answers, case, _names(program), [resource.arn for resource in program.resources])
    wanted = _Wanted(
        workflow=Workflow(name=machine, program=program),
        payload=_payload({} if input is None else input),
        mocks=answers,
        case=case,
        functions=functions or {},
        config=Config() if config is None else load([config]).config,
        wall=datetime.fromisoformat(started).timestamp(),
        seed=seed,
    )
    try:
        result = _apart(wanted.run)
    finally:
        for active in coverage.ACTIVE:
            active.add(label, covered)
    RECENT.append(result)
    if wanted.unmocked:
        raise Unmocked("\n".join([*wanted.unmocked, "", result.told()]))
    return result


def _payload(value: JSON) -> bytes:
    """Return the text of an input. Raises ConfigError for one that no execution is started with."""
    try:
        written = dumps(value)
        admit(written)
    except (TypeError, Rejected) as error:
        raise ConfigError(f"the input can't be used: {getattr(error, 'cause', None) or error}") from error
    return written


def _read(definition: str | FilePath | Mapping[str, JSON], name: str | None) -> tuple[bytes, str, str]:
    """The text of a definition, its name in the coverage, and that of its machine."""
    if isinstance(definition, Mapping):
        return dumps(dict(definition)), name or "(in a test)", name or "workflow"
    if isinstance(definition, str) and definition.lstrip("\ufeff \t\r\n").startswith("{"):
        return definition.lstrip("\ufeff").encode(), name or "(in a test)", name or "workflow"
    return read_definition(definition), label_of(definition), name or machine_name(definition)


def label_of(file: str | FilePath) -> str:
    """Return how a file is called in the coverage: relative to where the tests run, if it lies there."""
    path = FilePath(file).resolve()
    return str(path.relative_to(FilePath.cwd())) if path.is_relative_to(FilePath.cwd()) else str(path)


def compile_any(text: bytes) -> Program:
    """A definition of either type. Raises DefinitionError as for EXPRESS."""
    try:
        return compile_definition(text)
    except DefinitionError:
        with suppress(DefinitionError):
            return compile_definition(text, type="STANDARD")
        raise


def _names(program: Program) -> list[str]:
    """Every state's name, however deep."""
    names, scopes = [], [program.scope]
    while scopes:
        for row in scopes.pop().rows:
            names.append(row.name)
            scopes += row.plan.branches if row.kind == "Parallel" else [row.plan.scope] if row.kind == "Map" else []
    return names


def _apart(main: Callable[[], Result]) -> Result:
    """Run `main` on a loop of its own: in a thread where one runs here already, as in an `async def` test."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return main()
    with ThreadPoolExecutor(1, thread_name_prefix="express-testing") as pool:
        return pool.submit(main).result()


class _Chance:
    """Chance and identities from a seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.random = self._chance.random

    def spent(self) -> float:
        """No time: a test ends the same under any load."""
        return 0.0

    def uuid(self) -> str:
        """A version-4 UUID."""
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))

    def token(self, key: str) -> str:
        """A task token, as long as a real one."""
        return f"{self._chance.getrandbits(256):064x}"


class _Wanted(msgspec.Struct, kw_only=True):
    """One execution that is wanted, and what it has asked for in vain."""

    workflow: Workflow
    payload: bytes
    mocks: Mapping[str, Mock]
    case: TestCase
    functions: Mapping[str, Callable[..., Any] | str]
    config: Config
    wall: float
    seed: int
    unmocked: list[str] = []

    @property
    def program(self) -> Program:
        """Return what is run."""
        return self.workflow.program

    def run(self) -> Result:
        """Run it, on a loop in virtual time."""
        loops: list[VirtualLoop] = []

        def make() -> VirtualLoop:
            loops.append(VirtualLoop(self.wall))
            return loops[0]

        with asyncio.Runner(loop_factory=make) as runner:
            return runner.run(self._run(loops))

    async def _run(self, loops: list[VirtualLoop]) -> Result:
        clock = loops[0]
        local = LocalFunctions({**self.config.function_table(), **self._named()})
        self._add_callables(local, clock)
        outside = ExternalIntegrations(self.config, local)
        inner = Integrations(table(local, outside), CircuitBreakers(self.config.breaker, self.config.limits))
        mocks = Mocks(
            self.mocks,
            self.case,
            lambda task, context: self._real(inner, outside, task, context, clock),
            lambda task, context: task if _refusal(inner, outside, task) else inner.prepare(task, context),
            clock.waited,
        )
        executor = Executor(clock, mocks, _Chance(self.seed), ticks=TICKS)
        try:
            return await self._executed(executor, mocks, clock)
        finally:
            await executor.close()
            await outside.close()
            await local.close()

    async def _executed(self, executor: Executor, mocks: Mocks, clock: VirtualLoop) -> Result:
        history, ended, began = History(), asyncio.Event(), clock.monotonic()
        limit = EXECUTION_SECONDS if self.program.type == "EXPRESS" else None
        about, data = self._about(clock), loads(self.payload)
        finishes: list[Finish] = []

        def done(_run: object, finish: Finish) -> None:
            finishes.append(finish)
            ended.set()

        x, waiting = executor.submit(
            self.program, data, about, done, limit=limit, size=len(self.payload), history=history
        )
        if waiting is not None:
            clock.watch(lambda: waiting.x.transitions)
            await ended.wait()
            x = waiting.x
        finish = x.finished
        assert finish is not None
        if x.bug is not None:
            raise x.bug
        return self._result(finish, history, mocks, round(clock.monotonic() - began, 6), x.transitions)

    def _about(self, clock: VirtualLoop) -> About:
        workflow, execution = self.workflow, "test"
        prefix = workflow.execution_prefix
        arn = f"{prefix}{execution}:{uuid.UUID(int=self.seed)}"
        if self.program.type == "STANDARD":
            arn = f"{prefix.replace(':express:', ':execution:')}{execution}"
        return About(
            execution_arn=arn,
            name=execution,
            role_arn=workflow.role_arn,
            state_machine_arn=workflow.arn,
            state_machine_name=workflow.name,
            started=clock.wall(),
        )

    def _result(self, finish: Finish, history: History, mocks: Mocks, seconds: float, transitions: int) -> Result:
        output = len(dumps(finish.output)) if finish.status == "SUCCEEDED" else 0
        bill = billed(seconds, self.program.size, len(self.payload) + output, self.program.width.holders)
        return Result(
            name=self.workflow.name,
            status=finish.status,
            returned=finish.output,
            error=finish.error,
            cause=finish.cause,
            path=Path(event[4]["name"] for event in history.log if event[2].endswith("StateEntered")),
            calls=mocks.calls,
            seconds=seconds,
            transitions=transitions,
            billed=bill,
            history=history,
        )

    # What is no mock ----------------------------------------------------------------------------------

    def _named(self) -> dict[str, Function]:
        given = self.functions.items()
        return {name: Function(handler=target, mode="inline") for name, target in given if isinstance(target, str)}

    def _add_callables(self, local: LocalFunctions, clock: VirtualLoop) -> None:
        options = Function(handler="a:test", mode="inline")
        for name, target in self.functions.items():
            if not isinstance(target, str):
                local.add(LocalFunction(name, target, options, local.pool, clock.monotonic))

    def _real(
        self,
        inner: Integrations,
        outside: ExternalIntegrations,
        task: StartTask,
        context: TaskContext,
        clock: VirtualLoop,
    ) -> JSON | Awaitable[JSON]:
        why = _refusal(inner, outside, task)
        if why is not None:
            line = f"the task of state {task.state!r} is not mocked, and {why}"
            self.unmocked.append(line)
            raise StatesError("Express.Unmocked", line)
        answer = inner.start(task, context)
        if not isinstance(answer, Awaitable):
            return answer
        name = _function(task)
        return _later(clock.waited(answer, outside=not name or not outside.functions.is_local(name)))


def _refusal(inner: Integrations, outside: ExternalIntegrations, task: StartTask) -> str | None:
    """Return why a task can't be performed for real."""
    resource = task.resource
    refusals = inner.refusals([resource])
    if refusals:
        return refusals[0]
    name = _function(task)
    if name and not outside.functions.knows(name):
        return unregistered(name, outside.functions.nearest(name))
    return None


def _function(task: StartTask) -> str:
    """The name of the function that a task calls; empty if it calls something else."""
    resource = task.resource
    if resource.kind == "optimized" and resource.service == "lambda" and isinstance(task.input, dict):
        return str(task.input.get("FunctionName"))
    return resource.arn if resource.kind in ("lambda", "other") else ""


async def _later(answer: Awaitable[JSON]) -> JSON:
    """Answer by a coroutine, as functions do in a worker."""
    return await answer


__all__ = ["Deadlock", "run"]
