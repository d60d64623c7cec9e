"""A processor over a log in memory, in virtual time, with everything a test wants to turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from express.engine import Program
from express.engine.effects import StartTask
from express.ports import Integration, Partition, Record, TaskContext
from express.runtime.drain.pipeline import Workflow
from express.runtime.drain.processor import Processor
from express.runtime.executor.executor import Executor
from express.values import JSON, dumps
from tests.engine.scripts import program, task
from tests.runtime.memory import Group, Log, MemorySink, MemorySource
from tests.runtime.pipelines import pipeline_of
from tests.runtime.virtual import clock

PASS = {"Type": "Pass"}


class Function(Integration):
    """An integration: calls `handler` with the input; keeps count of starts, ends and what runs at once."""

    def __init__(self, handler: Callable[[Any], JSON | Awaitable[JSON]] | None = None) -> None:
        self.handler = handler or (lambda data: data)
        self.inputs: list[JSON] = []

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        self.inputs.append(task.input)
        return self.handler(task.input)


async def seconds(data: Any) -> JSON:
    """A handler that takes `data["seconds"]`."""
    await asyncio.sleep(data["seconds"])
    return data


class Rig:
    """Topics `in` and `out` with `partitions` partitions and `dead` with one, and workers over them."""

    def __init__(
        self,
        machine: Program | None = None,
        handler: Callable[[Any], Any] | None = None,
        partitions: int = 1,
        log: Log | None = None,
        **settings: Any,
    ) -> None:
        self.log = log or Log(**{"in": partitions, "out": partitions, "dead": 1})
        self.group = Group(self.log, "in")
        self.machine = machine or program(task() if handler else PASS)
        self.function = Function(handler)
        self.settings = settings
        self.workers: list[Worker] = []

    def put(self, data: Any, key: bytes | None = None, partition: int = 0, **more: Any) -> int:
        """Append an input record; bytes go as they are."""
        value = data if isinstance(data, bytes) or data is None else dumps(data)
        return self.log.append(Partition("in", partition), value, key, **more)

    def worker(self, sink: MemorySink | None = None, source: MemorySource | None = None) -> Worker:
        """Start a worker."""
        worker = Worker(self, sink or MemorySink(self.log, "out", "dead"), source or MemorySource(self.group))
        self.workers.append(worker)
        return worker

    @property
    def results(self) -> list[Record]:
        """Everything in the output topic."""
        return self.log.read("out")

    @property
    def written(self) -> int:
        """How many records the output topic has: what to wait for, as `results` copies them all."""
        return self.log.size("out")

    @property
    def dead(self) -> list[Record]:
        """Everything in the dead-letter topic."""
        return self.log.read("dead")

    def committed(self, partition: int = 0) -> tuple[int, str] | None:
        """What the group has committed."""
        return self.group.committed.get(Partition("in", partition))

    async def stop(self) -> None:
        """Stop all workers; each drains."""
        for worker in self.workers:
            await worker.stop()
        self.workers.clear()


class Worker:
    """One processor, running."""

    def __init__(self, rig: Rig, sink: MemorySink, source: MemorySource) -> None:
        self.source = source
        self.sink = sink
        workflow = Workflow(name="flow", program=rig.machine)
        self.executor = Executor(clock(), rig.function)
        self.processor = Processor(pipeline_of(workflow, **rig.settings), self.source, sink, self.executor, clock())
        self.counters = self.processor.counters
        self.task = asyncio.create_task(self.processor.run())

    async def stop(self) -> None:
        """Stop as SIGTERM does, and wait."""
        self.processor.stop()
        await self.task
        await self.executor.close()

    async def kill(self) -> None:
        """End at once, with nothing drained and nothing committed. The group notices later."""
        self.source.group.members.remove(self.source)
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(condition: Callable[[], Any], limit: float = 60) -> None:
    """Wait in virtual time until `condition` holds."""
    async with asyncio.timeout(limit):
        while not condition():  # noqa: ASYNC110 - the conditions are anything at all, and the time is virtual
            await asyncio.sleep(0.01)


def header(record: Record, name: str) -> str | None:
    """One header of a record, as text."""
    return next((value.decode() for key, value in record.headers if key == name), None)


def offsets(records: list[Record]) -> list[int]:
    """Which input offsets terminal records are about."""
    found = (header(r, "express.source-offset") or header(r, "__express.errors.offset") for r in records)
    return [int(offset) for offset in found if offset is not None]
