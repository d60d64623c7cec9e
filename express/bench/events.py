"""Sources of a bench's events: generated, from a template, or from a file that is gone through repeatedly."""

from __future__ import annotations

import csv
import io
import itertools
import random
import string
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import orjson

from express.bench.replay import member, timed
from express.config import choose
from express.config.files import read_bytes
from express.errors import ConfigError
from express.load.distributions import draw_keys, draw_sizes
from express.load.event_templates import EventTemplate
from express.load.sample_events import SampleEvents
from express.values import JSON

GENERATED = {"iot": "reading", "orders": "order", "documents": "document"}
"""`--input` → the method of SampleEvents that makes it."""

TEMPLATE = ".template.json"
PADDING = b"padding"
"""The member that makes an event as large as it is to be."""

_PAD_SOURCE = 1 << 20

Event = tuple[bytes | None, bytes | None]
"""Key and value of a record."""

Supply = Iterator[Event]

MOST_BYTES = 2**30
"""Most bytes of a file of events, which is held whole."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """The events to make. `event_bytes` and `key_skew` as in `draws`; `time_field`: in the order of their times."""

    input: str
    seed: int = 1
    event_bytes: str | None = None
    keys: int | None = None
    key_skew: str = "uniform"
    key_field: str | None = None
    time_field: str | None = None


def supply(sample: Sample) -> Supply:
    """An endless stream of events. Raises ConfigError, at the latest with the first event."""
    pick = None
    if sample.keys is not None:
        pick = draw_keys(sample.keys, sample.key_skew, random.Random(f"{sample.seed} keys"))
    elif sample.key_skew != "uniform":
        raise ConfigError("--key-skew needs --keys")
    events = _source(sample, pick)
    if sample.event_bytes is None:
        return events
    return _padded(events, sample.event_bytes, random.Random(f"{sample.seed} sizes"))


def _source(sample: Sample, pick: Callable[[], int] | None) -> Supply:
    name = sample.input
    if name in GENERATED:
        return _generated(name, sample, pick)
    if name.endswith(TEMPLATE):
        return _from_template(name, sample, pick)
    values = read_events(name)
    if sample.time_field is not None:
        values = [value for _, value in timed(values, sample.time_field)]
    keyed = [(_key_of(orjson.loads(value), sample.key_field), value) for value in values]
    return _rekeyed(itertools.cycle(keyed), pick)


def _generated(name: str, sample: Sample, pick: Callable[[], int] | None) -> Supply:
    if name == "iot" and sample.keys is not None:
        samples = SampleEvents(sample.seed, sample.keys, pick)
        pick = None
    else:
        samples = SampleEvents(sample.seed)
    make = getattr(samples, GENERATED[name])
    return _rekeyed((make(int(time.time() * 1000)) for _ in itertools.repeat(None)), pick)


def _from_template(name: str, sample: Sample, pick: Callable[[], int] | None) -> Supply:
    template = EventTemplate(orjson.loads(_checked(_read(name), name)), random.Random(sample.seed))
    key: bytes | None = None
    while True:
        if pick is not None:
            template.key = f"key-{pick():06d}"
            key = template.key.encode()
        event = template.make()
        yield (_key_of(event, sample.key_field) if key is None else key), orjson.dumps(event)


def _rekeyed(events: Supply, pick: Callable[[], int] | None) -> Supply:
    return events if pick is None else ((b"key-%06d" % pick(), value) for _, value in events)


def _key_of(event: JSON, field: str | None) -> bytes | None:
    if field is None:
        return None
    found = member(event, field)
    return None if found is None else found.encode() if isinstance(found, str) else orjson.dumps(found)


def _padded(events: Supply, sizes: str, chance: random.Random) -> Supply:
    """Events with a member of random letters that makes them as large as drawn. None is cut: larger ones stay."""
    draw = draw_sizes(sizes, chance)
    letters = "".join(chance.choices(string.ascii_letters + string.digits, k=_PAD_SOURCE)).encode()
    for key, value in events:
        size = draw()
        if value is None or not value.startswith(b"{") or not value.endswith(b"}"):
            yield key, value
            continue
        head = value[:-1] + (b',"%s":"' if len(value) > 2 else b'"%s":"') % PADDING
        missing = size - len(head) - 2
        start = chance.randrange(_PAD_SOURCE)
        more = (letters[start : start + missing]).ljust(missing, b"x")
        yield key, (head + more + b'"}' if missing > 0 else value)


def read_events(name: str) -> list[bytes]:
    """The events of a file: one JSON value, a line each of JSON, or the rows of a CSV file as objects of texts."""
    file = Path(name)
    if not file.suffix:
        choose(name, GENERATED, "input")
    data = _read(name)
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


def _read(name: str) -> bytes:
    return read_bytes(name, "the input", MOST_BYTES)


def _checked(text: bytes, place: str) -> bytes:
    try:
        return orjson.dumps(orjson.loads(text))
    except ValueError as error:
        raise ConfigError(f"{place}: not JSON: {error}") from None
