"""Where the events of a bench come from: generated ones, or a file that is gone through again and again."""

from __future__ import annotations

import csv
import io
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from express.config import choose
from express.errors import ConfigError
from express.sources.sample_events import SampleEvents

GENERATED = {"iot": "reading", "orders": "order", "documents": "document"}
"""`--input` → the method of SampleEvents that makes it."""

Supply = Iterator[bytes | None]


def supply(name: str, seed: int) -> Supply:
    """An endless stream of event values: `iot`, `orders`, `documents`, or a .json, .jsonl or .csv file.

    Raises ConfigError.
    """
    if name in GENERATED:
        return _generated(getattr(SampleEvents(seed), GENERATED[name]))
    return itertools.cycle(read_events(name))


def read_events(name: str) -> list[bytes]:
    """The events of a file: one JSON value, a line each of JSON, or the rows of a CSV file as objects of texts."""
    file = Path(name)
    if not file.suffix:
        choose(name, GENERATED, "input")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"the input {name} can't be read: {error.strerror}") from error
    if file.suffix == ".csv":
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig")))
        values = [orjson.dumps(row) for row in rows]
    elif file.suffix in (".jsonl", ".ndjson"):
        values = [_checked(line, f"{name}:{n}") for n, line in enumerate(data.splitlines(), 1) if line.strip()]
    else:
        values = [_checked(data, name)]
    if not values:
        raise ConfigError(f"the input {name} holds no event")
    return values


def _checked(text: bytes, place: str) -> bytes:
    try:
        return orjson.dumps(orjson.loads(text))
    except ValueError as error:
        raise ConfigError(f"{place}: not JSON: {error}") from None


def _generated(make: Callable[[int], tuple[bytes, bytes | None]]) -> Supply:
    while True:
        yield make(int(time.time() * 1000))[1]
