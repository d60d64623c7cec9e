"""Every error code of the protocol, as an answer to a write: each ends soon, in one of the ways of the table."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

import express.devbroker.handlers.records as handlers
from express.devbroker import Broker
from express.devbroker.messages.records import ProducedPartition
from express.kafka.answers import ANSWERS, Course, answer_of
from tests.patience import PATIENCE
from tests.runtime.rig import header
from tests.runtime.test_delivery import PARTITIONS, Flow, flow, once

CODES = range(-1, 140)
"""All that there are (Kafka 4.4 has codes up to 133), and some that there are not yet."""

RECORDS = 9


class Answering:
    """Answers writes to a topic with an error code, `times` times, or for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, code: int, times: int = 1 << 30) -> None:
        self.topic = ""
        self.code = code
        self.left = times
        self.told: Counter[str] = Counter()
        self._produce = handlers._produce
        monkeypatch.setattr(handlers, "_produce", self)

    def __call__(self, node: Any, name: str, batch: Any, request: Any) -> ProducedPartition:
        self.told[name] += 1
        if name == self.topic and self.left > 0:
            self.left -= 1
            return ProducedPartition(index=batch.index, error=self.code)
        return self._produce(node, name, batch, request)


async def begin(f: Flow, answering: Answering) -> Any:
    await f.put(*[{"n": n} for n in range(RECORDS)], key=b"k")
    answering.topic = f.output
    return f.worker()


@pytest.mark.parametrize("code", [code for code in CODES if code not in (0, 46)])  # success, and "it is there already"
async def test_no_answer_to_a_write_is_repeated_for_ever(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """It passes, its records are dead letters, or the pipeline stops and names topic, partition, offset and error."""
    monkeypatch.setattr("express.sinks.mending.PAUSES", (0.001,) * 5)
    course, name = answer_of(code).course, answer_of(code).name
    passes = course in (Course.RETRY, Course.RENEW)
    answering = Answering(monkeypatch, code, times=PARTITIONS if passes else 1 << 30)
    async with Broker() as broker, flow(broker.address, "at_least_once") as f:
        worker = await begin(f, answering)
        async with asyncio.timeout(PATIENCE):
            if passes or course in (Course.SPLIT, Course.REFUSE):
                await f.until_terminal(RECORDS)
                await f.stop()
            else:
                await worker.task
        found = await f.terminal()
        if course is Course.RETRY:
            assert found == once(RECORDS)
            assert worker.counters.restarts == 0
        elif course is Course.RENEW:
            assert found.keys() == once(RECORDS).keys()
            assert 1 <= worker.counters.restarts <= PARTITIONS
        elif course in (Course.SPLIT, Course.REFUSE):
            assert found == once(RECORDS)
            assert all(name in str(header(r, "__express.errors.cause")) for r in await f.read(f.dead))
            assert worker.counters.started == RECORDS
        else:
            assert found == {}
            for part in (name, f.output, f"{f.input} ", "at offset 0"):
                assert part in worker.processor.stopped
            assert 1 <= worker.counters.started <= RECORDS  # it may stop before all were fetched; none began twice
            f.workers.clear()


async def test_an_unknown_answer_that_passes_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same batch goes again with the same sequence numbers: no record twice, no execution again."""
    async with Broker() as broker, flow(broker.address, "exactly_once") as f:
        worker = await begin(f, Answering(monkeypatch, -1, times=4))
        await f.until_terminal(RECORDS)
        await f.stop()

        assert await f.terminal() == once(RECORDS)
        assert (worker.counters.started, worker.counters.restarts) == (RECORDS, 0)


async def test_other_pipelines_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pipeline has stopped; another of the same process and cluster does not feel it."""
    async with Broker() as broker, flow(broker.address, "exactly_once") as f, flow(broker.address, "exactly_once") as g:
        worker = await begin(f, Answering(monkeypatch, -1))
        await g.put(*[{"n": n} for n in range(300)])
        g.worker()
        await g.until_terminal(300)
        async with asyncio.timeout(PATIENCE):
            await worker.task

        assert "UNKNOWN_SERVER_ERROR, 6 times in a row" in worker.processor.stopped
        assert worker.counters.started == RECORDS
        await g.put(*[{"n": n} for n in range(300)])
        await g.until_terminal(600)
        f.workers.clear()


async def test_a_blocked_output_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a broker goes on answering that it will pass, the pipeline is not ready, and says where and why."""
    monkeypatch.setattr("express.runtime.drain.processor.STUCK_SECONDS", 0.3)
    async with Broker() as broker, flow(broker.address, "at_least_once") as f:
        answering = Answering(monkeypatch, 19)
        worker = await begin(f, answering)
        await f.until(lambda: worker.processor.blocked_for)
        trouble = worker.processor.trouble
        assert not worker.processor.ready
        for part in ("has not been taken for", f"{f.output} ", "NOT_ENOUGH_REPLICAS"):
            assert part in trouble
        answering.left = 0
        await f.until(lambda: worker.processor.ready)
        await f.until_terminal(RECORDS)
        await f.stop()

        assert await f.terminal() == once(RECORDS)
        assert worker.counters.started == RECORDS


def test_every_answer_has_kafkas_name() -> None:
    """Names are Kafka's, and what stops a pipeline says what to do about it."""
    for code, answer in ANSWERS.items():
        assert answer.name.isupper(), code
        assert answer.course is not Course.STOP or len(answer.advice) > 10, code
