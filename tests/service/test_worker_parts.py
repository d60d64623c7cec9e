"""The small parts of a service: jobs over a pipe, functions that a definition calls, measured tasks."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import orjson
import pytest

from express.compiler import compile_definition
from express.config import Breaker, Config, Function, Limit, Pipeline
from express.config.quantities import Duration, Size
from express.docs.samples import shipped
from express.errors import StatesError
from express.integrations import CircuitBreakers, Integrations, LocalFunctions, table
from express.ports import QUICK_SECONDS, TaskContext
from express.runtime.counters import LATENCY_BOUNDS_MS
from express.service.job import Job
from express.service.worker_metrics import LoopWatch, MeasuredIntegrations, resident_bytes
from express.service.workflows import called_functions, compile_callable, machine_name
from express.telemetry.process_log import JsonFormatter, TextFormatter
from tests.integrations.test_local import EXECUTION, LAMBDA, task


def test_a_job_crosses_a_pipe_unchanged() -> None:
    """A job is one line of JSON, and comes out as it went in, durations and sizes too."""
    pipeline = Pipeline(name="p", topics=["t"], workflow="w", output="o", dead_letter="d", time_limit=Duration(0.25))
    config = Config(
        functions={"f": "m:f", "g": Function(handler="m:g", timeout=Duration(90))},
        pipelines=[pipeline],
    )
    job = Job(worker=3, config=config, definitions={"p": '{\n"Ä": 1}'}, path=["/x"])
    line = job.encode()

    assert line.count(b"\n") == 1
    assert Job.decode(line) == job
    assert type(Job.decode(line).config.pipelines[0].payload_limit) is Size


@pytest.mark.parametrize(
    ("workflow", "count", "some"),
    [
        ("iot-routing", 1, "function:score"),
        ("order-fulfilment", 8, "charge-card"),
        ("document-processing", 6, "check-new"),
    ],
)
def test_functions_of_a_definition(workflow: str, count: int, some: str) -> None:
    """Every function is found, in branches and items too, be it called by ARN or through lambda:invoke."""
    text = shipped(f"workflows/{workflow}.asl.json").read_bytes()
    names = called_functions(compile_definition(text), text)

    assert len(names) == count
    assert any(name.endswith(some) for name in names)


async def test_expressions_are_no_names() -> None:
    """A FunctionName that is computed can't be checked before the run."""
    state = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}
    computed = {**state, "QueryLanguage": "JSONata", "Arguments": {"FunctionName": "{% $states.input.f %}"}}
    local = LocalFunctions({})
    text = json.dumps({"StartAt": "A", "States": {"A": computed}}).encode()

    assert compile_callable(text, local, Integrations(table(local))).resources
    await local.close()


def test_names_of_machines() -> None:
    """A machine is named by its file."""
    assert machine_name("a/b/c.asl.json") == "c"
    assert machine_name("c.json") == "c"


async def test_tasks_are_measured() -> None:
    """Calls are counted by how they ended, at once or later, and their time is taken."""
    names = {"echo": "echo", "echo-async": "echo_async", "declined": "declined", "hang": "hang"}
    functions = {
        name: Function(handler=f"tests.integrations.handlers:{handler}", mode="inline")
        for name, handler in names.items()
    }
    local = LocalFunctions(functions)
    measured = MeasuredIntegrations(Integrations(table(local)))
    context = TaskContext(EXECUTION, "m", 1e12)

    def start(name: str) -> Any:
        return measured.start(task(LAMBDA + name, 1), context)

    start("echo")
    assert await start("echo-async") == 1
    with pytest.raises(StatesError):
        start("declined")
    hanging = asyncio.ensure_future(start("hang"))
    await asyncio.sleep(0)
    hanging.cancel()
    await asyncio.wait([hanging])
    counts = measured.counts["lambda"]

    assert (counts.succeeded, counts.failed, counts.cancelled) == (2, 1, 1)
    assert sum(counts.duration_ms.counts) == 4
    await local.close()


async def test_the_short_way_is_measured_too() -> None:
    """Bound calls are counted as they end, and once however often the counts are read."""
    names = {"echo": "echo", "echo-async": "echo_async", "declined": "declined"}
    local = LocalFunctions(
        {n: Function(handler=f"tests.integrations.handlers:{h}", mode="inline") for n, h in names.items()}
    )
    measured = MeasuredIntegrations(Integrations(table(local)))

    def call(name: str) -> Any:
        wanted = task(LAMBDA + name, 1)
        direct = measured.bind(wanted.resource, lambda payload, site: (wanted, TaskContext(EXECUTION, "m", 1e12)))
        assert direct is not None
        return direct(1, None)

    assert [call("echo"), call("echo"), await call("echo-async")] == [1, 1, 1]
    with pytest.raises(StatesError):
        call("declined")

    for _ in range(2):
        counts = measured.counts["lambda"]
        assert (counts.scheduled, counts.succeeded, counts.failed) == (4, 3, 1)
        assert sum(counts.duration_ms.counts) == 4
    await local.close()


def test_what_is_quick_is_in_the_first_bucket() -> None:
    """Calls and executions that are added up are all within the bound of the first bucket."""
    assert LATENCY_BOUNDS_MS[0] == QUICK_SECONDS * 1000


@pytest.mark.parametrize("mode", ["thread", "process", "slot", "gate"])
async def test_waiting_for_a_place_is_measured(mode: str) -> None:
    """Of two calls that get their only place one after the other, the second tells what it waited, however."""
    inner = "thread" if mode in ("slot", "gate") else mode
    one = {"concurrency": 1} if mode in ("slot", "process") else {}
    function = Function(handler="tests.integrations.handlers:nap", mode=inner, **one)  # type: ignore[arg-type]
    local = LocalFunctions({"nap": function}, threads=1 if mode == "thread" else 2)
    gates = CircuitBreakers(Breaker(), {"lambda:nap": Limit(concurrency=1)} if mode == "gate" else {})
    measured = MeasuredIntegrations(Integrations(table(local), gates))
    context = TaskContext(EXECUTION, "m", 1e12)
    calls = [asyncio.ensure_future(measured.start(task(LAMBDA + "nap", 0.1), context)) for _ in range(2)]
    await asyncio.gather(*calls)
    waited = measured.counts["lambda"].schedule_ms

    assert sum(waited.counts) == 2
    assert waited.sum_ms >= 95
    await local.close()


async def test_the_loop_is_watched() -> None:
    """How late the loop was is measured again and again."""
    watch = LoopWatch()
    running = asyncio.create_task(watch.run())
    while sum(watch.lag.counts) < 2:  # noqa: ASYNC110 # it is the watch's own loop that counts
        await asyncio.sleep(0)
    running.cancel()

    assert resident_bytes() > 1_000_000


def test_log_lines_can_not_be_forged() -> None:
    """Line ends and control characters in a message are escaped, long ones cut, in both formats."""
    hostile = "a\nFAKE\r\x1b[31m\u2028\u2029\x85 end " + "x" * 5_000
    record = logging.LogRecord("express.x", logging.WARNING, "f", 1, "%s", (hostile,), None)
    text = TextFormatter("worker-0").format(record)
    line = JsonFormatter("worker-0").format(record)

    assert len(text.splitlines()) == len(line.splitlines()) == 1
    assert len(text) < 1_200
    assert "\x1b" not in text + line
    fields = orjson.loads(line)
    assert (fields["level"], fields["process"], fields["logger"]) == ("WARNING", "worker-0", "express.x")
