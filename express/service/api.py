"""The API server wired: store, executor, integrations, log and guard, from the `[api]` section."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from express.api.app import Listener, make_app
from express.api.context import Api
from express.api.executions import Executions
from express.api.guard import Guard
from express.api.principals import Principal, Principals, Rule
from express.api.registry import Registry
from express.api.request_counts import RequestCounts
from express.api.sigv4 import Verifier
from express.api.standard import StandardExecutions
from express.api.tokens import Pages
from express.config import Api as Settings
from express.config import Config, Function, Standard, reveal
from express.config.model import Principal as PrincipalRow
from express.errors import ConfigError
from express.integrations import InProcess
from express.integrations.mocks import MockedExecutions
from express.ports import Clock, Integration
from express.runtime.clock import SystemClock
from express.runtime.executor.executor import Executor
from express.runtime.executor.task_calls import ResourceCalls
from express.runtime.standard.host import StandardHost
from express.runtime.standard.retention import DAY
from express.runtime.standard.tokens import StandardTokens
from express.service.child_executions.api import ApiMachines
from express.service.logging import SeveralLogs
from express.service.tracing import make_tracer
from express.service.workflow_reload import SwappableIntegration
from express.stores.database import MEMORY, Database
from express.stores.journal import SqliteJournal
from express.stores.memory import MemoryStore
from express.stores.records import Store
from express.stores.ring import Limits, Ring
from express.stores.sqlite import SqliteStore
from express.telemetry.doorway import is_loopback
from express.telemetry.execution_log.file import LogFile

if TYPE_CHECKING:
    from express.sinks.execution_log import LogTopic
    from express.sinks.input_queue import KafkaQueue, LazyQueue


class ApiServer:
    """Serves the API until it is stopped. Made and started on its loop."""

    def __init__(
        self,
        settings: Settings,
        functions: Mapping[str, Function],
        *,
        threads: int = 32,
        topics: Mapping[str, str] | None = None,
        kafka: Mapping[str, Any] | None = None,
        config: Config | None = None,
        mock: str | None = None,
    ) -> None:
        """Raises ConfigError for settings that are not safe, and for handlers that can't be had.

        `config` says what tasks may call beyond this process, and where traces go. `kafka`: properties of a client,
        for the input `topics` of state machines, by their names, and for `settings.log_topic`. `mock`: a mock file
        whose test cases an execution is started with, as `stateMachineArn#TESTCASE`.
        """
        self._settings = settings
        principals = Principals(_principal(row) for row in settings.principals)
        check_bind(settings, principals)
        clock = SystemClock()
        machines = ApiMachines((config or Config()).nested)
        self._topics = None if kafka is None or config is None or not config.kafka.produce else _lazy(kafka)
        self.integration = SwappableIntegration(
            functions, threads, config, InProcess(machines=machines, topics=self._topics)
        )
        mocks = None if mock is None else MockedExecutions(self.integration, mock)
        self._executor = Executor(clock, mocks or self.integration)
        standard = (config or Config()).standard
        database = Database(settings.store or MEMORY, standard.durability)
        store: Store = SqliteStore(database) if settings.store else MemoryStore()
        self._registry = Registry(store, f"arn:aws:states:{settings.region}:{settings.account}")
        self._log_file = _log_file(settings)
        self._log_topic = _log_topic(settings, kafka)
        self._logs = [log for log in (self._log_file, self._log_topic) if log is not None]
        self._queue = None if kafka is None or topics is None else _queue(kafka)
        self._tracer = None if config is None else make_tracer(config.traces)
        self.counts = RequestCounts()
        self.executions = Executions(
            self._registry,
            self._executor,
            clock,
            ring=_ring(settings),
            logs=SeveralLogs(self._logs) if self._logs else None,
            tracer=self._tracer,
            include_data=settings.include_execution_data,
            queue=self._queue,
            topics=topics,
            mocks=mocks,
        )
        self.standard = standard_executions(self._registry, self.integration, clock, database, standard)
        machines.bind(self._registry, self.executions, self.standard)
        self.api = Api(
            registry=self._registry,
            executions=self.executions,
            integration=self.integration,
            clock=clock,
            pages=Pages(),
            standard=self.standard,
            strict=settings.strict,
        )
        guard = Guard(principals, Verifier(principals, settings.region, clock.wall), settings.hosts, settings.origins)
        self.app = make_app(self.api, guard, self.counts.observe)
        self._listener = Listener(self.app, settings.connections)
        self.url = ""

    async def start(self) -> str:
        """Open the store and listen; the URL. Raises ConfigError and StoreError."""
        await self._registry.open()
        try:
            await self.standard.open()
            if self._log_topic is not None:
                await self._log_topic.start()
            if self._queue is not None:
                await self._queue.start()
            self.url = await self._listener.start(self._settings.host, self._settings.port, _tls(self._settings))
        except BaseException:
            await self._close()
            raise
        return self.url

    async def stop(self) -> None:
        """Take no more requests, let go of everything."""
        await self._listener.stop()
        await self._close()

    async def _close(self) -> None:
        await self.standard.close()
        await self._executor.close()
        self.executions.close()
        await self.integration.close()
        if self._topics is not None:
            await self._topics.stop()
        await self._registry.close()
        for part in (self._queue, self._log_topic):
            if part is not None:
                await part.stop()
        if self._log_file is not None:
            self._log_file.close()
        if self._tracer is not None:
            await asyncio.to_thread(self._tracer.close)

    def data(self) -> dict[str, Any]:
        """Return what the server has counted, for `telemetry.worker_report.Totals.api`."""
        traces = {} if self._tracer is None else msgspec.to_builtins(self._tracer.counts)
        dropped = sum(log.dropped for log in self._logs)
        standard = self.standard.host.data()
        return {**self.counts.data(), "traces": traces, "log_dropped": dropped, "standard": standard}


def standard_executions(
    registry: Registry, integration: Integration, clock: Clock, database: Database, settings: Standard
) -> StandardExecutions:
    """The Standard executions of a server, kept in a database; still to be opened."""
    tokens = StandardTokens(clock)
    host = StandardHost(
        SqliteJournal(database),
        ResourceCalls(integration, clock),
        clock,
        tokens,
        lambda begun: made.revision(begun),
        cache=int(settings.cache),
        fail_lost=settings.lost_task == "fail",
        retention=settings.retention_days * DAY,
        ended=lambda machine: made.ended(machine),
    )
    made = StandardExecutions(registry, host, tokens, clock)
    return made


def check_bind(settings: Settings, principals: Principals) -> None:
    """Refuse to listen where strangers can reach an API without a door.

    A key in the clear is no door either: API keys need TLS, ours or that of a proxy in front.
    """
    if is_loopback(settings.host):
        return
    if not principals:
        raise ConfigError(
            f"api.host {settings.host!r} can be reached from other machines: name who may call in [[api.principals]], "
            "or listen on 127.0.0.1"
        )
    keys = any(row.api_key_sha256 for row in settings.principals)
    if keys and not (settings.tls_certificate or settings.tls_elsewhere):
        raise ConfigError(
            f"API keys would cross the network to {settings.host!r} in the clear: set api.tls_certificate and "
            "api.tls_key, or api.tls_elsewhere = true behind a proxy that speaks TLS"
        )


def _lazy(properties: Mapping[str, Any]) -> LazyQueue:
    from express.sinks.input_queue import LazyQueue  # as above

    return LazyQueue(properties)


def _queue(properties: Mapping[str, Any]) -> KafkaQueue:
    from express.sinks.input_queue import KafkaQueue  # the Kafka client is only loaded by servers that need it

    return KafkaQueue(properties)


def _principal(row: PrincipalRow) -> Principal:
    return Principal(
        name=row.name,
        rules=tuple(Rule(actions=tuple(rule.actions), resources=tuple(rule.resources)) for rule in row.allow),
        access_key_id=row.access_key_id or None,
        secret_access_key=reveal(row.secret_access_key) if row.secret_access_key else None,
        api_key=row.api_key_sha256 or None,
        certificate=row.certificate or None,
    )


def _ring(settings: Settings) -> Ring | None:
    if not settings.history:
        return None
    kept = settings.kept
    return Ring(
        Limits(
            failures=kept.failures,
            slowest=kept.slowest,
            samples=kept.samples,
            samples_per_second=kept.samples_per_second,
            bytes=int(kept.size),
        )
    )


def _log_file(settings: Settings) -> LogFile | None:
    if not settings.log_file:
        return None
    return LogFile(settings.log_file, size=int(settings.log_size), files=settings.log_files)


def _log_topic(settings: Settings, kafka: Mapping[str, Any] | None) -> LogTopic | None:
    if not settings.log_topic:
        return None
    if kafka is None:
        raise ConfigError("api.log_topic needs [kafka]")
    from express.sinks.execution_log import LogTopic  # the Kafka client is only loaded by servers that need it

    return LogTopic(settings.log_topic, kafka)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer; with `tls_client_ca` every caller must show a certificate of that authority."""
    if not settings.tls_certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_certificate, settings.tls_key or None)
        if settings.tls_client_ca:
            context.load_verify_locations(settings.tls_client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(
            str(Path(name)) for name in (settings.tls_certificate, settings.tls_key, settings.tls_client_ca) if name
        )
        raise ConfigError(f"TLS can't be set up with {names}: {error}") from error
    return context
