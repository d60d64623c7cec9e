"""GetExecutionHistory's events, made of the log events that the ring keeps."""

from __future__ import annotations

from express.telemetry.execution_log.events import BARE
from express.values import JSON

_NO_DETAILS = BARE | {"LambdaFunctionStarted", "MapRunSucceeded", "MapRunAborted"}
_DATA = (
    "input",
    "inputDetails",
    "output",
    "outputDetails",
    "parameters",
    "assignedVariables",
    "assignedVariablesDetails",
)


def history_event(logged: dict[str, JSON], *, include_data: bool) -> dict[str, JSON]:
    """One log event as a HistoryEvent. `include_data` False drops what may hold the execution's data."""
    kind = logged["type"]
    event: dict[str, JSON] = {
        "id": int(logged["id"]),
        "previousEventId": int(logged["previous_event_id"]),
        "timestamp": int(logged["event_timestamp"]) / 1000,
        "type": kind,
    }
    if kind not in _NO_DETAILS:
        details = logged["details"]
        if not include_data:
            details = {name: value for name, value in details.items() if name not in _DATA}
            if kind == "TaskScheduled":
                details["parameters"] = ""  # the model requires one
        event[details_member(kind)] = details
    return event


def weight_of(logged: dict[str, JSON]) -> int:
    """About how many bytes a log event has: those of its texts."""
    return sum(len(value) for value in logged["details"].values() if type(value) is str)


def details_member(kind: str) -> str:
    """The member of a HistoryEvent that holds the details of a type.

    >>> details_member("PassStateEntered"), details_member("LambdaFunctionFailed")
    ('stateEnteredEventDetails', 'lambdaFunctionFailedEventDetails')
    """
    for ending, member in (("StateEntered", "stateEntered"), ("StateExited", "stateExited")):
        if kind.endswith(ending):
            return f"{member}EventDetails"
    return f"{kind[0].lower()}{kind[1:]}EventDetails"
