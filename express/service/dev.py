"""The main job on one machine: a broker, a stream of sample events, and the sample workflows that drain it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec

from express.config import Config, Pipeline, load
from express.docs.samples import shipped
from express.kafka.properties import client_properties
from express.kafka.survey import Range
from express.kafka.topics import create_topics, ends
from express.load.generator import Plan, Progress, Stream
from express.ports import Partition
from express.service.dev_processes import LineChild
from express.service.prepare import prepare
from express.service.service import Service
from express.telemetry.worker_report import Data, in_flight
from express.verify.tally import Tally, tally

PARTITIONS = 12

PREFIX = "express-dev."
"""Begins the names of all topics, so that none is another's."""

MARK = ("retention.ms", "86400717")
"""Tells topics that `express dev` has made, on any broker: nobody else would choose a day and 717 ms."""

REPORT_INTERVAL = "250ms"

KINDS = {"iot": ("reading", 0.9), "orders": ("order", 0.05), "documents": ("document", 0.05)}
"""Sample pipeline → kind of its events, and their share of all."""

QUIET_SECONDS = 3.0
"""With nothing left to do and nothing changing for so long, a reader looks whether it is over: the counts of a
worker that died are incomplete, and its partitions are nobody's until its session is over."""

STUCK_SECONDS = 90.0
"""With nothing changing for so long, it is stuck."""

JOIN_SECONDS = 60.0
"""Workers that have not joined their groups after this get events all the same."""

SESSION_MS = 10_000
"""A worker that died is missed after this; production waits longer, so that no long pause looks like death."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of `express dev`. `kafka` None: the development broker. `rate` None: as fast as can be."""

    kafka: str | None = None
    pipelines: tuple[str, ...] = tuple(KINDS)
    rate: float | None = None
    seed: int = 1
    events: int | None = None
    seconds: float | None = None
    workers: int = 1
    settings: tuple[str, ...] = ()


class Development:
    """Everything that `express dev` runs. `broker` is the development broker's process, if there is one."""

    def __init__(self, options: Options, address: str, on_log: Callable[[str], None]) -> None:
        self.options = options
        self.address = address
        self.progress = Progress()
        self.config = _config(options, address)
        self.service = Service(prepare(self.config), options.workers, on_log)
        self.interrupted = False
        self.exit_code = 0
        self._properties: dict[str, Any] = client_properties(self.config.kafka).consumer
        self._starts: dict[Partition, int] = {}
        self._generator: LineChild | None = None
        self._running: asyncio.Task[int] | None = None

    async def start(self) -> None:
        """Make the topics, start workers and events."""
        await create_topics(self._properties, _topics(self.config), PARTITIONS, MARK)
        self._starts = await ends(self._properties, _topics(self.config))
        await self.service.start(any_port=True)
        self._running = asyncio.create_task(self.service.run())
        await self.service.ready(JOIN_SECONDS)  # events that wait for workers would be measured as slow
        self._generator = await LineChild.start("express.load.generator")
        await self._generator.tell(msgspec.json.encode(self._plan()))
        if self.interrupted:
            self._generator.ask_to_stop()

    def interrupt(self) -> None:
        """Make no more events and drain; a second call ends at once."""
        self.interrupted = True
        if self._generator is not None:
            self._generator.ask_to_stop()
        self.service.stop()

    async def finish(self) -> None:
        """Wait until all events are made and done with, or until interrupted; then stop the workers."""
        assert self._running is not None
        waiting = asyncio.create_task(self._wait())
        await asyncio.wait([waiting, self._running], return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            waiting.result()
        else:
            waiting.cancel()
        await self.close()

    async def close(self) -> None:
        """End the generator and the workers, if they still run."""
        if self._generator is not None:
            await self._generator.end()
        if self._running is not None:
            if not self.service.supervisor.stopping:
                self.service.stop()
            self.exit_code = await self._running

    async def verify(self) -> Tally:
        """Hold the terminal records against the events, by reading the topics."""
        now = await ends(self._properties, _topics(self.config))
        ranges: dict[Partition, Range] = {at: (self._starts.get(at, 0), end) for at, end in now.items()}
        sources = {topic for pipeline in self.config.pipelines for topic in pipeline.topics}
        inputs = {at: found for at, found in ranges.items() if at.topic in sources}
        outputs = {at: found for at, found in ranges.items() if at.topic not in sources}
        return await tally(self._properties, inputs, outputs)

    def _plan(self) -> Plan:
        options = self.options
        streams = [Stream(p.topics[0], *KINDS[p.name]) for p in self.config.pipelines]
        return Plan(
            kafka=self.config.kafka,
            streams=streams,
            seed=options.seed,
            rate=options.rate,
            events=options.events,
            seconds=options.seconds,
        )

    async def _wait(self) -> None:
        generator = self._generator
        assert generator is not None
        while not self.progress.done:
            self.progress = msgspec.json.decode(await generator.expect_line(), type=Progress)
        await generator.succeed()
        await self._until_settled()

    async def _until_settled(self) -> None:
        """Wait until the workers have counted all events, or, where counts died with a worker, a reader has."""
        before, changed, looked = -1, time.monotonic(), 0.0
        while (terminal := self.terminal) < self.progress.acknowledged or self.left:
            now = time.monotonic()
            if terminal != before:
                before, changed = terminal, now
            if now - changed > STUCK_SECONDS:
                return
            if now - max(changed, looked) > QUIET_SECONDS and not self.left:
                looked = now
                if not (await self.verify()).missing:
                    return
            await asyncio.sleep(0.05)

    @property
    def peak_bytes(self) -> int:
        """The most memory that a worker was seen to have."""
        return self.service.totals.peak_bytes

    @property
    def terminal(self) -> int:
        """Terminal records of this run, as the workers count them."""
        return terminal_of(self.service.totals.overall())

    @property
    def left(self) -> int:
        """Return what the workers know to be left: records not polled, waiting or running."""
        data = self.service.totals.overall()
        return sum(self.service.totals.lag().values()) + in_flight(data) + int(data.get("waiting", 0))


def terminal_of(counters: Data) -> int:
    """Results and dead letters that counters speak of."""
    names = ("succeeded", "failed", "timed_out", "aborted", "poison", "oversize", "unwritable")
    return int(sum(counters.get(name, 0) for name in names) - counters.get("abandoned", 0))


def _config(options: Options, address: str) -> Config:
    """The shipped configuration with the pipelines asked for."""
    settings = (
        f"kafka.bootstrap_servers={address}",
        "kafka.group=express-dev",
        f"metrics.interval={REPORT_INTERVAL}",
        f"kafka.client.session_timeout_ms={SESSION_MS}",
        "log.level=warning",
        "api.enabled=true",
        "api.store=",
        *options.settings,
    )
    config = load([shipped("express.toml")], settings=settings).config
    pipelines = [_apart(pipeline) for pipeline in config.pipelines if pipeline.name in options.pipelines]
    return msgspec.structs.replace(config, pipelines=pipelines)


def _apart(pipeline: Pipeline) -> Pipeline:
    """The same pipeline over topics of development's own."""
    return msgspec.structs.replace(
        pipeline,
        topics=[PREFIX + topic for topic in pipeline.topics],
        output=PREFIX + pipeline.output,
        dead_letter=PREFIX + pipeline.dead_letter,
    )


def _topics(config: Config) -> list[str]:
    return [name for p in config.pipelines for name in (*p.topics, p.output, p.dead_letter)]
