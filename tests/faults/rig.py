"""What a fault works with in one trial: topics, load, services, the watch, and what came of it."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiokafka.admin import NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from express.devbroker.messages.records import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from express.kafka.survey import Survey
from express.ports import Partition
from express.verify.verify import Target, Verdict, verify
from tests.faults.cluster import Cluster
from tests.faults.load import Load, Plan
from tests.faults.service import Service
from tests.faults.settings import Settings
from tests.faults.tail import Tail
from tests.faults.watch import Watch
from tests.kafka.clients import admin, producer, served
from tests.kafka.wire import Wire, unique

RECOVERY_SECONDS = 90.0
"""A trial that takes longer to catch up has failed."""

BESIDE_EVENTS = 50
BESIDE_SECONDS = 30.0
"""What another pipeline of the same workers may take for them, whatever happens beside it."""

LED = frozenset({0})
"""The error code for a partition that is still there."""

LOOK_SECONDS = 0.5
"""Between two readings of everything."""


class Outcome(msgspec.Struct, kw_only=True):
    """What a trial found. `problems` empty: it passed."""

    fault: str
    trial: int
    seed: int
    records: int = 0
    disruptions: int = 0
    lost: int = 0
    duplicated: int = 0
    dead_letters: int = 0
    recoveries: list[float] = []
    seconds: float = 0.0
    notes: dict[str, float] = {}
    problems: list[str] = []


class Rig:
    """One trial."""

    def __init__(self, cluster: Cluster, plan: Plan, outcome: Outcome, seconds: float, settings: Settings) -> None:
        self.cluster = cluster
        self.plan = plan
        self.outcome = outcome
        self.seconds = seconds
        self.random = random.Random(outcome.seed)
        self.topic = unique("in")
        self.group = f"{unique('group')}-faults"
        self.load = Load(plan, self.topic, outcome.seed)
        self.beside = Load(plan, f"{self.topic}.beside", outcome.seed)
        self.services: list[Service] = []
        self.watch: Watch
        self.settings = settings
        self.folder = Path(tempfile.mkdtemp(prefix="express-faults-"))
        self.environment: dict[str, str] = {}
        """Variables that the services get."""
        self._fed_until = 0.0

    # Set up and tear down ---------------------------------------------------------------------------

    async def open(self, *, dead_letters: bool = True) -> None:
        """Create the topics and begin to watch."""
        names = [self.topic, f"{self.topic}.results", *([f"{self.topic}.dead-letters"] if dead_letters else [])]
        if self.settings.beside:
            names += [f"{self.topic}.beside{part}" for part in ("", ".results", ".dead-letters")]
        for name in names:
            await self.create(name)
        self.begin_watch()

    def begin_watch(self) -> None:
        """Follow the commits from now on."""
        self.watch = Watch(self.cluster.address, self.group)

    async def create(self, topic: str) -> None:
        """A topic with as many partitions and copies as the trial has."""
        copies = min(3, self.cluster.shape.brokers)
        async with admin(self.cluster.address) as client:
            await client.create_topics([NewTopic(topic, self.plan.partitions, copies)])
        if copies == 1:
            await served(self.cluster.address, topic, self.plan.partitions)

    async def configure(self, topic: str, **configs: str) -> None:
        """Change configurations of a topic."""
        async with admin(self.cluster.address) as client:
            await client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)])

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Tail]:
        """Read terminal records while they come, as a `read_committed` reader does."""
        async with Tail(self.cluster.address, [f"{self.topic}.results", f"{self.topic}.dead-letters"]) as tail:
            yield tail

    async def delete(self, topic: str) -> None:
        """Remove a topic, and wait until the broker takes nothing for it any more: that would go with it."""
        async with admin(self.cluster.address) as client:
            await client.delete_topics([topic])
        asked = [ListOffsetsPartition(index=index, timestamp=-1) for index in range(self.plan.partitions)]
        request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=asked)])
        async with Wire(self.cluster.address) as wire:
            await wire.settled(request, not_yet=LED)

    async def close(self, *, keep: bool) -> None:
        """End everything; `keep` the folder with the logs."""
        for service in self.services:
            service.kill()
        if hasattr(self, "watch"):
            await self.watch.stop()
        if keep:
            self.outcome.problems.append(f"logs in {self.folder}")
        else:
            shutil.rmtree(self.folder)

    def service(self, workers: int = 1, *, proxied: bool = False, runner: Sequence[str] = (), **client: Any) -> Service:
        """Start an `express run`, by `runner` if there is one. `client` are Kafka client properties."""
        number = len(self.services)
        workflow = self.folder / "faults.asl.json"
        workflow.write_text(json.dumps(self.settings.workflow))
        config = self.folder / f"express-{number}.toml"
        address = self.cluster.proxied if proxied else self.cluster.address
        group = self.group.removesuffix("-faults")
        text = self.settings.text(address, group, self.topic, workflow, client)
        config.write_text(text)
        service = Service(config, self.folder / f"express-{number}.log", workers, runner, self.environment)
        self.services.append(service)
        return service

    async def start(
        self, workers: int = 1, *, proxied: bool = False, runner: Sequence[str] = (), **client: Any
    ) -> Service:
        """Start an `express run` and wait until it drains."""
        service = self.service(workers, proxied=proxied, runner=runner, **client)
        await service.ready()
        return service

    # While it runs ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def feeding(self, seconds: float | None = None) -> AsyncIterator[None]:
        """Feed meanwhile, and until the time is over."""
        seconds = self.seconds if seconds is None else seconds
        self._fed_until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            group.create_task(self.load.feed(self.cluster.address, seconds))
            yield

    @property
    def feeding_left(self) -> float:
        """Seconds for which events still come."""
        return self._fed_until - time.monotonic()

    async def ends(self) -> Mapping[Partition, int]:
        """The ends of the input."""
        async with Survey({"bootstrap_servers": self.cluster.address}) as survey:
            return {at: end for at, (_, end) in (await survey.bounds([self.topic])).items()}

    def disrupt(self, count: int = 1) -> None:
        """Note that something was broken, for the bound of duplicates."""
        self.outcome.disruptions += count

    async def recovered(self, patience: float = RECOVERY_SECONDS) -> None:
        """Wait until everything that is in the input now is committed; note how long that took, and verify."""
        ends = await self.ends()
        self.outcome.recoveries.append(round(await self.watch.reached(ends, patience), 1))
        verdict = await self.verify()
        if not verdict.ok:
            self.problem(f"while it ran: {'; '.join(verdict.reasons)}")

    async def covered(self) -> None:
        """As `recovered`, where commits don't reach the end of the log: at markers, and at a commit's last second."""
        self.outcome.recoveries.append(await self._until_covered())

    async def _until_covered(self) -> float:
        """Wait until every record has its terminal record; how long that took."""
        began = time.monotonic()
        while left := (await self.verify()).totals["open"]:
            if (spent := time.monotonic() - began) > RECOVERY_SECONDS:
                self.problem(f"{left} records are open after {spent:.0f} s")
                break
            await asyncio.sleep(LOOK_SECONDS)
        return round(time.monotonic() - began, 1)

    async def passes_beside(self) -> None:
        """Send events to the other pipeline of the workers, whose results come whatever happens to this one."""
        async with producer(self.cluster.address) as client:
            for _ in range(BESIDE_EVENTS):
                key, value = self.beside.event(hold=0.0)
                await client.send_and_wait(f"{self.topic}.beside", value, key=key)
        began = time.monotonic()
        while left := (await self.verify_beside()).totals["open"]:
            if time.monotonic() - began > BESIDE_SECONDS:
                self.problem(f"{left} records of the other pipeline are open after {BESIDE_SECONDS:g} s")
                return
            await asyncio.sleep(LOOK_SECONDS)
        self.expect("seconds of the other pipeline", time.monotonic() - began, 0, BESIDE_SECONDS)

    async def verify_beside(self) -> Verdict:
        """What the reader says of the other pipeline."""
        name, group = f"{self.topic}.beside", f"{self.group.removesuffix('-faults')}-beside"
        target = Target(
            name="beside", inputs=[name], output=f"{name}.results", dead_letters=f"{name}.dead-letters", group=group
        )
        return await verify({"bootstrap_servers": self.cluster.address}, target)

    def problem(self, text: str) -> None:
        """Note what must not be."""
        self.outcome.problems.append(text)

    def expect(self, what: str, found: float, low: float, high: float) -> None:
        """Note a figure, the highest if it comes again, and that it is wrong unless it lies between the limits."""
        self.outcome.notes[what] = max(round(found, 2), self.outcome.notes.get(what, float("-inf")))
        if not low <= found <= high:
            self.problem(f"{what}: {found:g}, expected {low:g} to {high:g}")

    # The end ----------------------------------------------------------------------------------------

    async def finish(self) -> Verdict:
        """Stop what runs in order, once everything is done, and read it all."""
        await self._until_covered()
        for service in self.services:
            if service.process.poll() is None:
                self.expect("exit code of the last stop", await service.drain(), 0, 0)
        for service in self.services:
            if "Traceback" in service.text():
                self.problem(f"a traceback in {service.log}")
        return await self.verify(drained=True)

    async def verify(self, *, drained: bool = False) -> Verdict:
        """What an independent reader says."""
        target = Target(
            name="faults",
            inputs=[self.topic],
            output=f"{self.topic}.results",
            dead_letters=f"{self.topic}.dead-letters",
            group=self.group,
        )
        properties = {"bootstrap_servers": self.cluster.address}
        return await verify(properties, target, exactly_once=self.settings.delivery == "exactly_once", drained=drained)
