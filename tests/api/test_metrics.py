"""What a scraper reads of an API server, and what an orchestrator asks it."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from express.config import Config
from express.config.model import Metrics
from express.service.api_telemetry import ApiTelemetry
from tests.patience import PATIENCE

from .server import Running, serving
from .test_machines import create


@pytest.fixture
def watched() -> Iterator[tuple[Running, str]]:
    """A server, and where it is watched."""
    with serving() as running:
        telemetry = ApiTelemetry(running.server, Config(metrics=Metrics(port=0)))
        asyncio.run_coroutine_threadsafe(telemetry.start(), running.loop).result(PATIENCE)
        yield running, telemetry.url
        asyncio.run_coroutine_threadsafe(telemetry.stop(), running.loop).result(PATIENCE)


def samples(url: str) -> dict[tuple[str, ...], float]:
    """Sample name and label values → value."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=PATIENCE) as response:
        text = response.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_by_action_and_code(watched: tuple[Running, str]) -> None:
    """Successes as OK, errors by their code, and what names no action of the API under one name."""
    running, url = watched
    sfn = running.client()
    arn = create(sfn)
    for _ in range(3):
        sfn.start_sync_execution(stateMachineArn=arn)
    running.post("DescribeStateMachine", {"stateMachineArn": arn + "x"})
    for i in range(5):
        running.post(f"Made{i}Up", {})
    running.post("ListStateMachines", {}, Host="evil.example")
    found = samples(url)

    assert found["express_api_requests_total", "StartSyncExecution", "OK"] == 3
    assert found["express_api_requests_total", "DescribeStateMachine", "StateMachineDoesNotExist"] == 1
    assert found["express_api_requests_total", "Other", "UnknownOperationException"] == 5
    assert found["express_api_requests_total", "Other", "AccessDeniedException"] == 1
    assert found["express_api_request_duration_seconds_count", "StartSyncExecution"] == 3
    assert 0 < found["express_api_request_duration_seconds_sum", "StartSyncExecution"] < PATIENCE
    assert found["express_execution_log_events_dropped_total",] == 0


def test_health_of_an_api_server(watched: tuple[Running, str]) -> None:
    """Alive and ready while it listens."""
    for path, more in (("livez", {}), ("readyz", {"standard executions": "ok"}), ("startupz", {})):
        with urllib.request.urlopen(f"{watched[1]}/{path}", timeout=PATIENCE) as response:
            assert json.load(response) == {"status": "ok", "checks": {"api": "ok", **more}}


def test_a_taken_port_is_replaced() -> None:
    """`express run` may have it."""

    async def both() -> None:
        with serving() as running:
            first = ApiTelemetry(running.server, Config(metrics=Metrics(port=0)))
            await first.start()
            second = ApiTelemetry(running.server, Config(metrics=Metrics(port=int(first.url.rpartition(":")[2]))))
            await second.start()
            assert first.url != second.url
            await first.stop()
            await second.stop()

    asyncio.run(both())


def test_standard_executions_are_counted(watched: tuple[Running, str]) -> None:
    """What is committed of them, by machine and status."""
    running, url = watched
    sfn = running.client()
    arn = create(sfn, name="standard", type="STANDARD")
    for _ in range(3):
        started = sfn.start_execution(stateMachineArn=arn)["executionArn"]
        while sfn.describe_execution(executionArn=started)["status"] == "RUNNING":
            pass
    found = samples(url)

    assert found["express_standard_executions_total", "standard", "started"] == 3
    assert found["express_standard_executions_total", "standard", "succeeded"] == 3
    assert found["express_standard_transitions_total", "standard"] == 3
    assert found["express_standard_turns_total",] == 3
    assert found["express_standard_queued",] == found["express_standard_held",] == 0
