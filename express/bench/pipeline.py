"""One run through Kafka, end to end: events go into a pipeline's topic by schedule, its workers run, results are read.

Who tells what: the generator, which offsets the broker gave to the events and when these were due; the reader, when
the terminal record of which offset could be read, and what its headers say of the execution; the group's commits,
how far behind it is.
"""

from __future__ import annotations

import asyncio
import os
import time
from asyncio.subprocess import Process
from datetime import UTC, datetime

import msgspec

from express.bench.assemble_result import result_of
from express.bench.collect import NOT_YET, Collector
from express.bench.in_process import LEAD_SECONDS, generator_plan, generator_reports
from express.bench.matching import Matching
from express.bench.pipeline_workers import Crew
from express.bench.plan import BenchFailed, Plan
from express.bench.processes import Processes, read_frame
from express.bench.protocol import (
    FRAME_HEAD,
    JSON_FRAME,
    GeneratorReport,
    ReaderPlan,
    ReaderReport,
    WorkerReport,
    acknowledged,
    frame_head,
)
from express.bench.result import ReaderFigures, Result, StateShare
from express.bench.tracing import trace
from express.errors import ConfigError, SourceError
from express.kafka.properties import client_properties
from express.kafka.survey import Survey
from express.kafka.topics import create_topics

LOOK_SECONDS = 0.05
LAG_SECONDS = 0.5
"""Seconds between two looks at the group's commits."""

SETTLE_SECONDS = 60.0
"""Seconds that the group gets to finish what was in its topics before the load."""


class PipelineBench:
    """One run of the plan's one pipeline. Looks like `Bench` to whoever watches."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.collector = Collector(time.monotonic() + NOT_YET)
        self.worker = WorkerReport()
        self.generator = GeneratorReport()
        self.interrupted = False
        self.loaded = asyncio.Event()
        """Set with the first results."""
        self.crew = Crew(plan)
        self._reader = ReaderReport()
        self._matching = Matching(self.collector, 0.0)
        self._pipeline = plan.config.pipelines[0]
        self._group = plan.config.group_of(self._pipeline)
        self._properties = client_properties(plan.config.kafka)
        self._started = datetime.now(UTC)
        self._processes = Processes()
        self._notes: list[str] = []
        self._lag = 0

    @property
    def begin(self) -> float:
        """Return when the first event that counts is due, on the monotonic clock."""
        return self.collector.begin

    def interrupt(self) -> None:
        """Produce no more events and wait for nothing; the result tells of what there was."""
        self.interrupted = True
        self._processes.stop()

    async def run(self) -> Result:
        """Make the run. Raises ConfigError, HandlerCrash, BenchFailed, SourceError."""
        try:
            async with Survey(self._properties.consumer) as survey:
                await self._prepare(survey)
                if not self.interrupted:
                    await self._load(survey)
        finally:
            await self._processes.end(hasty=not self._reader.done)
            trouble = await self.crew.end()
        if trouble:
            self._notes.append(trouble)
        can_trace = self.crew.count and self.plan.traced and not self.interrupted
        return self._result(list(await trace(self.plan)) if can_trace else [])

    # Before -----------------------------------------------------------------------------------------

    async def _prepare(self, survey: Survey) -> None:
        """Topics are there, workers run, and nothing old is left to do."""
        await self._find_topics(survey)
        await self.crew.start()
        until = time.monotonic() + SETTLE_SECONDS
        while (lag := await self._lag_of(survey)) and time.monotonic() < until and not self.interrupted:  # noqa: ASYNC110 (another process's doing)
            await asyncio.sleep(LAG_SECONDS)
        if lag and not self.interrupted:
            self._notes.append(f"the group {self._group} had {lag:,} other records to do when the load began")

    async def _find_topics(self, survey: Survey) -> None:
        pipeline, partitions = self._pipeline, self.plan.partitions
        topics = [*pipeline.topics, pipeline.output, pipeline.dead_letter]
        if partitions is not None:
            await create_topics(self._properties.producer, topics, partitions)
        try:
            await survey.bounds(topics)
        except SourceError as error:
            raise ConfigError(f"{error}; --partitions 12 makes topics that are missing") from error

    async def _lag_of(self, survey: Survey) -> int:
        """Records of the input topics that the group has not committed."""
        committed = await survey.committed(self._group)
        bounds = await survey.bounds(self._pipeline.topics)
        starts = {at: committed[at].offset if at in committed else first for at, (first, _) in bounds.items()}
        return sum(max(0, end - starts[at]) for at, (_, end) in bounds.items())

    # The load ---------------------------------------------------------------------------------------

    async def _load(self, survey: Survey) -> None:
        reader = await self._start_reader(survey)
        if self.interrupted:
            return
        self.collector = Collector(time.monotonic() + LEAD_SECONDS + self.plan.load.warmup_seconds)
        self._matching = Matching(self.collector, time.time() - time.monotonic())
        self.crew.begin()
        told, telling = os.pipe()
        plan = msgspec.structs.replace(
            generator_plan(self.plan, self.begin), kafka=self.plan.config.kafka, topic=self._pipeline.topics[0]
        )
        try:
            generator = await self._processes.spawn("generator", msgspec.json.encode(plan) + b"\n", telling)
        finally:
            os.close(telling)
        watching = [asyncio.create_task(self._watch_lag(survey)), asyncio.create_task(self._watch_crew())]
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read_results(reader))
                tasks.create_task(self._read_acknowledged(told))
                await self._read_generator(generator)
                await self._drain()
                self._processes.stop()
                await reading
        except* (BenchFailed, SourceError) as errors:
            raise errors.exceptions[0] from None
        finally:
            for watcher in watching:
                watcher.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        self._matching.give_up(time.monotonic())

    async def _start_reader(self, survey: Survey) -> Process:
        pipeline = self._pipeline
        bounds = await survey.bounds([pipeline.output, pipeline.dead_letter])
        plan = ReaderPlan(
            kafka=self.plan.config.kafka,
            source=pipeline.topics[0],
            starts=[(at.topic, at.number, end) for at, (_, end) in bounds.items()],
        )
        reader = await self._processes.spawn("reader", msgspec.json.encode(plan) + b"\n")
        while not self._reader.ready and not self._reader.done:
            await self._frame(reader)
        return reader

    async def _drain(self) -> None:
        """Until every record that the broker has got its result, or for as long as it may take."""
        until = time.monotonic() + self.plan.drain_seconds
        while self._matching.outstanding and time.monotonic() < until and not self.interrupted:  # noqa: ASYNC110 (the same)
            await asyncio.sleep(LOOK_SECONDS)

    async def _read_generator(self, generator: Process) -> None:
        async for report in generator_reports(generator, stoppable=lambda: self.interrupted):
            self.generator = report
            self.collector.add_dropped(report.dropped)
            if report.fault:
                raise BenchFailed(f"the generator: {report.fault}")

    async def _read_acknowledged(self, told: int) -> None:
        stream = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(told, "rb", 0)
        )
        try:
            while True:
                _, size = frame_head(await stream.readexactly(FRAME_HEAD))
                self._matching.produce(*acknowledged(await stream.readexactly(size)))
        except asyncio.IncompleteReadError:
            transport.close()

    async def _read_results(self, reader: Process) -> None:
        while not self._reader.done:
            await self._frame(reader)

    async def _frame(self, reader: Process) -> None:
        try:
            kind, body = await read_frame(reader, "reader")
        except BenchFailed:
            if not self.interrupted:
                raise
            self._reader.done = True
            return
        if kind != JSON_FRAME:
            self._matching.add(body)
            self.loaded.set()
            return
        self._reader = msgspec.json.decode(body, type=ReaderReport)
        if self._reader.fault:
            raise BenchFailed(f"the reader: {self._reader.fault}")

    async def _watch_lag(self, survey: Survey) -> None:
        while True:
            await asyncio.sleep(LAG_SECONDS)
            self._lag = await self._lag_of(survey)

    async def _watch_crew(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            running = self.crew.in_flight
            # Of workers elsewhere only results are seen: what has none may run or wait.
            waiting = max(0, self._matching.outstanding + self.generator.unsent - running)
            self.worker = self.crew.figures(waiting, self._reader.errors)
            self.collector.gauge(time.monotonic(), running, waiting, self._lag)

    # After ------------------------------------------------------------------------------------------

    def _result(self, states: list[StateShare]) -> Result:
        matching, collector = self._matching, self.collector
        wall = max(collector.last_end - collector.begin, 0.001) + self.plan.load.warmup_seconds
        cpu = self._reader.cpu_seconds
        collector.totals.transitions = round(self.crew.transitions_each * collector.totals.requests)
        return result_of(
            self.plan,
            collector,
            self.worker,
            self.generator,
            states,
            started=self._started,
            interrupted=self.interrupted,
            reader=ReaderFigures(
                cpu_seconds=round(cpu, 3),
                cpu_share=round(cpu / wall, 3),
                strangers=matching.strangers,
                duplicates=matching.duplicates,
            ),
            notes=tuple(self._notes),
        )
