"""What is in the records: limits to the byte, depth, numbers, heap bombs, key skew."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from express.kafka.survey import Survey
from express.verify.audit import DEAD_LETTER, RESULT
from tests.faults.limits import Limits
from tests.faults.rig import Rig
from tests.faults.settings import WORKFLOW
from tests.kafka.clients import producer

LIMIT = 262_144
POISON, OVERSIZE, TRUNCATED = "POISON", "OVERSIZE", "OVERSIZE without its value"
SUCCEEDED, TOO_LARGE = "SUCCEEDED", "FAILED States.DataLimitExceeded"
BUDGET_MIB = 600
CGROUP_MIB = 1_024
RSS_MIB = 700
STARVED_MIB, STARVED_CORES = 256, 0.2
UNPACK_CGROUP_MIB, UNPACKED = 512, 100 << 20
BOMB_SECONDS = 600
"""What thousands of bombs may take: each is tens of milliseconds of work."""


def _text(size: int, fill: bytes = b"x") -> bytes:
    """A JSON text of exactly `size` bytes."""
    room = size - 2
    return b'"' + fill * (room // len(fill)) + b"y" * (room % len(fill)) + b'"'


def _nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def _grown(size: int) -> bytes:
    """An event whose task answers with `size` bytes of JSON."""
    return b'{"hold":0.001,"id":1,"seq":1,"grow":%d}' % size


ANYTHING: dict[str, Any] = {
    **WORKFLOW,
    "States": {
        **WORKFLOW["States"],
        "IsSlow": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.hold", "IsPresent": True, "Next": "Work"}],
            "Default": "Done",
        },
    },
}
"""The workflow for input that need not be an object."""

EDGES: Sequence[tuple[bytes | None, str]] = [
    # row 28: sizes
    *((_text(LIMIT + more), SUCCEEDED if more <= 0 else OVERSIZE) for more in (-1, 0, 1)),
    *((_text(LIMIT + more, "é".encode()), SUCCEEDED if more <= 0 else OVERSIZE) for more in (-1, 0, 1)),
    *((_text(LIMIT + more, "𝄞".encode()), SUCCEEDED if more <= 0 else OVERSIZE) for more in (-1, 0, 1)),
    *((_grown(LIMIT + more), SUCCEEDED if more <= 0 else TOO_LARGE) for more in (-1, 0, 1)),
    (_text(900_000), OVERSIZE),
    (_text(1_048_000), TRUNCATED),
    # row 29: depth
    *((_nested(depth), SUCCEEDED) for depth in (199, 200)),
    *((_nested(depth), POISON) for depth in (201, 254, 255, 256, 1_023, 1_024, 1_025, 100_000, 130_000)),
    (b'{"a":' * 130 + b"1" + b"}" * 130, SUCCEEDED),
    # row 30: numbers, text, encoding
    *((b"NaN", POISON), (b"[NaN]", POISON), (b"Infinity", POISON), (b"-Infinity", POISON), (b"1e400", POISON)),
    *((b"9223372036854775807", SUCCEEDED), (b"9223372036854775808", POISON), (b"-9223372036854775808", SUCCEEDED)),
    *((b"18446744073709551616", POISON), (b"1" * 4_301, POISON), (b"-0", SUCCEEDED), (b"1e-400", SUCCEEDED)),
    *((b'{"a":1,"a":2}', SUCCEEDED), (b"\xef\xbb\xbf1", POISON), (b"\x00", POISON), (b'"\\ud800"', POISON)),
    *((b'"\xff"', POISON), (b"", POISON), (None, POISON), (b"null", SUCCEEDED), (b"true", SUCCEEDED)),
    *((b'"\\u0000"', SUCCEEDED), (b"[1,]", POISON), (b"'a'", POISON), (b"01", POISON), (b"1 2", POISON)),
]
"""Values, and what becomes of them. `tests/runtime/records/test_json_input.py` has the whole tables."""


async def edges(rig: Rig) -> None:
    """Sizes to the byte, depth, numbers and encodings at their limits: each ends as it should, and stays as it is."""
    await rig.start(workers=2)
    async with producer(rig.cluster.address, max_request_size=2**21) as client:
        sent = [await client.send_and_wait(rig.topic, value, key=b"%d" % n) for n, (value, _) in enumerate(EDGES)]
    rig.load.sent += len(EDGES)
    rig.load.poison += sum(what in (POISON, OVERSIZE, TRUNCATED) for _, what in EDGES)
    await rig.recovered()
    found = await _dispositions(rig)
    for (value, expected), at in zip(EDGES, sent, strict=True):
        if (what := found.get((at.partition, at.offset), "nothing")) != expected:
            rig.problem(f"{(value or b'')[:40]!r} ({len(value or b'')} bytes): {what}, expected {expected}")


async def _dispositions(rig: Rig) -> dict[tuple[int, int], str]:
    """What became of each input record, by partition and offset."""
    found = {}
    async with Survey({"bootstrap_servers": rig.cluster.address}) as survey:
        ranges = await survey.bounds([f"{rig.topic}.results", f"{rig.topic}.dead-letters"])
        async for _, records in survey.read(ranges):
            for record in records:
                headers = dict(record.headers)
                _, number, offset = RESULT if RESULT[2] in headers else DEAD_LETTER
                found[int(headers[number]), int(headers[offset])] = _disposition(headers)
    return found


def _disposition(headers: dict[str, bytes]) -> str:
    if RESULT[2] in headers:
        error = headers.get("express.error", b"")
        return (headers["express.status"] + (b" " + error if error else b"")).decode()
    what = headers["__express.errors.disposition"].decode()
    return f"{what} without its value" if headers.get("__express.errors.value.truncated") == b"true" else what


async def poison_only(rig: Rig) -> None:
    """Nothing but poison, of twenty kinds: as many dead letters, byte for byte, and no stop."""
    await rig.start(workers=2)
    async with rig.feeding():
        await asyncio.sleep(rig.seconds / 2)
    await rig.recovered()
    rig.outcome.notes["poisoned"] = rig.load.poison


async def bombs(rig: Rig) -> None:
    """Events that take up to 24 times their size as objects, in a cgroup of 1 GiB: the budget of 600 MiB holds."""
    with Limits(CGROUP_MIB) as limits:
        service = await rig.start(runner=limits.runner)
        async with rig.feeding():
            peak = await _watch_memory(rig, service.pids[0])
        await rig.recovered(BOMB_SECONDS)
        peak = max(peak, _peak_mib(service.pids[0]))
        rig.expect("peak of the worker, MiB", peak, 0, RSS_MIB)
        rig.expect("killed for want of memory", service.text().count("ended with -9"), 0, 0)
        rig.outcome.notes["cgroup's peak, MiB"] = limits.peak_mib
        rig.outcome.notes["bytes of events, MiB"] = round(rig.load.bytes / 2**20)


async def unpack_bombs(rig: Rig) -> None:
    """Small batches that are 100 or 200 MiB when unpacked, among good ones: dead letters all, in little memory."""
    with Limits(UNPACK_CGROUP_MIB) as limits:
        service = await rig.start(runner=limits.runner)
        async with rig.feeding():
            for codec in ("gzip", "zstd", "lz4"):  # snappy packs too little for one
                await _bomb(rig, codec)
        await rig.recovered()
        rig.expect("peak of the worker, MiB", _peak_mib(service.pids[0]), 0, UNPACK_CGROUP_MIB)
        rig.expect("killed for want of memory", service.text().count("ended with -9"), 0, 0)


async def _bomb(rig: Rig, codec: str) -> None:
    """One batch that is packed well."""
    size = UNPACKED if codec == "lz4" else 2 * UNPACKED  # packs less tightly
    limits = {"max_batch_size": 2 * size, "max_request_size": 2 * size}
    async with producer(rig.cluster.address, compression_type=codec, **limits) as client:
        batch = client.create_batch()
        for _ in range(size >> 20):
            batch.append(key=None, value=bytes(1 << 20), timestamp=None)
        await (await client.send_batch(batch, rig.topic, partition=0))
    rig.load.sent += size >> 20
    rig.load.poison += size >> 20


async def starved(rig: Rig) -> None:
    """256 MiB and a fifth of a core: every event is done, nobody is killed or thrown out of the group."""
    with Limits(STARVED_MIB, STARVED_CORES) as limits:
        service = await rig.start(runner=limits.runner)
        began = await service.metric("express_kafka_rebalances_total")
        async with rig.feeding():
            await asyncio.sleep(rig.seconds)
        waiting = await service.metric("express_kafka_lag_records")
        await rig.recovered(BOMB_SECONDS)
        rig.expect("rebalances", await service.metric("express_kafka_rebalances_total") - began, 0, 0)
        rig.expect("killed for want of memory", service.text().count("ended with -9"), 0, 0)
        rig.outcome.notes["records that waited at the end of the load"] = waiting
        rig.outcome.notes["cgroup's peak, MiB"] = limits.peak_mib


async def _watch_memory(rig: Rig, pid: int) -> float:
    peak = 0.0
    while rig.feeding_left > 0:
        peak = max(peak, _peak_mib(pid))
        await asyncio.sleep(0.5)
    return peak


def _peak_mib(pid: int) -> float:
    """The most that a process ever had in memory."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _rss_mib(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


async def skew(rig: Rig) -> None:
    """Half of all events have one key, a tenth has none, the others have a key each: order holds, memory is flat."""
    service = await rig.start()
    sizes = []
    async with rig.feeding():
        while rig.feeding_left > 0:
            await asyncio.sleep(rig.seconds / 10)
            sizes.append(_rss_mib(service.pids[0]))
    await rig.recovered()
    half = len(sizes) // 2
    rig.outcome.notes["different keys"] = len(rig.load.sequence)
    rig.outcome.notes["MiB in the middle"] = round(sizes[half], 1)
    rig.expect("growth of memory in the second half, %", 100 * (sizes[-1] / sizes[half] - 1), -100, 5)
