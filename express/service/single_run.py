"""One execution in this process: no Kafka, no worker."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from express.compiler import compile_definition
from express.config import Config, Function
from express.engine import About, Execution, History, Program
from express.engine.effects import Finish
from express.engine.program import EXECUTION_SECONDS, lasted
from express.engine.segments import Ended
from express.integrations import CircuitBreakers, ExternalIntegrations, InProcess, Integrations, LocalFunctions, table
from express.integrations.mocks import MockedTasks, TestCase
from express.metering import billed
from express.ports import Integration
from express.runtime.clock import SystemClock
from express.runtime.drain.pipeline import Workflow
from express.runtime.executor.executor import Executor
from express.service.child_executions.worker import WorkerMachines, add_others, attaches
from express.service.workflows import compile_callable, machine_name, workflow_files
from express.values import JSON, dumps

if TYPE_CHECKING:
    from express.sinks.input_queue import LazyQueue


class SingleRun(msgspec.Struct):
    """The outcome of one execution. `billed` are milliseconds and MB."""

    x: Execution | Ended
    finish: Finish
    seconds: float
    billed: tuple[int, int]


async def run_once(
    name: str,
    text: bytes,
    data: JSON,
    functions: Mapping[str, Function],
    history: History | None = None,
    *,
    config: Config | None = None,
    mocks: TestCase | None = None,
) -> SingleRun:
    """Run a definition with `data` to its end; tasks that `mocks` names are answered from there.

    `config` says what may be called beyond this process. With mocks a resource that nobody performs is refused when
    it is called, since it may be one of theirs.

    Raises DefinitionError and ConfigError where it can't be run here.
    """
    config = config or Config()
    local, clock = LocalFunctions(functions), SystemClock()
    topics = _topics(config)
    machines = WorkerMachines(clock, config.nested)
    files = workflow_files(config)
    machines.name({name, *map(machine_name, files)})
    outside = ExternalIntegrations(config, local, InProcess(machines=machines, topics=topics))
    try:
        inner = Integrations(table(local, outside), CircuitBreakers(config.breaker, config.limits))
        integrations: Integration = inner if mocks is None else MockedTasks(inner, mocks)
        program = compile_callable(text, outside.functions, inner) if mocks is None else compile_definition(text)
        workflow = Workflow(name=name, program=program)
        execution = str(uuid.uuid4())
        about = About(
            execution_arn=f"{workflow.execution_prefix}{execution}:{uuid.uuid4()}",
            name=execution,
            state_machine_arn=workflow.arn,
            state_machine_name=name,
            started=clock.wall(),
        )
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        executor = Executor(clock, integrations)
        machines.bind(executor)
        machines.add(workflow)
        if attaches(program):
            add_others(machines, files, outside.functions, inner)
        payload = dumps(data)
        x, run = executor.submit(
            program, data, about, lambda _run, _finish: ended.set_result(None), size=len(payload), history=history
        )
        if run is not None:
            await ended
            x = run.x  # a parked execution becomes another one when something fails
        seconds = clock.monotonic() - x.started
        await machines.idle()
        await executor.close()
    finally:
        await outside.close()
        await local.close()
        if topics is not None:
            await topics.stop()
    finish = x.finished
    assert finish is not None
    seconds = lasted(program, EXECUTION_SECONDS, finish.status, seconds)
    return SingleRun(x, finish, seconds, _billed(program, payload, finish, seconds))


def _topics(config: Config) -> LazyQueue | None:
    if not config.kafka.produce:
        return None
    from express.kafka.properties import client_properties
    from express.sinks.input_queue import LazyQueue  # the Kafka client is only loaded where something may be produced

    return LazyQueue(client_properties(config.kafka).producer)


def _billed(program: Program, payload: bytes, finish: Finish, seconds: float) -> tuple[int, int]:
    output = len(dumps(finish.output)) if finish.status == "SUCCEEDED" else 0
    return billed(seconds, program.size, len(payload) + output, program.width.holders)
