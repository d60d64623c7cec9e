"""Handlers with AWS Lambda Powertools run unchanged: in the loop, in threads, in processes."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from express.config import Function
from express.service.single_run import run_once
from express.values import JSON, dumps, loads

pytest.importorskip("aws_lambda_powertools", reason="AWS Lambda Powertools is not installed")

EVENT = {
    "version": "0",
    "id": "1",
    "source": "shop",
    "detail-type": "placed",
    "account": "123456789012",
    "time": "2026-01-01T00:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail": {"order": "o-1"},
}


@pytest.fixture(autouse=True)
def _lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Lambda's runtime sets for Powertools."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "charge")
    monkeypatch.setenv("POWERTOOLS_TRACE_DISABLED", "true")


async def called(name: str, event: JSON, mode: Any = "inline") -> Any:
    """How an execution ends that calls the handler."""
    function = Function(handler=f"tests.integrations.powertools_handlers:{name}", mode=mode)
    state = {"Type": "Task", "Resource": f"arn:aws:lambda:us-east-1:123456789012:function:{name}", "End": True}
    text = dumps({"StartAt": "S", "States": {"S": state}})
    return (await run_once("shop", text, event, {name: function})).finish


@pytest.mark.parametrize("mode", ["inline", "thread", "process"])
async def test_logger_and_metrics(
    mode: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The logger finds all of the context that it wants, and metrics are written as CloudWatch reads them."""
    from tests.integrations.powertools_handlers import logger

    monkeypatch.setattr(logger.registered_handler, "stream", sys.stdout)  # it keeps the one of its import
    finish = await called("charge", {"order": "o-1", "total": 20.5}, mode)

    assert (finish.status, finish.output["charge"]) == ("SUCCEEDED", "ch-o-1")
    if mode != "process":
        lines = [loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        charged = next(line for line in lines if line.get("message") == "charged")
        assert charged["function_name"] == "charge"
        assert charged["function_request_id"] == finish.output["request"]
        assert charged["correlation_id"] == "o-1"
        assert charged["left"] > 0
        assert any(line.get("charged") == [1.0] for line in lines)


async def test_errors_are_the_handlers() -> None:
    """An exception that goes through the decorators is the task's error, by its own name."""
    finish = await called("charge", {"order": "o-1", "total": 1, "card": "declined"})

    assert finish.error == "CardDeclined"
    assert loads(finish.cause)["errorMessage"] == "the card was declined"


async def test_events_batches_and_validation() -> None:
    """Data classes, partial batch responses and validation work on what the state hands over."""
    bodies = {"m-1": '{"order": "abc"}', "m-2": "no JSON"}
    records = [{"messageId": id_, "body": body, "eventSource": "aws:sqs"} for id_, body in bodies.items()]

    assert (await called("told", EVENT)).output == "shop/placed: o-1"
    assert (await called("batch", {"Records": records})).output == {"batchItemFailures": [{"itemIdentifier": "m-2"}]}
    assert (await called("checked", {"total": 3})).output == 3.0
    assert (await called("checked", {})).error == "SchemaValidationError"
