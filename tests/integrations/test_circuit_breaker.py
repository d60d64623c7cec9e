"""Breakers, bounds and time limits of endpoints; no test here waits for real time but the one of a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from express.asl.resources import parse_resource
from express.config import Aws, Breaker, Config, Connection, Destination, Function, Limit
from express.engine.effects import StartTask
from express.errors import StatesError
from express.integrations import CircuitBreakers, ExternalIntegrations, Integrations, LocalFunctions, table
from express.integrations.circuit_breaker import BREAKER_OPEN, QUEUE_FULL
from express.integrations.circuit_breaker import Breaker as Machine
from express.ports import Integration, TaskContext
from express.service.worker_metrics import MeasuredIntegrations, label
from express.telemetry.worker_report import Report, Totals
from express.values import JSON
from tests.integrations.calling import CONTEXT, STATES, machine, run, task
from tests.integrations.stub import Stub
from tests.runtime.rig import Rig, Worker, until
from tests.runtime.virtual import clock, run_virtual

SOCKET = "States.Http.Socket"


def settings(**more: Any) -> Breaker:
    return Breaker(**{"failures": 3, "open": 5.0, "open_max": 20.0, **more})


def dead(breaker: Machine, now: float, times: int = 3) -> None:
    for _ in range(times):
        breaker.leave(breaker.enter(), SOCKET, now)


# The breaker ------------------------------------------------------------------------------------------


def test_it_opens_after_failures_in_a_row() -> None:
    """Two failures, an answer, and two more are no row of three; three are."""
    breaker = Machine(settings())
    dead(breaker, 0, 2)
    breaker.leave(breaker.enter(), "OrderInvalid", 0)  # an answer
    dead(breaker, 0, 2)
    assert not breaker.is_open

    dead(breaker, 0, 1)
    assert (breaker.is_open, breaker.remaining(1.0)) == (True, 4.0)


def test_one_probe_goes_through_and_closes_it() -> None:
    """After the pause one call is tried while the others are still refused; its answer opens the way for all."""
    breaker = Machine(settings())
    dead(breaker, 0)
    assert breaker.remaining(5.0) is None

    probe = breaker.enter()
    assert breaker.remaining(5.0) == 0.0
    breaker.leave(probe, None, 5.5)
    assert (breaker.is_open, breaker.remaining(5.5), breaker.opened) == (False, None, 1)


def test_the_pause_doubles_with_each_probe_that_fails() -> None:
    """5, 10, 20 and never more than open_max; a probe that succeeds brings the first pause back."""
    breaker, now, pauses = Machine(settings()), 0.0, []
    dead(breaker, now)
    for _ in range(4):
        remaining = breaker.remaining(now)
        assert remaining is not None
        pauses.append(remaining)
        now += remaining
        breaker.leave(breaker.enter(), SOCKET, now)
    assert pauses == [5, 10, 20, 20]

    now += 20
    breaker.leave(breaker.enter(), None, now)
    dead(breaker, now)
    assert breaker.remaining(now) == 5


def test_what_began_before_says_nothing_of_the_time_since() -> None:
    """A late failure does not open a breaker again that has closed, a late answer does not close an open one."""
    breaker = Machine(settings())
    late = [breaker.enter() for _ in range(5)]
    dead(breaker, 0)
    breaker.leave(late[0], None, 1)
    assert breaker.is_open

    breaker.leave(breaker.enter(), None, 6)
    for life in late:
        breaker.leave(life, SOCKET, 7)
    assert not breaker.is_open


def test_a_probe_that_nobody_wants_any_more_is_followed_by_another() -> None:
    """An execution that is stopped takes its probe along; the next call is the probe then."""
    breaker = Machine(settings())
    dead(breaker, 0)
    breaker.abandon(breaker.enter())

    assert breaker.remaining(5.0) is None


def test_zero_failures_never_open() -> None:
    """breaker.failures = 0 turns breakers off."""
    breaker = Machine(settings(failures=0))
    dead(breaker, 0, 100)

    assert not breaker.is_open


# Calls through gates ----------------------------------------------------------------------------------


class Endpoint(Integration):
    """An integration with one endpoint; `answer` is what calls do."""

    def __init__(self, answer: Callable[[], Awaitable[JSON]]) -> None:
        self.answer = answer
        self.calls = 0
        self.most = 0
        self._now = 0

    def endpoint(self, task: StartTask) -> str:
        return "http:shop"

    async def start(self, task: StartTask, context: TaskContext) -> JSON:
        self.calls += 1
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            return await self.answer()
        finally:
            self._now -= 1


async def no_answer() -> JSON:
    await asyncio.sleep(60)
    raise StatesError(SOCKET, "no answer")


async def answer() -> JSON:
    await asyncio.sleep(1)
    return "done"


INVOKE = task("http:invoke", {})


def gated(endpoint: Any, limit: Limit | None = None, **more: Any) -> tuple[Integrations, CircuitBreakers]:
    gates = CircuitBreakers(settings(**more), {} if limit is None else {"http:shop": limit}, clock().monotonic)
    return Integrations({"http": endpoint}, gates), gates


async def outcome(integrations: Integrations, task: StartTask = INVOKE) -> Any:
    try:
        got: Any = integrations.start(task, CONTEXT)
        return await got
    except StatesError as error:
        return error.error


def test_a_dead_endpoint_is_left_alone() -> None:
    """While it is open calls are refused at once, without a socket; afterwards the endpoint is found again."""

    async def main() -> None:
        endpoint = Endpoint(no_answer)
        integrations, gates = gated(endpoint)
        first = await asyncio.gather(*(outcome(integrations) for _ in range(3)))
        began = clock().time()
        refused = [await outcome(integrations) for _ in range(100)]
        seconds = clock().time() - began
        endpoint.answer = answer
        await asyncio.sleep(5)
        probed = await asyncio.gather(*(outcome(integrations) for _ in range(3)))
        after = await outcome(integrations)

        assert (first, endpoint.calls) == ([SOCKET] * 3, 5)
        assert (set(refused), seconds) == ({BREAKER_OPEN}, 0)
        assert (probed, after) == (["done", BREAKER_OPEN, BREAKER_OPEN], "done")
        assert gates.report() == {"http:shop": {"open": 0, "running": 0, "waiting": 0, "opened": 1, "refused": 102}}

    run_virtual(main())


def test_the_cause_says_why_and_when() -> None:
    """What a state catches names the endpoint, its last error, and when it is tried again."""

    async def main() -> None:
        integrations, _ = gated(Endpoint(no_answer))
        await asyncio.gather(*(outcome(integrations) for _ in range(3)))
        with pytest.raises(StatesError) as raised:
            integrations.start(INVOKE, CONTEXT)

        assert raised.value.cause == (
            "http:shop is not called: the last calls of it failed with States.Http.Socket; it is tried again in 5.0 s"
        )

    run_virtual(main())


def test_no_more_calls_at_once_than_allowed() -> None:
    """Ten calls over two slots take five seconds; what does not fit into the queue is refused."""

    async def main() -> None:
        endpoint = Endpoint(answer)
        integrations, _ = gated(endpoint, Limit(concurrency=2, queue=8))
        tasks = [asyncio.create_task(outcome(integrations)) for _ in range(10)]
        began = clock().time()
        await asyncio.sleep(0)
        assert await outcome(integrations) == QUEUE_FULL
        assert await asyncio.gather(*tasks) == ["done"] * 10
        assert (clock().time() - began, endpoint.most) == (5, 2)

    run_virtual(main())


def test_a_cancelled_call_gives_its_place_back() -> None:
    """Whether it runs, waits, or has not even begun."""

    async def main() -> None:
        integrations, gates = gated(Endpoint(answer), Limit(concurrency=1))
        tasks = [asyncio.create_task(outcome(integrations)) for _ in range(3)]
        await asyncio.sleep(0.5)
        never = integrations.start(INVOKE, CONTEXT)
        never.close()
        for waiting in tasks:
            waiting.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        assert await outcome(integrations) == "done"
        assert gates.report()["http:shop"]["running"] == gates.report()["http:shop"]["waiting"] == 0

    run_virtual(main())


def test_the_endpoints_time_limit_is_a_timeout() -> None:
    """limits.timeout ends a call as States.Timeout, which is a sign of a dead endpoint, too."""

    async def main() -> None:
        integrations, gates = gated(Endpoint(no_answer), Limit(timeout=2.0))
        began = clock().time()
        results = await asyncio.gather(*(outcome(integrations) for _ in range(3)))

        assert (results, clock().time() - began) == (["States.Timeout"] * 3, 2)
        assert gates.gate("http:shop").breaker.is_open

    run_virtual(main())


# Pipelines --------------------------------------------------------------------------------------------


def drained(rig: Rig, wanted: Callable[[], bool]) -> Awaitable[None]:
    return until(wanted, 1_000)


def test_other_workflows_keep_their_rate() -> None:
    """What a second pipeline completes, and when, is the same whether the endpoint of the first is dead or not."""

    async def main(failing: bool) -> tuple[list[tuple[float, int]], int]:
        endpoint = Endpoint(no_answer if failing else answer)
        integrations, _ = gated(endpoint)
        sick, well = Rig(handler=lambda data: data, concurrency=50), Rig(handler=healthy)
        sick.function = integrations  # type: ignore[assignment] # another Integration
        sick.machine = _program()
        for number in range(500):
            sick.put({"n": number})
        sick.worker()
        worker = well.worker()
        steps = []
        for _ in range(20):
            for number in range(50):
                well.put({"n": number})
            await asyncio.sleep(0.5)
            steps.append((clock().time(), worker.counters.succeeded))
        await drained(sick, lambda: len(sick.results) == 500)
        await well.stop()
        await sick.stop()
        return steps, endpoint.calls

    alone, _ = run_virtual(main(failing=False))
    beside, calls = run_virtual(main(failing=True))

    assert beside == alone
    assert alone[-1][1] == 1_000
    assert calls < 100  # of 500: the others were refused


async def healthy(data: Any) -> JSON:
    await asyncio.sleep(0.01)
    return data


def _program() -> Any:
    from express.compiler import compile_definition
    from express.values import dumps

    return compile_definition(dumps(machine("http:invoke")))


def test_a_dead_endpoint_frees_its_own_pipeline() -> None:
    """500 records over 50 places, each a minute without an answer, would take ten minutes; the breaker makes it one."""

    async def main() -> float:
        integrations, _ = gated(Endpoint(no_answer), open=600.0, open_max=600.0)
        rig = Rig(concurrency=50)
        rig.machine, rig.function = _program(), integrations  # type: ignore[assignment] # another Integration
        began = clock().time()
        for number in range(500):
            rig.put({"n": number})
        worker: Worker = rig.worker()
        await until(lambda: worker.counters.failed == 500, 1_000)
        await rig.stop()
        return clock().time() - began

    assert run_virtual(main()) < 65


# Names and counts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resource", "request_", "name"),
    [
        ("dynamodb:putItem", {}, "aws:dynamodb"),
        ("aws-sdk:dynamodb:query", {}, "aws:dynamodb"),
        ("http:invoke", {"Authentication": {"ConnectionArn": "arn:aws:events:r:1:connection/shop/1"}}, "http:shop"),
        ("http:invoke", {}, None),
        ("lambda:invoke", {"FunctionName": "slow"}, "lambda:slow"),
        ("lambda:invoke", {"FunctionName": "quick"}, None),
        ("lambda:invoke", {"FunctionName": "old-one"}, "lambda:old-*"),
        ("lambda:invoke", {}, None),
    ],
)
async def test_names_of_endpoints(resource: str, request_: JSON, name: str | None) -> None:
    """A service, a connection, a function or the row that leads to it; nothing that a payload could choose."""
    connection = Connection(allow=[Destination(url="https://example.org")])
    echo = "tests.integrations.handlers:echo"
    config = Config(connections={"shop": connection}, aws=Aws(functions={"old-*": "http://127.0.0.1:1"}))
    local = LocalFunctions({"slow": Function(handler=echo), "quick": Function(handler=echo, mode="inline")})
    outside = ExternalIntegrations(config, local)
    rows: Any = table(local, outside)
    given = task(resource, request_)
    service = given.resource.service
    performer = rows["http" if service == "http" else "sdk" if given.resource.kind == "sdk" else f"optimized:{service}"]

    assert performer.endpoint(given) == name
    await outside.close()
    await local.close()


async def test_nobody_listens_and_the_breaker_opens() -> None:
    """For real: a port that nobody listens on, until it is not even tried."""
    async with Stub() as stub:
        url = stub.url
    allow = [Destination(url=url)]
    shop = Connection(allow=allow, networks=["127.0.0.0/8"])
    config = Config(connections={"shop": shop}, breaker=Breaker(failures=2))
    again = {"ErrorEquals": [SOCKET], "MaxAttempts": 5, "IntervalSeconds": 1, "MaxDelaySeconds": 2}
    request = {
        "ApiEndpoint": url,
        "Method": "GET",
        "Authentication": {"ConnectionArn": "arn:aws:events:us-east-1:1:connection/shop/1"},
    }
    finish = await run(machine("http:invoke", Retry=[again]), request, config)

    assert finish.error == BREAKER_OPEN


async def test_the_short_way_goes_through_the_gate() -> None:
    """A local `async def` that fails in a row is left alone on the direct way too, and every call is counted."""
    name = "arn:aws:lambda:us-east-1:123456789012:function:down"
    functions = LocalFunctions({"down": Function(handler="tests.integrations.test_circuit_breaker:down")})
    gates = CircuitBreakers(settings(errors=["RuntimeError"]), {})
    measured = MeasuredIntegrations(Integrations(table(functions), gates))

    def describe(payload: JSON, site: Any) -> tuple[StartTask, TaskContext]:
        return task(name, payload), CONTEXT

    direct = measured.bind(parse_resource(name), describe)
    assert direct is not None
    found = []
    for _ in range(5):
        try:
            answer: Any = direct({}, None)
            await answer
        except StatesError as error:
            found.append(error.error)

    assert found == ["RuntimeError"] * 3 + [BREAKER_OPEN] * 2
    counts = measured.counts["lambda"]
    assert (counts.scheduled, counts.failed, counts.refused) == (5, 3, 2)
    assert gates.report()["lambda:down"]["refused"] == 2
    await functions.close()


async def down(event: Any, context: Any) -> None:
    """A function that is out of order."""
    raise RuntimeError("out of order")


async def test_calls_are_counted_by_service_and_action() -> None:
    """Scheduled, succeeded, failed, timed out, refused; what nothing here performs is `other`."""
    errors = iter([None, "Boom", "States.Timeout"])

    class Quick(Integration):
        def start(self, task: StartTask, context: TaskContext) -> JSON:
            error = next(errors)
            if error is not None:
                raise StatesError(error, "x")
            return 1

    measured = MeasuredIntegrations(Integrations({"sdk": Quick()}))
    for _ in range(3):
        try:
            measured.start(task("aws-sdk:s3:putObject", {}), CONTEXT)
        except StatesError:
            continue
    with pytest.raises(StatesError):
        measured.start(task("dynamodb:query", {}), CONTEXT)
    counts = measured.counts["aws-sdk:s3:putObject"]

    assert set(measured.counts) == {"aws-sdk:s3:putObject", "other"}
    assert (counts.scheduled, counts.succeeded, counts.failed, counts.timed_out) == (3, 1, 1, 1)
    assert sum(counts.duration_ms.counts) == 3


async def test_labels_are_bounded() -> None:
    """However many resources a server has seen, there are MOST_LABELS labels and `other`."""

    class Quick(Integration):
        def start(self, task: StartTask, context: TaskContext) -> JSON:
            return 1

    measured = MeasuredIntegrations(Integrations({"sdk": Quick()}))
    for number in range(1_000):
        measured.start(task(f"aws-sdk:s3:put{number}", {}), CONTEXT)

    assert len(measured.counts) == 201
    assert measured.counts["other"].succeeded == 800
    assert label(parse_resource(f"{STATES}states:startExecution.sync:2")) == "states:startExecution"


def test_endpoints_of_dead_workers_keep_their_counts() -> None:
    """What a worker had counted stays in the sums; what stood open or ran is gone with it."""
    totals = Totals()
    shown = {"open": 1, "running": 2, "waiting": 0, "opened": 3, "refused": 4}
    for worker in range(2):
        totals.update(Report(worker=worker, pid=1, endpoints={"http:shop": shown}))
    totals.retire(0, died=True)

    assert totals.endpoints() == {"http:shop": {"open": 1, "running": 2, "waiting": 0, "opened": 6, "refused": 8}}
