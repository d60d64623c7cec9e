"""Where events come from: files, templates, generators; keys, sizes and captured times on top."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from express.bench.events import Event, Sample, supply
from express.bench.replay import offsets, seconds_of, timed
from express.errors import ConfigError

ROWS = [{"id": 3, "ts": "2026-01-01T00:00:02Z"}, {"id": 1, "ts": "2026-01-01T00:00:00Z"}]


def taken(count: int, **sample: Any) -> list[Event]:
    return list(itertools.islice(supply(Sample(**sample)), count))


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_files_are_gone_through_again_and_again(tmp_path: Path) -> None:
    """JSONL gives its lines, CSV its rows as objects of texts, JSON its one value, in turn and without end."""
    lines = written(tmp_path, "a.jsonl", '{"n": 1}\n\n{"n": 2}\n')
    rows = written(tmp_path, "a.csv", "n,name\n1,x\n")
    single = written(tmp_path, "a.json", "[1]")

    assert [value for _, value in taken(3, input=lines)] == [b'{"n":1}', b'{"n":2}', b'{"n":1}']
    assert taken(1, input=rows) == [(None, b'{"n":"1","name":"x"}')]
    assert taken(2, input=single) == [(None, b"[1]")] * 2


def test_sizes_are_what_was_asked_for(tmp_path: Path) -> None:
    """Padded events have exactly their size, stay JSON with what was in them, and larger ones stay as they are."""
    file = written(tmp_path, "a.jsonl", '{"n": 1}\n{}\n' + json.dumps({"long": "x" * 3000}))
    first, empty, long = (value or b"" for _, value in taken(3, input=file, event_bytes="1KiB"))

    assert (len(first), len(empty), len(long)) == (1024, 1024, 3011)
    assert orjson.loads(first)["n"] == 1
    assert set(orjson.loads(empty)) == {"padding"}
    sizes = [len(value or b"") for _, value in taken(200, input=file, event_bytes="5000..256KiB")]
    assert min(sizes) >= 5000
    assert max(sizes) > 200_000


def test_keys_are_drawn_with_skew() -> None:
    """With `keys`, iot has so many devices, other events so many keys; a skew makes the first the most frequent."""
    devices = Counter(key for key, _ in taken(3_000, input="iot", keys=50, key_skew="zipf:1.5"))
    orders = Counter(key for key, _ in taken(500, input="orders", keys=5))

    assert devices.most_common(1)[0][0] == b"sensor-00000"
    assert devices[b"sensor-00000"] > 5 * devices[b"sensor-00009"] > 0
    assert set(orders) == {b"key-%06d" % number for number in range(5)}


def test_a_template_knows_its_key(tmp_path: Path) -> None:
    """`$key` is the key that was drawn; without `keys` a field of the event can be the key."""
    file = written(tmp_path, "a.template.json", '{"device": {"$key": true}, "n": {"at": {"$int": [1, 2]}}}')
    keyed = taken(50, input=file, keys=3)
    by_field = taken(50, input=file, key_field="n.at")

    assert all(orjson.loads(value or b"")["device"].encode() == key for key, value in keyed)
    assert {key for key, _ in by_field} == {b"1", b"2"}
    assert taken(50, input=file, keys=3) == keyed


def test_a_replay_is_in_the_order_of_its_times(tmp_path: Path) -> None:
    """Events come in the order in which they were captured, and are due after as long, sped up as asked."""
    file = written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, ROWS)))
    events = [value or b"" for _, value in taken(2, input=file, time_field="ts")]
    times = [time for time, _ in timed(events, "ts")]

    assert [orjson.loads(value)["id"] for value in events] == [1, 3]
    assert offsets(times, 1.0) == [0.0, 2.0]
    assert offsets(times, 4.0) == [0.0, 0.5]


@pytest.mark.parametrize("value", [1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, 1_700_000_000_000_000_000])
def test_the_unit_of_a_time_follows_from_its_size(value: int) -> None:
    """Seconds, milli-, micro- and nanoseconds since 1970 are the same moment, as numbers and as texts of a CSV."""
    assert seconds_of(value, "ts") == seconds_of(str(value), "ts") == 1_700_000_000


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ({"input": "nothing"}, "unknown input"),
        ({"input": "none.jsonl"}, "can't be read"),
        ({"input": "iot", "key_skew": "zipf:1"}, "needs --keys"),
        ({"input": "iot", "event_bytes": "much"}, "event size"),
        ({"input": "{folder}/a.jsonl", "time_field": "when"}, "None is neither a number"),
        ({"input": "{folder}/bad.jsonl"}, "bad.jsonl:2: not JSON"),
        ({"input": "{folder}/empty.csv"}, "holds no event"),
    ],
)
def test_mistakes(tmp_path: Path, sample: dict[str, Any], said: str) -> None:
    """Each mistake is a configuration error that names it, before anything runs."""
    written(tmp_path, "a.jsonl", '{"n": 1}')
    written(tmp_path, "bad.jsonl", '{"n": 1}\n{')
    written(tmp_path, "empty.csv", "n\n")
    with pytest.raises(ConfigError, match=said):
        taken(1, **{**sample, "input": sample["input"].replace("{folder}", str(tmp_path))})
