"""A Standard execution survives its host: what was committed is there, and what was under way goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from express.engine.effects import StartTask
from express.engine.history import MOST_EVENTS
from express.errors import ApiError, StatesError, StoreError
from express.ports import Submitted
from express.ports.journal import Committed, Journal, Turn
from express.runtime.standard.calls import LOST
from express.runtime.standard.retention import DAY
from express.states.task import TaskPlan
from express.stores.database import Database
from express.stores.journal import SqliteJournal

from .kit import MACHINE, TOKEN, Lab, machine, task

WAIT = {"Type": "Wait", "Seconds": 3 * 86_400}


def never(task: StartTask) -> Any:
    """A call that nobody answers."""
    return asyncio.Event().wait()


def submitted(task: StartTask) -> Any:
    """A first request that is accepted; the answer comes by the token."""

    async def answer() -> Submitted:
        return Submitted({"sent": True})

    return answer()


async def test_an_execution_goes_on_where_its_host_has_left_it(tmp_path: Path) -> None:
    """Three days later another host finds the Wait over; the history is one."""
    lab = Lab(tmp_path, machine(task(ResultPath="$.first"), WAIT, task(ResultPath="$.second")))
    async with lab.running():
        assert await lab.start("order", '{"id":7}')
        await lab.until(lambda: len(lab.functions.calls) == 1)
        while len(await lab.events("order")) < 7:
            pass
    lab.clock.ahead = 3 * DAY
    async with lab.running():
        found = await lab.ended("order")
        events = await lab.events("order")

    assert found.ended is not None
    assert (found.ended.status, found.ended.output) == (
        "SUCCEEDED",
        '{"id":7,"first":{"id":7},"second":{"id":7,"first":{"id":7}}}',
    )
    assert [call.key for call in lab.functions.calls] == ["S0#1", "S2#3"]
    assert events[-1][3] - events[0][3] >= 3 * DAY
    assert [event[2] for event in events].count("WaitStateEntered") == 1


async def test_nothing_of_what_waits_is_read_at_the_start(tmp_path: Path) -> None:
    """An execution that waits for days is a row until its time comes."""
    lab = Lab(tmp_path, machine(WAIT))
    async with lab.running():
        assert await lab.start("waits")
    async with lab.running() as host:
        assert host.data()["in_memory"] == 0
        assert (await lab.stored("waits")).ended is None


async def test_a_lost_call_is_made_again_with_its_key(tmp_path: Path) -> None:
    """The parameters are those of the history, not evaluated anew."""
    lab = Lab(tmp_path, machine(task(Parameters={"id.$": "States.UUID()"}, TimeoutSeconds=600)), never)
    async with lab.running():
        assert await lab.start("lost")
        await lab.until(lambda: len(lab.functions.calls) == 1)
    lab.functions._answer = lambda task: "answered"
    async with lab.running():
        found = await lab.ended("lost")
        events = await lab.events("lost")

    first, second = lab.functions.calls
    assert (first.key, first.input, first.timeout) == (second.key, second.input, second.timeout)
    assert found.ended is not None
    assert found.ended.output == '"answered"'
    assert [event[2] for event in events].count("LambdaFunctionScheduled") == 1


async def test_a_lost_call_fails_where_it_must_not_be_made_again(tmp_path: Path) -> None:
    """`lost_task = "fail"`: at most once; a Catch of its name sees it."""
    caught = task(Catch=[{"ErrorEquals": [LOST], "Next": "S1"}])
    lab = Lab(tmp_path, machine(caught, {"Type": "Pass"}), never)
    async with lab.running():
        assert await lab.start("lost")
        await lab.until(lambda: len(lab.functions.calls) == 1)
    async with lab.running(fail_lost=True):
        found = await lab.ended("lost")

    assert found.ended is not None
    assert (found.ended.status, len(lab.functions.calls)) == ("SUCCEEDED", 1)
    assert LOST in str(found.ended.output)


async def test_a_submitted_job_is_taken_up_and_not_submitted_again(tmp_path: Path) -> None:
    """The next host hands the first request's response to the integration; TaskSubmitted is recorded once."""

    def job(task: StartTask) -> Any:
        async def ends() -> Any:
            return {"ended": task.submitted}

        async def answer() -> Submitted:
            then = never if task.submitted is None else lambda _: ends()
            return Submitted(task.submitted or {"job": 1}, lambda: then(task))

        return answer()

    sync = {"Type": "Task", "Resource": "arn:aws:states:::batch:submitJob.sync", "Parameters": {}}
    lab = Lab(tmp_path, machine(sync), job)
    async with lab.running():
        assert await lab.start("job")
        while (await lab.events("job"))[-1][2] != "TaskSubmitted":
            pass
    async with lab.running():
        found = await lab.ended("job")
        kinds = [event[2] for event in await lab.events("job")]

    assert found.ended is not None
    assert (found.ended.output, kinds.count("TaskSubmitted")) == ('{"ended":{"job":1}}', 1)
    assert [call.submitted for call in lab.functions.calls] == [None, {"job": 1}]


async def test_a_token_outlives_the_host_that_made_it(tmp_path: Path) -> None:
    """The first answer wins, and is committed when it is acknowledged."""
    lab = Lab(tmp_path, machine({**TOKEN, "HeartbeatSeconds": 600}), submitted)
    async with lab.running():
        assert await lab.start("approval")
        while (await lab.events("approval"))[-1][2] != "TaskSubmitted":
            pass
        token = lab.functions.calls[0].token
        assert token is not None
    async with lab.running() as host:
        assert host.data()["in_memory"] == 0
        await lab.tokens.beat(host, token)
        await lab.tokens.succeed(host, token, {"approved": True})
        found = await lab.stored("approval")
        assert found.ended is not None
        assert found.ended.output == '{"approved":true}'
        with pytest.raises(ApiError, match="Task Timed Out"):
            await lab.tokens.fail(host, token, "E", None)
        with pytest.raises(ApiError, match="Invalid Token"):
            await lab.tokens.fail(host, token[:-2] + "AA", "E", None)


async def test_errors_that_no_text_can_hold_are_written_out(tmp_path: Path) -> None:
    """A handler's error may have lone surrogates: in the history, the state and the end they are escaped."""

    def fails(asked: StartTask) -> Any:
        raise StatesError("Bad\ud800", "because of \udfff")

    lab = Lab(tmp_path, machine(task()), fails)
    async with lab.running():
        assert await lab.start("order")
        found = await lab.ended("order")
        events = await lab.events("order")

    assert found.ended is not None
    assert (found.ended.status, found.ended.error, found.ended.cause) == ("FAILED", "Bad\\ud800", "because of \\udfff")
    assert any(event[4].get("error") == "Bad\\ud800" for event in events)


async def test_a_fault_of_ours_ends_one_execution_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It fails with States.Runtime, and its history ends; the others go on."""

    def breaks(self: TaskPlan, frame: Any, event: Any) -> None:
        raise ZeroDivisionError("as asked")

    def fails(asked: StartTask) -> Any:
        raise StatesError("E", None)

    lab = Lab(tmp_path, machine(task()), fails)
    monkeypatch.setattr(TaskPlan, "failed", breaks)
    async with lab.running():
        assert await lab.start("broken")
        found = await lab.ended("broken")
        kinds = [event[2] for event in await lab.events("broken")]
        lab.functions._answer = lambda asked: "fine"
        assert await lab.start("other")
        other = await lab.ended("other")

    assert found.ended is not None
    assert (found.ended.error, found.ended.cause) == ("States.Runtime", "Internal error: ZeroDivisionError: as asked")
    assert kinds[-1] == "ExecutionFailed"
    assert other.ended is not None
    assert other.ended.status == "SUCCEEDED"
    assert "internal error" in caplog.text


async def test_a_name_is_taken_once(tmp_path: Path) -> None:
    """The second start of a name changes nothing."""
    lab = Lab(tmp_path, machine(WAIT))
    async with lab.running():
        assert await asyncio.gather(*(lab.start("order", f'{{"n":{n}}}') for n in range(5))) == [True] + [False] * 4
        assert (await lab.stored("order")).begun.input == '{"n":0}'


async def test_a_stop_ends_what_is_under_way(tmp_path: Path) -> None:
    """The call is cancelled once the end is committed; a second stop comes too late."""
    cancelled = asyncio.Event()

    async def call() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    lab = Lab(tmp_path, machine(task()), lambda task: call())
    async with lab.running() as host:
        assert await lab.start("order")
        await lab.until(lambda: len(lab.functions.calls) == 1)
        await asyncio.sleep(0)
        id_ = (await lab.stored("order")).id
        assert await asyncio.gather(host.stop(id_, "E", "why"), host.stop(id_, None, None)) == [True, False]
        await cancelled.wait()
        found = await lab.stored("order")

    assert found.ended is not None
    assert (found.ended.status, found.ended.error, found.ended.cause) == ("ABORTED", "E", "why")


async def test_a_map_is_many_turns_and_one_history(tmp_path: Path) -> None:
    """Twenty iterations at once, answered in any order."""
    iterator = {"StartAt": "T", "States": {"T": task(End=True)}}
    lab = Lab(tmp_path, machine({"Type": "Map", "MaxConcurrency": 20, "ItemProcessor": iterator}))

    async def later(task: StartTask) -> Any:
        await asyncio.sleep(0.001 * (task.input % 7))
        return task.input * 2

    lab.functions._answer = later
    async with lab.running():
        assert await lab.start("map", str(list(range(100))))
        found = await lab.ended("map")
        events = await lab.events("map")

    assert found.ended is not None
    assert found.ended.output == str([2 * n for n in range(100)]).replace(" ", "")
    assert [event[2] for event in events].count("MapIterationSucceeded") == 100


async def test_a_loop_ends_with_the_last_event_that_it_may_have(tmp_path: Path) -> None:
    """Event 25,000 is the failure, which nobody catches."""
    ends = {"Variable": "$.end", "IsPresent": True, "Next": "S1"}
    again = {"Type": "Choice", "Choices": [ends], "Default": "S0"}
    lab = Lab(tmp_path, machine(again, {"Type": "Succeed"}))
    async with lab.running():
        assert await lab.start("loop")
        found = await lab.ended("loop")
        events = await lab.events("loop")

    assert found.ended is not None
    assert (found.ended.status, found.ended.error, found.ended.cause) == (
        "FAILED",
        "States.Runtime",
        "The execution reached the maximum number of history events (25000).",
    )
    assert (len(events), events[-1][2]) == (MOST_EVENTS, "ExecutionFailed")


async def test_an_execution_that_can_not_be_taken_up_is_held(tmp_path: Path) -> None:
    """It stays as it is, with the reason, until its definition has the state again."""
    lab = Lab(tmp_path, machine(WAIT, {"Type": "Pass"}))
    async with lab.running():
        assert await lab.start("order")
    known, lab.definition = lab.definition, {"StartAt": "Other", "States": {"Other": {"Type": "Succeed"}}}
    lab.clock.ahead = 3 * DAY
    async with lab.running() as host:
        await lab.until(lambda: bool(host.held))
        assert (await lab.stored("order")).ended is None
        (reason,) = host.held.values()
    assert "no state 'S0'" in reason
    lab.definition = known
    async with lab.running():
        assert (await lab.ended("order")).ended is not None


async def test_what_is_over_for_long_is_deleted(tmp_path: Path) -> None:
    """With its history, once it is not kept any longer; its name is free again."""
    lab = Lab(tmp_path, machine({"Type": "Pass"}))
    async with lab.running(retention=DAY):
        assert await lab.start("order")
        id_ = (await lab.ended("order")).id
    lab.clock.ahead = 2 * DAY
    async with lab.running(retention=DAY):
        while await lab.journal.find(MACHINE, "order") is not None:
            pass
        assert await lab.journal.history(id_, 1, 10) == []
        assert await lab.start("order")


class Behind:
    """A journal before which somebody else has moved an execution on, once."""

    def __init__(self, inner: SqliteJournal, database: Database) -> None:
        self._inner = inner
        self._database = database
        self.beaten = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def write(self, turn: Turn, done: Committed) -> None:
        """Move the second version on before the third is written."""
        if turn.version == 2 and not self.beaten:
            self.beaten = True
            statement = "UPDATE live SET version = version + 1 WHERE id = ?"
            self._database.submit(lambda: self._database.connection.execute(statement, (turn.id,)))
        self._inner.write(turn, done)


async def test_who_has_lost_the_race_reads_again(tmp_path: Path) -> None:
    """A turn on an old version is not taken: its event means the same to the state that is there."""
    lab = Lab(tmp_path, machine(task(), task()))
    made: list[Behind] = []

    def behind(journal: Any) -> Journal:
        made.append(Behind(journal, lab.database))
        return made[0]  # type: ignore[return-value]

    async with lab.running(behind):
        assert await lab.start("order")
        found = await lab.ended("order")
        events = await lab.events("order")

    assert made[0].beaten
    assert found.ended is not None
    assert (found.ended.status, events[-1][2]) == ("SUCCEEDED", "ExecutionSucceeded")


def full(database: Database) -> Callable[[bool], Any]:
    """Lets the disk be full, or not."""

    async def change(is_full: bool) -> None:
        def act() -> None:
            (pages,) = database.connection.execute("PRAGMA page_count").fetchone()
            database.connection.execute(f"PRAGMA max_page_count = {pages if is_full else 1 << 30}")

        await database.run(act)

    return change


async def test_a_full_disk_stops_effects_and_nothing_is_lost(tmp_path: Path) -> None:
    """A start is refused, an answer waits; with room again everything goes on by itself."""
    gate = asyncio.Event()

    async def answer() -> str:
        await gate.wait()
        return "x" * 100_000

    lab = Lab(tmp_path, machine(task(), task(ResultPath=None)), lambda task: answer())
    async with lab.running() as host:
        fill = full(lab.database)
        assert await lab.start("under-way")
        await lab.until(lambda: len(lab.functions.calls) == 1)
        await fill(True)
        with pytest.raises(StoreError, match="disk is full"):
            await lab.start("refused", '"%s"' % ("x" * 100_000))
        gate.set()
        await lab.until(lambda: host.trouble is not None)
        assert len(lab.functions.calls) == 1, "nothing is done before it is committed"
        await fill(False)
        found = await lab.ended("under-way")
        assert await lab.journal.find(MACHINE, "refused") is None
        assert await lab.start("refused")

    assert found.ended is not None
    assert found.ended.status == "SUCCEEDED"
