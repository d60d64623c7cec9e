"""Counters of the API's requests: plain integers, read when somebody scrapes."""

from __future__ import annotations

from typing import Any

import msgspec

from express.api.actions import ACTIONS
from express.runtime.counters import Histogram

OTHER = "Other"
"""The action of requests that name none of the API's: callers can't make up series."""

OK = "OK"


class RequestCounts:
    """Requests by action and error code, and how long they took by action. Costs a microsecond each."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str], int] = {}
        self.durations: dict[str, Histogram] = {}

    def observe(self, action: str, code: str, seconds: float) -> None:
        """Count one request. `code` "" is a success."""
        if action not in ACTIONS:
            action = OTHER
        key = (action, code or OK)
        self.requests[key] = self.requests.get(key, 0) + 1
        histogram = self.durations.get(action)
        if histogram is None:
            histogram = self.durations[action] = Histogram()
        histogram.add(seconds * 1000)

    def data(self) -> dict[str, Any]:
        """Return the counts as plain data, for `telemetry.worker_report.Totals`."""
        return {"requests": list(self.requests.items()), "durations": msgspec.to_builtins(self.durations)}
