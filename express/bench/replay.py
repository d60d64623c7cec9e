"""Arrivals as they were captured: when each event of a file is due again, from a time that stands in it."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from express.errors import ConfigError
from express.values import JSON

_SCALES = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""Epoch numbers at least so large are nano-, micro- or milliseconds; below, seconds."""


def timed(values: list[bytes], field: str) -> list[tuple[float, bytes]]:
    """Events with their times in seconds since 1970, in the order of these. Raises ConfigError."""
    found = [(seconds_of(member(orjson.loads(value), field), field), value) for value in values]
    return sorted(found, key=lambda entry: entry[0])


def member(event: JSON, field: str) -> JSON:
    """The value at `a.b.c`, None where there is none.

    >>> member({"device": {"id": 7}}, "device.id")
    7
    """
    for name in field.split("."):
        if not isinstance(event, dict):
            return None
        event = event.get(name)
    return event


def seconds_of(value: JSON, field: str) -> float:
    """A time in seconds: a number (of seconds, ms, µs or ns since 1970, by its size), or a text in ISO 8601.

    >>> seconds_of(1_700_000_000_500, "ts"), seconds_of("2023-11-14T22:13:20.500Z", "ts")
    (1700000000.5, 1700000000.5)

    Raises ConfigError.
    """
    try:
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                return _of_text(value)
        if type(value) not in (int, float):
            raise ValueError
    except ValueError:
        raise ConfigError(f"--time-field {field}: {value!r} is neither a number nor a time in ISO 8601") from None
    scale = next((scale for least, scale in _SCALES if abs(value) >= least), 1.0)
    return float(value / scale)


def _of_text(text: str) -> float:
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def offsets(times: list[float], speed: float, seconds: float | None = None) -> list[float]:
    """Return when each event is due, counted from the first; those due after `seconds` are left out.

    >>> offsets([100.0, 101.0, 104.0], 2.0), offsets([100.0, 101.0, 104.0], 1.0, 2.0)
    ([0.0, 0.5, 2.0], [0.0, 1.0])
    """
    due = [(time - times[0]) / speed for time in times]
    return due if seconds is None else [when for when in due if when < seconds]
