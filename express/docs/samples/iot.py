"""The IoT routing workflow's one function."""

from __future__ import annotations

from typing import Any

SEVERE = {"E-OVERHEAT": 0.95, "E-SMOKE": 1.0, "E-TILT": 0.6, "E-SENSOR": 0.5}


class ReadingImpossible(Exception):
    """A value that no working sensor reports."""


def score(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Return how worrying a reading is, from 0 to 1, and why."""
    temperature = event["temperature"]
    if not -80 <= temperature <= 150:
        raise ReadingImpossible(f"{temperature} °C")
    level, reason = temperature / 100, "temperature"
    if event["battery"] < 10 and level < 0.8:
        level, reason = 0.8, "battery"
    for fault in event["faults"]:
        severity = SEVERE.get(fault, 0.7)
        if severity > level:
            level, reason = severity, fault
    return {"level": max(level, 0.0), "reason": reason, "model": "v1"}
