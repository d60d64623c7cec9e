"""The long way through the pump: envelopes, workflows by header, and headers that go on. In virtual time."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from express.engine.effects import StartTask
from express.ports import TaskContext
from express.runtime.drain.pipeline import Workflow
from express.values import JSON, loads
from tests.engine.scripts import program, task
from tests.runtime.memory import MemorySink
from tests.runtime.rig import PASS, Function, Rig, header, offsets, seconds, until
from tests.runtime.virtual import run_virtual

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACED = (("traceparent", PARENT.encode()), ("tracestate", b"a=1"))
CLOUD = (("ce_specversion", b"1.0"), ("ce_id", b"e-1"), ("ce_source", b"/s"), ("ce_type", b"t"))
FAIL = {"Type": "Fail", "Error": "Other", "Cause": "chosen"}
OTHER = Workflow(name="other", program=program(FAIL))
SLOW = Workflow(name="slow", program=program({"Type": "Wait", "Seconds": 5}))


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """`test` as one that runs in virtual time."""

    @functools.wraps(test)
    def run(*args: Any, **settings: Any) -> None:
        run_virtual(test(*args, **settings))

    return run


class Contexts(Function):
    """A function that keeps what its tasks were told of their executions."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.function.handler)
        self.contexts: list[TaskContext] = []

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        self.contexts.append(context)
        return super().start(task, context)


@virtual
async def test_the_input_is_what_the_envelope_says() -> None:
    """With the whole record as envelope the workflow sees topic, offset, headers and value; also without headers."""
    rig = Rig(envelope="record")
    worker = rig.worker()
    rig.put({"n": 1}, b"k", headers=(("a", b"1"),))
    rig.put({"n": 2})
    await until(lambda: len(rig.results) == 2)
    await rig.stop()
    first, second = (loads(record.value or b"") for record in rig.results)

    assert (first["topic"], first["offset"], first["key"], first["headers"], first["value"]) == (
        "in",
        0,
        "k",
        {"a": "1"},
        {"n": 1},
    )
    assert (second["key"], second["headers"], second["value"]) == (None, {}, {"n": 2})
    assert worker.counters.succeeded == worker.counters.started == 2


@virtual
async def test_cloudevents_in_and_dead_letters_for_the_rest() -> None:
    """A CloudEvent is run; what is none is a dead letter with its bytes, its headers and the reason."""
    rig = Rig(envelope="cloudevents")
    worker = rig.worker()
    rig.put({"n": 1}, headers=CLOUD)
    rig.put({"n": 2}, headers=(("x", b"y"),))
    await until(lambda: rig.results and rig.dead)
    await rig.stop()
    letter = rig.dead[0]

    assert loads(rig.results[0].value or b"")["data"] == {"n": 1}
    assert (letter.value, header(letter, "x")) == (b'{"n":2}', "y")
    assert "Not a CloudEvent: the record has no content-type" in (header(letter, "__express.errors.cause") or "")
    assert worker.counters.poison == 1


@virtual
async def test_an_event_is_the_same_execution_wherever_it_is_written() -> None:
    """Named after the event, an execution keeps name and ARN when its event is written twice."""
    rig = Rig(envelope="cloudevents", execution_name="event", partitions=2)
    rig.worker()
    rig.put({}, headers=CLOUD)
    rig.put({}, headers=CLOUD, partition=1)
    rig.put({}, headers=(*CLOUD[:2], ("ce_source", b"/other"), CLOUD[3]))
    rig.put({}, headers=(CLOUD[0], ("ce_id", b"no name: it has blanks"), *CLOUD[2:]))
    await until(lambda: len(rig.results) == 4)
    await rig.stop()
    arns = sorted(str(header(record, "express.execution-arn")) for record in rig.results)

    assert len(set(arns)) == 3
    assert sum(":e-1:" in arn for arn in arns) == 3


@virtual
async def test_a_header_chooses_the_workflow() -> None:
    """By name or ARN; each execution is counted for its own machine, and its result names it."""
    rig = Rig(workflows=(OTHER,), workflow_header="flow")
    worker = rig.worker()
    for chosen in (b"other", OTHER.arn.encode(), b"flow"):
        rig.put({"n": 1}, headers=(("flow", chosen),))
    rig.put({"n": 1})
    await until(lambda: len(rig.results) == 4)
    machines = worker.processor.machines
    await rig.stop()
    named = [str(header(record, "express.execution-arn")).split(":")[6] for record in rig.results]

    assert named == ["other", "other", "flow", "flow"]
    assert [header(record, "express.status") for record in rig.results] == ["FAILED"] * 2 + ["SUCCEEDED"] * 2
    assert (worker.counters.started, worker.counters.succeeded, worker.counters.failed) == (2, 2, 0)
    assert (machines["other"].started, machines["other"].failed) == (2, 2)
    assert (worker.counters.totals.requests, machines["other"].totals.requests) == (2, 2)


@virtual
@pytest.mark.parametrize(
    ("settings", "dead", "named"),
    [
        ({}, [0], ["flow"]),
        ({"workflow_unknown": "default"}, [], ["flow", "flow"]),
        ({"workflow_absent": "dead_letter"}, [0, 1], []),
        ({"workflow_absent": "dead_letter", "workflow_unknown": "default"}, [1], ["flow"]),
    ],
)
async def test_who_is_not_on_the_list(settings: dict[str, str], dead: list[int], named: list[str]) -> None:
    """An unknown name and a missing header are each a dead letter or a matter of the default, as configured."""
    rig = Rig(workflows=(OTHER,), workflow_header="flow", **settings)
    rig.worker()
    rig.put({}, headers=(("flow", b"arn:aws:states:us-east-1:123456789012:stateMachine:secret"),))
    rig.put({})
    await until(lambda: len(rig.results) + len(rig.dead) == 2)
    await rig.stop()

    assert offsets(rig.dead) == dead
    assert [str(header(record, "express.execution-arn")).split(":")[6] for record in rig.results] == named
    if 0 in dead:
        assert "the workflows of this pipeline are: flow, other." in str(header(rig.dead[0], "__express.errors.cause"))


@virtual
async def test_the_trace_goes_on() -> None:
    """traceparent, tracestate and named headers are on the result; the tasks are told the trace as well."""
    rig = Rig(program(task()), lambda data: data, copy_headers=("correlation-id",))
    rig.function = function = Contexts(rig)
    rig.worker()
    rig.put({}, headers=(*TRACED, ("correlation-id", b"c-1"), ("secret", b"s")))
    rig.put({})
    await until(lambda: len(rig.results) == 2)
    await rig.stop()
    result = rig.results[0]

    assert (header(result, "traceparent"), header(result, "tracestate")) == (PARENT, "a=1")
    assert (header(result, "correlation-id"), header(result, "secret")) == ("c-1", None)
    assert [context.trace for context in function.contexts] == [(PARENT, "a=1"), None]
    assert header(rig.results[1], "traceparent") is None


@virtual
async def test_the_trace_of_a_cloudevent() -> None:
    """The attribute of the distributed tracing extension counts where there is no header of its own."""
    rig = Rig(envelope="cloudevents", cloudevents="structured")
    rig.worker()
    rig.put({}, headers=(*CLOUD, ("ce_traceparent", PARENT.encode())))
    await until(lambda: rig.results)
    await rig.stop()
    event = loads(rig.results[0].value or b"")

    assert header(rig.results[0], "traceparent") == PARENT == event["traceparent"]
    assert (event["type"], event["data"]["id"]) == ("express.execution.succeeded", "e-1")
    assert event["id"] == header(rig.results[0], "express.execution-arn")


@virtual
async def test_dead_letters_keep_the_trace() -> None:
    """A dead letter has all headers of its record; one that is cut keeps the trace context at least."""
    rig = Rig()
    rig.worker(MemorySink(rig.log, "out", "dead", limit=2_000))
    rig.put(b"poison", headers=TRACED)
    rig.put(b"poison" * 1_000, headers=(*TRACED, ("x", b"y")))
    await until(lambda: len(rig.dead) == 2)
    await rig.stop()
    whole, cut = rig.dead

    assert (header(whole, "traceparent"), header(cut, "traceparent")) == (PARENT, PARENT)
    assert (cut.value, header(cut, "x"), header(cut, "__express.errors.value.truncated")) == (None, "y", "true")


@virtual
async def test_a_result_that_does_not_fit_names_its_own_machine() -> None:
    """What is too large for the output topic is a dead letter that names the machine and keeps the trace."""
    rig = Rig(workflows=(Workflow(name="same", program=program(PASS)),), workflow_header="flow", cloudevents="binary")
    worker = rig.worker(MemorySink(rig.log, "out", "dead", limit=2_000))
    rig.put({"x": "y" * 2_000}, headers=(("flow", b"same"), *TRACED))
    await until(lambda: rig.dead)
    await rig.stop()

    assert str(header(rig.dead[0], "__express.errors.statemachine.arn")).endswith(":stateMachine:same")
    assert ":express:same:" in str(header(rig.dead[0], "__express.errors.execution.arn"))
    assert header(rig.dead[0], "traceparent") == PARENT
    assert worker.counters.unwritable == 1


@virtual
async def test_executions_that_wait_keep_what_they_were_told() -> None:
    """Order within a key, trace and machine survive a wait; the counters add up at the end."""
    rig = Rig(program(task()), seconds, workflows=(SLOW,), workflow_header="flow")
    worker = rig.worker()
    rig.put({"seconds": 3}, b"k", headers=TRACED)
    rig.put({}, b"k", headers=(("flow", b"slow"), *TRACED))
    rig.put({"seconds": 1}, b"k")
    rig.put({"seconds": 1}, b"other")
    await until(lambda: len(rig.results) == 4)
    slow = worker.processor.machines["slow"]
    await rig.stop()

    assert offsets(rig.results) == [3, 0, 1, 2]
    assert [header(record, "traceparent") for record in rig.results] == [None, PARENT, PARENT, None]
    assert (worker.counters.started, worker.counters.succeeded, slow.started, slow.succeeded) == (3, 3, 1, 1)
    assert worker.counters.heap_bytes == worker.counters.waiting == 0


@virtual
async def test_what_is_dropped_is_counted_for_its_machine() -> None:
    """Executions that a drain cuts off are aborted for the machine that started them; nobody is in flight after."""
    rig = Rig(workflows=(SLOW,), workflow_header="flow", drain_seconds=1.0)
    worker = rig.worker()
    rig.put({}, headers=(("flow", b"slow"),))
    await until(lambda: worker.processor.machines["slow"].in_flight == 1)
    await rig.stop()
    slow = worker.processor.machines["slow"]

    assert (slow.aborted, slow.abandoned, slow.in_flight) == (1, 1, 0)
    assert (worker.counters.aborted, worker.counters.abandoned, worker.counters.in_flight) == (0, 0, 0)
    assert rig.results == []
    assert rig.committed() in (None, (0, ""))


@virtual
async def test_waiting_for_admission_is_measured() -> None:
    """The last record of a batch, and each that waits behind another of its key, tell how long they waited."""
    rig = Rig(program(task()), seconds)
    for _ in range(3):
        rig.put({"seconds": 2}, b"k")
    worker = rig.worker()
    await until(lambda: len(rig.results) == 3)
    await rig.stop()
    waits = worker.counters.admission_ms

    assert sum(worker.counters.poll_batches) == 1
    assert sum(waits.counts) == 3
    assert 5_999 <= waits.sum_ms <= 6_100


@virtual
@pytest.mark.parametrize("headers", [(), TRACED])
async def test_branches_multiply_the_memory_that_is_billed(headers: tuple[tuple[str, bytes], ...]) -> None:
    """Sixty branches over 250 KB hold more than the first step has room for; one branch does not."""
    for count, billed in ((1, "64"), (60, "128")):
        last = {"Type": "Pass", "Result": 1, "End": True}
        branches = [{"StartAt": f"B{i}", "States": {f"B{i}": last}} for i in range(count)]
        rig = Rig(program({"Type": "Parallel", "Branches": branches}))
        worker = rig.worker()
        rig.put({"x": "y" * 250_000}, headers=headers)
        await until(lambda rig=rig: rig.results)
        await rig.stop()

        assert header(rig.results[0], "express.billed-memory-mb") == billed
        assert worker.counters.billed_mb == ({} if billed == "64" else {"128": 1})
