"""The workers of a pipeline under load: those of the configuration, as `express run` starts them, or none of ours."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from typing import Any

import msgspec

from express.bench.plan import BenchFailed, HandlerCrash, Plan
from express.bench.protocol import WorkerReport
from express.config import Duration
from express.errors import ConfigError
from express.runtime.counters import Histogram
from express.service.prepare import prepare
from express.service.service import Service
from express.service.supervisor import EXIT_CONFIG, EXIT_HANDLER

READY_SECONDS = 60.0
REPORTS = Duration.parse("250ms")
LAST_LINES = 20


class Crew:
    """`count` workers, 0: they run elsewhere and nothing is known of them but their results."""

    def __init__(self, plan: Plan) -> None:
        self.count = plan.load.workers
        self._plan = plan
        self._service: Service | None = None
        self._running: asyncio.Task[int] | None = None
        self._said: deque[str] = deque(maxlen=LAST_LINES)
        self._before: tuple[float, dict[str, Any]] = (0.0, {})

    async def start(self) -> None:
        """Start them and wait until they drain their topics. Raises ConfigError, HandlerCrash, BenchFailed."""
        if not self.count:
            return
        plan, config = self._plan, self._plan.config
        config = msgspec.structs.replace(config, metrics=msgspec.structs.replace(config.metrics, interval=REPORTS))
        job = prepare(config, [Path(folder) for folder in plan.path], plan.others)
        self._service = Service(job, self.count, self._said.append)
        await self._service.start(any_port=True)
        self._running = asyncio.create_task(self._service.run())
        if not await self._service.ready(READY_SECONDS):
            await self._fail()

    async def end(self) -> str:
        """Let them drain and end; what went wrong with them, "" if nothing did."""
        if self._service is None or self._running is None:
            return ""
        deaths = sum(self._service.totals.deaths.values())
        if not self._running.done():
            self._service.stop()
        code = await self._running
        if not code and not deaths:
            return ""
        said = f": {self._said[-1]}" if self._said else ""
        return f"{deaths} workers died under the load, the rest ended with {code}{said}"

    def begin(self) -> None:
        """Count from now on."""
        if self._service is not None:
            totals = self._service.totals
            self._before = totals.cpu_seconds, totals.overall().get("totals", {})

    @property
    def pids(self) -> list[int]:
        """Their processes."""
        return [] if self._service is None else self._service.supervisor.pids

    @property
    def in_flight(self) -> int:
        """Executions that run."""
        return 0 if self._service is None else self._service.supervisor.in_flight

    @property
    def transitions_each(self) -> float:
        """State transitions per execution, since `begin`; 0 where nobody tells."""
        if self._service is None:
            return 0.0
        now, before = self._service.totals.overall().get("totals", {}), self._before[1]
        requests = now.get("requests", 0) - before.get("requests", 0)
        return float(now.get("transitions", 0) - before.get("transitions", 0)) / requests if requests else 0.0

    def figures(self, waiting: int, errors: dict[str, int]) -> WorkerReport:
        """Return what they say, all together."""
        if self._service is None:
            return WorkerReport(waiting=waiting, errors=errors)
        totals = self._service.totals
        return WorkerReport(
            in_flight=self.in_flight,
            waiting=waiting,
            cpu_seconds=totals.cpu_seconds - self._before[0],
            resident_bytes=sum(report.resident_bytes for report in totals.live.values()),
            errors=errors,
            loop_lag_p99_ms=_quantile(totals.loop_lag(), 0.99),
            gc_pause_max_ms=_quantile(totals.gc_pause(), 1.0),
        )

    async def _fail(self) -> None:
        """Tell why they did not begin."""
        assert self._service is not None
        assert self._running is not None
        if not self._running.done() and not self._service.supervisor.stopping:
            reasons = "; ".join(why for why in self._service.supervisor.ready().values() if why)
            raise BenchFailed(f"the workers were not ready after {READY_SECONDS:.0f} s: {reasons}")
        code = await self._running
        message = self._said[-1].removeprefix("express: ") if self._said else f"the workers ended with {code}"
        if code == EXIT_HANDLER:
            raise HandlerCrash(message)
        raise ConfigError(message) if code == EXIT_CONFIG else BenchFailed(message)


def _quantile(data: dict[str, Any], q: float) -> float:
    return msgspec.convert(data, Histogram).quantile(q) if data else 0.0
