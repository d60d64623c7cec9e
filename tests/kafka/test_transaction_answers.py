"""Error codes as answers to the calls of a transaction and to commits: they pass, or the pipeline stops by name."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from express.devbroker import Broker
from express.devbroker.codes import RefusedError
from express.devbroker.groups import Groups
from express.devbroker.transactions import Transactions
from express.kafka.answers import Course, answer_of
from express.runtime.drain.processor import MOST_REFUSALS
from tests.patience import PATIENCE
from tests.runtime.test_delivery import flow, once

RECORDS = 9

CALLS: dict[str, tuple[type, str, tuple[int, ...]]] = {
    "InitProducerId": (Transactions, "begin", (-1, 14, 15, 16, 42, 47, 50, 51, 53, 90)),
    "AddPartitionsToTxn": (Transactions, "add_partitions", (-1, 3, 14, 15, 16, 29, 47, 48, 49, 51, 53, 55, 90, 120)),
    "AddOffsetsToTxn": (Transactions, "add_group", (-1, 14, 15, 16, 30, 47, 48, 49, 51, 53, 90, 120)),
    "TxnOffsetCommit": (Groups, "check_commit", (-1, 3, 14, 15, 16, 22, 25, 29, 30, 47, 120)),
    "EndTxn": (Transactions, "end", (-1, 14, 15, 16, 47, 48, 49, 51, 53, 90, 120)),
    "OffsetCommit": (Groups, "check_commit", (-1, 3, 12, 14, 15, 16, 22, 25, 27, 28, 29, 30)),
}
"""Call → where the development broker decides about it, and the codes that Kafka's documentation gives it."""

CASES = [(call, code) for call, (_, _, codes) in CALLS.items() for code in codes]


class Refusing:
    """Lets a method of the broker refuse with an error code, `left` times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, call: str, code: int, left: int) -> None:
        owner, name, _ = CALLS[call]
        self.left = left
        self.refused = 0
        method = getattr(owner, name)

        def refusing(this: Any, *what: Any, **how: Any) -> Any:
            if self.left > 0:
                self.left -= 1
                self.refused += 1
                raise RefusedError(code, "told to")  # type: ignore[arg-type]  # also codes that the broker never has
            return method(this, *what, **how)

        monkeypatch.setattr(owner, name, refusing)


@pytest.mark.parametrize(("call", "code"), CASES, ids=[f"{call}-{answer_of(code).name}" for call, code in CASES])
async def test_an_answer_that_comes_twice_costs_nothing_or_stops(
    monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """What passes leaves each record with one result; what a person has to mend stops the pipeline by its name."""
    loose: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: loose.append(str(context)))
    refusing = Refusing(monkeypatch, call, code, 2)
    delivery = "at_least_once" if call == "OffsetCommit" else "exactly_once"
    async with Broker() as broker, flow(broker.address, delivery) as f:
        await f.put(*[{"n": n} for n in range(RECORDS)], key=b"k")
        worker = f.worker()
        async with asyncio.timeout(PATIENCE):
            while not worker.task.done() and len(await f.terminal()) < RECORDS:  # noqa: ASYNC110 - a reader's view
                await asyncio.sleep(0.02)
        if worker.task.done():
            assert answer_of(code).course in (Course.STOP, Course.UNKNOWN)
            assert answer_of(code).name in worker.processor.stopped
            f.workers.clear()
        else:
            await f.stop()
            found = await f.terminal()
            assert found == once(RECORDS) if delivery == "exactly_once" else found.keys() == once(RECORDS).keys()
    assert refusing.refused
    del worker, f
    gc.collect()
    await asyncio.sleep(0)
    assert not loose


LASTING = [(call, code) for call, code in CASES if answer_of(code).course in (Course.STOP, Course.UNKNOWN)]


@pytest.mark.parametrize(("call", "code"), LASTING, ids=[f"{call}-{answer_of(code).name}" for call, code in LASTING])
async def test_an_answer_that_does_not_pass_stops_the_pipeline(
    monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    """Nothing runs again for ever: it stops and names the error, and no execution has begun more than a few times."""
    monkeypatch.setattr("express.runtime.drain.processor.RESTART_SECONDS", (0.001,))
    Refusing(monkeypatch, call, code, 1 << 30)
    async with (
        Broker() as broker,
        flow(broker.address, "at_least_once" if call == "OffsetCommit" else "exactly_once") as f,
    ):
        await f.put(*[{"n": n} for n in range(RECORDS)], key=b"k")
        worker = f.worker()
        async with asyncio.timeout(PATIENCE):
            await worker.task
        assert answer_of(code).name in worker.processor.stopped
        assert worker.counters.started <= RECORDS * (MOST_REFUSALS + 1)
        f.workers.clear()
