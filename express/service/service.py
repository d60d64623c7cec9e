"""A service while it runs: supervised workers, and the HTTP server that tells about them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from express.errors import ConfigError
from express.runtime.counters import BATCH_BOUNDS, LATENCY_BOUNDS_MS
from express.service.access import check_cluster
from express.service.job import Job
from express.service.supervisor import Supervisor
from express.telemetry.metrics import registry
from express.telemetry.server import TelemetryServer
from express.telemetry.worker_report import Totals

if TYPE_CHECKING:
    from express.service.embedded_api import EmbeddedApi


class Service:
    """Workers and server of one job. `url` is where the server is, once started."""

    def __init__(self, job: Job, workers: int, on_log: Callable[[str], None] | None = None) -> None:
        metrics = job.config.metrics
        self._config = job.config
        self.supervisor = Supervisor(job, workers, on_log)
        self.workers = workers
        self._metrics = metrics
        self._registry = registry(self.totals, LATENCY_BOUNDS_MS, metrics.series, BATCH_BOUNDS)
        self._server = TelemetryServer(self._registry, self.supervisor, metrics.host, metrics.port, metrics.hosts)
        self.url = ""
        self.api_url = ""
        """URL of the API, if it is wanted."""
        self._api: EmbeddedApi | None = None

    @property
    def totals(self) -> Totals:
        """Return what the workers reported."""
        return self.supervisor.totals

    async def start(self, *, any_port: bool = False) -> None:
        """Serve metrics and health. With `any_port`, a port that is taken is replaced by a free one.

        Raises ConfigError where that can't be done, or the cluster can't be used as configured.
        """
        await check_cluster(self._config)
        try:
            self.url = await self._server.start()
        except ConfigError:
            if not any_port:
                raise
            self._server = TelemetryServer(self._registry, self.supervisor, self._metrics.host, 0, self._metrics.hosts)
            self.url = await self._server.start()
        if self._config.api.enabled:
            try:
                await self._start_api(any_port=any_port)
            except BaseException:
                await self._server.stop()
                raise

    async def _start_api(self, *, any_port: bool) -> None:
        from express.service.embedded_api import EmbeddedApi  # a web server that not every service has

        self._api = api = EmbeddedApi(self._config)
        try:
            self.api_url = await api.start(any_port=any_port)
        except BaseException:
            await api.stop()
            raise
        self.totals.api = api.data
        self.supervisor.on_kept = api.see

    async def run(self) -> int:
        """Run the workers until stopped; the exit code. The server answers until the last of them has ended."""
        try:
            return await self.supervisor.run()
        finally:
            if self._api is not None:
                await self._api.stop()
            await self._server.stop()

    def stop(self) -> None:
        """Drain; a second call kills."""
        self.supervisor.stop()

    async def ready(self, seconds: float) -> bool:
        """Wait until every worker drains its topics; False if that takes longer than `seconds`, or never comes."""
        try:
            async with asyncio.timeout(seconds):
                while any(self.supervisor.ready().values()):
                    if self.supervisor.stopping:
                        return False
                    await asyncio.sleep(0.02)
        except TimeoutError:
            return False
        return True
