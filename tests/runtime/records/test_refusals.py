"""A refusal is not an outage: each record's refusal is its own, on both brokers and for both promises."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

import pytest

from express.devbroker.messages.admin import AlteredResource, ConfigChange, IncrementalAlterConfigsRequest
from express.kafka.limits import Limits
from express.values import dumps
from tests.kafka.clients import new_topic, producer
from tests.kafka.wire import Wire, codes
from tests.patience import PATIENCE
from tests.runtime.rig import header
from tests.runtime.test_delivery import PARTITIONS, Flow, flow, once

ERRORS = "__express.errors."


@pytest.fixture(params=["at_least_once", "exactly_once"])
def promise(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@asynccontextmanager
async def strict(
    address: str, promise: str, handler: Any = None, *, output: Any = None, dead: Any = None, **settings: Any
) -> AsyncIterator[Flow]:
    """A flow whose output topics are configured so."""
    async with flow(address, promise, handler, **settings) as f:
        if output:
            f.output = await new_topic(address, PARTITIONS, **output)
        if dead:
            f.dead = await new_topic(address, 1, **dead)
        yield f


async def configure(f: Flow, topic: str, **configs: str) -> None:
    """Change a topic's configuration."""
    changes = [ConfigChange(name=name, operation=0, value=value) for name, value in configs.items()]
    resource = AlteredResource(kind=2, name=topic, changes=changes)
    async with Wire(f.address) as wire:
        assert codes(await wire.call(IncrementalAlterConfigsRequest(resources=[resource], validate_only=False))) == {0}


@pytest.fixture(params=["told", "not told"])
def told(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether brokers say what a topic takes; who may not ask learns it from refusals."""
    if request.param == "told":
        return True
    monkeypatch.setattr(Limits, "learn", lambda self, found: None)
    return False


async def test_batches_are_as_large_as_the_topic_takes(address: str, promise: str, told: bool) -> None:
    """5,000 tiny records into a topic of 100 kB a batch: each has one result, and no execution runs twice."""
    values = [{"n": n, "pad": "x" * 40} for n in range(5000)]
    async with strict(address, promise, output={"max.message.bytes": "100000"}) as f:
        await f.put(*values)
        worker = f.worker()
        await f.until_terminal(5000)
        await f.stop()

        assert await f.terminal() == once(5000)
        assert (worker.counters.started, worker.counters.restarts, worker.counters.dead_letters) == (5000, 0, 0)


async def test_a_result_that_its_topic_does_not_take_is_a_dead_letter(address: str, promise: str, told: bool) -> None:
    """It says so and leads to its record; everything around it has its result, once."""
    async with strict(address, promise, lambda data: "y" * data["size"], output={"max.message.bytes": "5000"}) as f:
        await f.put(*[{"n": n, "size": 9_000 if n % 100 == 7 else 10} for n in range(600)], key=b"k")
        worker = f.worker()
        await f.until_terminal(600)
        await f.stop()

        assert await f.terminal() == once(600)
        letters = await f.read(f.dead)
        assert len(letters) == 6 == worker.counters.unwritable
        for letter in letters:
            assert (letter.key, letter.value) == (b"k", None)
            assert header(letter, f"{ERRORS}stage") == "produce"
            assert header(letter, f"{ERRORS}disposition") == "OVERSIZE"
            assert header(letter, f"{ERRORS}error") == "States.DataLimitExceeded"
            assert "result" in str(header(letter, f"{ERRORS}cause"))
            assert header(letter, f"{ERRORS}value.truncated") == "true"
            assert str(header(letter, f"{ERRORS}execution.arn")).startswith("arn:aws:states:")
            assert str(header(letter, f"{ERRORS}statemachine.arn")).endswith(":stateMachine:flow")
        assert (worker.counters.started, worker.counters.restarts) == (600, 0)


async def test_a_dead_letter_that_is_too_large_keeps_key_and_headers(address: str, promise: str, told: bool) -> None:
    """Only its value is left out, with its size and digest in headers; all around it have their results."""
    poison = b"{" + b"p" * 9_000
    async with strict(address, promise, dead={"max.message.bytes": "5000"}) as f:
        await f.put(*[{"n": n} for n in range(200)])
        async with producer(address) as client:
            await client.send_and_wait(f.input, poison, key=b"k", partition=0, headers=[("h", b"v"), ("h", b"w")])
        await f.put(*[{"n": n} for n in range(200)])
        worker = f.worker()
        await f.until_terminal(401)
        await f.stop()

        assert Counter((await f.terminal()).values()) == {1: 401}
        (letter,) = await f.read(f.dead)
        assert (letter.key, letter.value) == (b"k", None)
        assert list(letter.headers)[:2] == [("h", b"v"), ("h", b"w")]
        assert header(letter, f"{ERRORS}value.truncated") == "true"
        assert header(letter, f"{ERRORS}value.bytes") == str(len(poison))
        assert header(letter, f"{ERRORS}value.sha256") == sha256(poison).hexdigest()
        assert (worker.counters.started, worker.counters.restarts) == (400, 0)


async def test_headers_that_are_too_large_go_after_the_value(address: str, promise: str, told: bool) -> None:
    """What leads to the record stays, and how large its key was."""
    async with strict(address, promise, dead={"max.message.bytes": "5000"}) as f:
        async with producer(address) as client:
            await client.send_and_wait(f.input, b"poison", key=b"k" * 3_000, partition=2, headers=[("h", b"v" * 3_000)])
        f.worker()
        await f.until_terminal(1)
        await f.stop()

        (letter,) = await f.read(f.dead)
        assert (letter.key, letter.value, header(letter, "h")) == (None, None, None)
        assert header(letter, f"{ERRORS}headers.truncated") == "true"
        assert header(letter, f"{ERRORS}key.bytes") == "3000"
        assert (header(letter, f"{ERRORS}partition"), header(letter, f"{ERRORS}offset")) == ("2", "0")


async def test_a_dead_letter_that_no_cut_helps_stops_the_pipeline(address: str, promise: str) -> None:
    """Nothing is lost and nothing repeated: it says which record of which topic, where to, and Kafka's name for it."""
    async with strict(address, promise, dead={"max.message.bytes": "300"}) as f:
        await f.put(*[{"n": n} for n in range(90)], b"poison", *[{"n": n} for n in range(90)])
        worker = f.worker()
        async with asyncio.timeout(PATIENCE):
            await worker.task

        processor = worker.processor
        assert not processor.ready
        for part in (f.dead, f"{f.input} 0 at offset 30", "MESSAGE_TOO_LARGE"):
            assert part in processor.stopped
        assert processor.trouble == f"stopped: {processor.stopped}"
        assert worker.counters.started <= 180, "as many as were fetched by then, and none again"
        assert worker.counters.stopped == 1
        found = await f.terminal()
        assert (0, 30) not in found
        assert set(found.values()) <= {1}
        f.workers.clear()

        await configure(f, f.dead, **{"max.message.bytes": "1000000"})
        again = f.worker()
        await f.until_committed(lambda at: {n: at[n].offset for n in at} == {0: 61, 1: 60, 2: 60})
        await f.stop()
        found = await f.terminal()
        assert found.keys() == {(n, offset) for n, most in ((0, 61), (1, 60), (2, 60)) for offset in range(most)}
        assert promise == "at_least_once" or set(found.values()) == {1}
        assert again.counters.restarts == 0


async def test_a_compacted_topic_takes_nothing_without_a_key(address: str, promise: str) -> None:
    """INVALID_RECORD is about the one record: those with a key are written, the others are dead letters."""
    async with strict(address, promise, output={"cleanup.policy": "compact"}) as f:
        async with producer(address) as client:
            for n in range(100):
                key = None if n % 10 == 3 else b"k"
                await client.send(f.input, dumps({"n": n}), key=key, partition=0)
        worker = f.worker()
        await f.until_terminal(100)
        await f.stop()

        assert await f.terminal() == {(0, n): 1 for n in range(100)}
        letters = await f.read(f.dead)
        assert sorted(int(header(letter, f"{ERRORS}offset") or -1) for letter in letters) == list(range(3, 100, 10))
        assert {header(letter, f"{ERRORS}disposition") for letter in letters} == {"REFUSED"}
        assert all("INVALID_RECORD" in str(header(letter, f"{ERRORS}cause")) for letter in letters)
        assert (worker.counters.started, worker.counters.restarts) == (100, 0)


async def test_a_clock_that_is_ahead_stops_the_pipeline(address: str, promise: str) -> None:
    """Every record would be refused: it stops with a sentence about the clock, and runs nothing twice."""
    ahead: dict[str, Any] = {"message.timestamp.after.max.ms": "60000"}
    async with strict(address, promise, output=ahead, dead=ahead) as f:
        await f.put(*[{"n": n} for n in range(10)])
        worker = f.worker()
        clock = worker.processor._clock
        wall = clock.wall
        clock.wall = lambda: wall() + 7_200  # type: ignore[method-assign]
        async with asyncio.timeout(PATIENCE):
            await worker.task

        for part in (f.output, f"{f.input} ", "at offset 0", "INVALID_TIMESTAMP", "clock of this host"):
            assert part in worker.processor.stopped
        assert worker.counters.started == 10
        assert await f.terminal() == {}
        f.workers.clear()


async def test_a_limit_that_is_lowered_while_it_runs(address: str, promise: str) -> None:
    """Batches are split when the topic takes less than it said at the start; the order of each key stays."""
    async with strict(address, promise, output={"max.message.bytes": "1000000"}) as f:
        await f.put(*[{"n": n} for n in range(3)])
        worker = f.worker()
        await f.until_terminal(3)
        await configure(f, f.output, **{"max.message.bytes": "3000"})
        await f.put(*[{"n": n} for n in range(3000)], key=b"one")
        await f.until_terminal(3003)
        await f.stop()

        assert await f.terminal() == once(3003)
        assert (worker.counters.started, worker.counters.restarts) == (3003, 0)
        for number in range(PARTITIONS):
            offsets = [
                int(header(r, "express.source-offset") or -1) for r in await f.read(f.output) if r.partition == number
            ]
            assert offsets == sorted(offsets)
