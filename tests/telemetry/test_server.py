"""The health and metrics server, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import pytest

from express import __version__
from express.errors import ConfigError
from express.runtime.counters import BATCH_BOUNDS, LATENCY_BOUNDS_MS
from express.telemetry.metrics import registry
from express.telemetry.server import Checks, TelemetryServer
from express.telemetry.worker_report import Totals


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


@pytest.mark.parametrize(
    ("listens", "hosts", "called", "status"),
    [
        ("127.0.0.1", [], "localhost", 200),
        ("127.0.0.1", [], "127.0.0.1:9464", 200),
        ("127.0.0.1", [], "[::1]:9464", 200),
        ("127.0.0.1", [], "evil.example", 403),
        ("127.0.0.1", [], "evil.example:9464", 403),
        ("127.0.0.1", [], "localhost.evil.example", 403),
        ("127.0.0.1", [], "10.0.0.7", 403),
        ("127.0.0.1", [], "", 403),
        ("127.0.0.1", ["Metrics.example"], "metrics.example:9464", 200),
        ("0.0.0.0", [], "10.0.0.7:9464", 200),
        ("0.0.0.0", [], "[fd00::7]:9464", 200),
        ("0.0.0.0", [], "evil.example", 403),
        ("0.0.0.0", ["metrics"], "metrics:9464", 200),
    ],
)
async def test_only_names_of_ours_are_answered(listens: str, hosts: list[str], called: str, status: int) -> None:
    """A web page that leads a name of its own here reads nothing; every path, also one that is not there."""
    totals = registry(Totals(), LATENCY_BOUNDS_MS, 10, BATCH_BOUNDS)
    server = TelemetryServer(totals, Doctor(), listens, 0, hosts)
    url = (await server.start()).replace("0.0.0.0", "127.0.0.1")
    try:
        for path in ("metrics", "livez", "version", "startupz"):
            found, kind, text = await get(f"{url}/{path}", Host=called)
            assert found == status
            assert status == 200 or ("metrics.hosts" in text and kind.startswith("application/json"))
        assert (await get(f"{url}/nothing", Host=called))[0] == (404 if status == 200 else 403)
    finally:
        await server.stop()


@pytest.mark.parametrize("name", ["Expect", "Accept", "Host", "Authorization", "X-Any"])
async def test_headers_that_are_no_text(server: tuple[str, Doctor], name: str) -> None:
    """400 with the header's name, and no traceback in the log."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(server[0]).port)
    headers = {b"Host": b"localhost", name.encode(): b"\xff\xfe"}
    lines = b"".join(b"%b: %b\r\n" % header for header in headers.items())
    writer.write(b"GET /livez HTTP/1.1\r\n%b\r\n" % lines)
    assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
    assert name.encode() in (await reader.readuntil(b"}"))
    writer.close()
