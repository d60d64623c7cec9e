"""An API server that is watched: its metrics and health, on a port of their own, as those of a running service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from express.errors import ConfigError
from express.runtime.counters import BATCH_BOUNDS, LATENCY_BOUNDS_MS
from express.service.worker_metrics import LoopWatch, settle_garbage
from express.telemetry.metrics import registry
from express.telemetry.server import TelemetryServer
from express.telemetry.worker_report import Totals

if TYPE_CHECKING:
    from express.config import Config
    from express.service.api import ApiServer
    from express.telemetry.server import Checks


class ApiTelemetry:
    """Serves `/metrics` and the health paths of an API server. `url` is where, once started."""

    def __init__(self, server: ApiServer, config: Config) -> None:
        totals = Totals()
        totals.api = self._data
        self._watch = LoopWatch()
        self._watching: asyncio.Task[None] | None = None
        self._api = server
        self._metrics = config.metrics
        self._registry = registry(totals, LATENCY_BOUNDS_MS, config.metrics.series, BATCH_BOUNDS)
        self._server = TelemetryServer(
            self._registry, self, config.metrics.host, config.metrics.port, config.metrics.hosts
        )
        self.url = ""

    async def start(self) -> None:
        """Listen; on any free port where the one of the configuration is taken, by `express run`, say."""
        try:
            self.url = await self._server.start()
        except ConfigError:
            self._server = TelemetryServer(self._registry, self, self._metrics.host, 0, self._metrics.hosts)
            self.url = await self._server.start()
        self._watching = asyncio.create_task(self._watch.run())
        settle_garbage()

    async def stop(self) -> None:
        """Close."""
        if self._watching is not None:
            self._watching.cancel()
        await self._server.stop()

    def _data(self) -> dict[str, Any]:
        watched = {"loop_lag": self._watch.lag, "gc_pause": self._watch.gc}
        return {**self._api.data(), **msgspec.to_builtins(watched)}

    def live(self) -> Checks:
        """It answers, so it lives."""
        return {"api": ""}

    def ready(self) -> Checks:
        """Return whether requests are taken, and Standard executions go on."""
        trouble = self._api.standard.host.trouble
        return {**self.started(), "standard executions": "" if trouble is None else str(trouble)}

    def started(self) -> Checks:
        """Return whether requests are taken."""
        return {"api": "" if self._api.url else "does not listen yet"}
