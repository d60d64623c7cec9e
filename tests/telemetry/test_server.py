"""The health and metrics server, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from express import __version__
from express.errors import ConfigError
from express.runtime.counters import BATCH_BOUNDS, LATENCY_BOUNDS_MS
from express.telemetry.metrics import registry
from express.telemetry.report import Totals
from express.telemetry.server import Checks, TelemetryServer


class Doctor:
    """Health as the test wants it."""

    def __init__(self) -> None:
        self.wrong: dict[str, str] = {"worker 0": ""}

    def live(self) -> Checks:
        return self.wrong

    def ready(self) -> Checks:
        return {**self.wrong, "draining": "81 executions left"}

    def started(self) -> Checks:
        return {}


@pytest.fixture
async def server() -> AsyncIterator[tuple[str, Doctor]]:
    doctor = Doctor()
    served = TelemetryServer(registry(Totals(), LATENCY_BOUNDS_MS, 10, BATCH_BOUNDS), doctor, "127.0.0.1", 0)
    yield await served.start(), doctor
    await served.stop()


async def get(url: str, **headers: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_health_says_what_fails(server: tuple[str, Doctor]) -> None:
    """200 while all checks hold, 503 with the failing check named otherwise."""
    url, doctor = server
    assert await get(f"{url}/livez") == (
        200,
        "application/json",
        '{"status":"ok","checks":{"worker 0":"ok"}}',
    )
    status, _, body = await get(f"{url}/readyz")
    assert (status, "81 executions left" in body) == (503, True)
    assert (await get(f"{url}/startupz"))[0] == 200

    doctor.wrong["worker 0"] = "silent for 20 s"
    status, _, body = await get(f"{url}/livez")
    assert (status, body) == (503, '{"status":"failing","checks":{"worker 0":"silent for 20 s"}}')


async def test_metrics_come_as_asked(server: tuple[str, Doctor]) -> None:
    """A scraper gets OpenMetrics if it asks for it, Prometheus' text otherwise."""
    url, _ = server
    plain = await get(f"{url}/metrics")
    modern = await get(f"{url}/metrics", Accept="application/openmetrics-text; version=1.0.0")

    assert plain[1].startswith("text/plain")
    assert modern[1].startswith("application/openmetrics-text")
    assert modern[2].endswith("# EOF\n")
    assert "express_build_info" in plain[2]


async def test_nothing_else_is_served(server: tuple[str, Doctor]) -> None:
    """Version, and no page that could tell more."""
    url, _ = server

    assert __version__ in (await get(f"{url}/version"))[2]
    assert (await get(f"{url}/debug/pprof"))[0] == 404


async def test_a_taken_port_is_explained(server: tuple[str, Doctor]) -> None:
    """A port that another process has is a configuration error with the way out."""
    url, doctor = server
    port = int(url.rpartition(":")[2])
    second = TelemetryServer(registry(Totals(), LATENCY_BOUNDS_MS, 10, BATCH_BOUNDS), doctor, "127.0.0.1", port)

    with pytest.raises(ConfigError, match=r"set metrics\.port"):
        await second.start()
