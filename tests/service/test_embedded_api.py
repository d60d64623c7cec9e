"""Workers with an API beside them, and with execution logs: what they run can be seen and read."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.service.kit import DOUBLE, Lab, until

KEYS = {"region_name": "us-east-1", "aws_access_key_id": "local", "aws_secret_access_key": "local"}
ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:machine"


def client(url: str) -> Any:
    return boto3.client(
        "stepfunctions", endpoint_url=url, config=boto3.session.Config(inject_host_prefix=False), **KEYS
    )


async def test_the_api_beside_workers_shows_what_they_run(devbroker: str, tmp_path: Path) -> None:
    """The pipeline's workflow is deployed and can be started; a record's execution is listed with its history."""
    lab = Lab(devbroker, tmp_path, DOUBLE)
    await lab.prepare(1)
    await lab.produce([b'{"n": 1}', b'{"n": null}'])
    settings = ("api.enabled=true", "api.port=0", "api.store=", "api.include_execution_data=true")
    async with lab.service(1, *settings) as service:
        sfn = client(service.api_url)
        done = await asyncio.to_thread(sfn.start_sync_execution, stateMachineArn=ARN, input='{"n": 2}')
        assert (done["status"], json.loads(done["output"])["result"]) == ("SUCCEEDED", {"twice": 4})
        api = service._api
        assert api is not None
        ring = api._server.executions.ring
        assert ring is not None
        await until(lambda: len(list(ring)) == 3)
        listed = (await asyncio.to_thread(sfn.list_executions, stateMachineArn=ARN))["executions"]
        assert sorted(row["status"] for row in listed) == ["FAILED", "SUCCEEDED", "SUCCEEDED"]
        seen = [row["executionArn"] for row in listed if row["executionArn"] != done["executionArn"]]
        for arn in seen:
            found = await asyncio.to_thread(sfn.describe_execution, executionArn=arn)
            events = (await asyncio.to_thread(sfn.get_execution_history, executionArn=arn))["events"]
            assert events[0]["type"] == "ExecutionStarted"
            if found["status"] == "SUCCEEDED":
                assert json.loads(found["output"]) == {"n": 1, "result": {"twice": 2}}
                assert events[-1]["type"] == "ExecutionSucceeded"
            else:
                assert events[-1]["type"] == "ExecutionFailed"


@pytest.mark.parametrize("level", ["ALL", "ERROR"])
async def test_workers_log_executions(devbroker: str, tmp_path: Path, level: str) -> None:
    """ALL tells every event of every execution; ERROR one event of each that failed. Data only where it is wanted."""
    lab = Lab(devbroker, tmp_path, DOUBLE)
    await lab.prepare(1)
    await lab.produce([*(b'{"n": %d}' % n for n in range(20)), b'{"n": null}'])
    settings = (f"execution_log.file={tmp_path}/x.log", f"pipelines.numbers.logging.level={level}")
    async with lab.service(1, *settings) as service:
        await until(lambda: service.totals.overall().get("failed") == 1)
        await until(lambda: service.totals.overall().get("succeeded") == 20)

    events = [json.loads(line) for line in (tmp_path / "x-0.log").read_text().splitlines()]
    ends = [event for event in events if event["type"] in ("ExecutionSucceeded", "ExecutionFailed")]
    assert service.totals.log_dropped() == 0
    assert all("input" not in event["details"] for event in events)
    if level == "ERROR":
        assert [(event["type"], event["details"]["error"]) for event in events] == [("ExecutionFailed", "TypeError")]
    else:
        assert len(ends) == len({event["execution_arn"] for event in events}) == 21
        assert sum(event["type"] == "TaskStateExited" for event in events) == 20
