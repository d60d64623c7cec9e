"""Executions as callers see them: within the model's lengths, billed, with the times of the wire."""

from __future__ import annotations

from express.api.executions import Started
from express.metering import billed
from express.values import JSON


def sync_response(started: Started, *, include_data: bool) -> dict[str, JSON]:
    """The members of the StartSyncExecution answer (Step Functions Developer Guide, "Choosing workflow type")."""
    about, finish, request = started.about, started.finish, started.request
    response: dict[str, JSON] = {
        "executionArn": about.execution_arn,
        "stateMachineArn": about.state_machine_arn,
        "name": about.name,
        "startDate": milliseconds(about.started),
        "stopDate": milliseconds(started.stopped),
        "status": finish.status,
        "billingDetails": _billing(started),
    }
    if finish.error is not None:
        response["error"] = finish.error
    if finish.cause is not None:
        response["cause"] = finish.cause
    if request.trace_header is not None:
        response["traceHeader"] = request.trace_header
    if include_data:
        response |= {"input": request.text, "inputDetails": {"included": True}}
        response["outputDetails"] = {"included": True}  # of a failed execution, too: observed
        if started.output is not None:
            response["output"] = started.output
    return response


def _billing(started: Started) -> dict[str, JSON]:
    payload = len(started.request.text) + len(started.output or "")
    ms, mb = billed(started.seconds, started.program.size, payload, started.program.width.holders)
    return {"billedDurationInMilliseconds": ms, "billedMemoryUsedInMB": mb}


def milliseconds(seconds: float) -> float:
    """A time as the wire has it: epoch seconds with milliseconds."""
    return round(seconds, 3)
