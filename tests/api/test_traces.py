"""Traces of executions, sent by OpenTelemetry's own exporter to a receiver that reads them as a collector does."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from express.config import Api, Config, Traces
from express.errors import ConfigError
from express.ports import GOLDEN, MASK
from express.service.tracing import make_tracer
from express.telemetry.otlp_export import spans_of
from express.telemetry.trace_sampling import MOST_BYTES, Trace, Tracer
from tests.patience import PATIENCE
from tests.telemetry.collector import Collector, attributes

from .server import Running, serving
from .test_executions import eventually, task
from .test_machines import create, definition

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A receiver that listens."""
    found = Collector()
    yield found
    found.gate.set()
    found.close()


@contextmanager
def traced(collector: Collector, **settings: Any) -> Iterator[Running]:
    """A server that sends its traces there."""
    traces = Traces(**{"endpoint": collector.url, "ratio": 1.0, "slowest": 0, "timeout": 2, **settings})
    api = Api(port=0, store="", include_execution_data=True)
    with serving(api, config=Config(traces=traces)) as running:
        yield running


def test_an_execution_is_one_trace_with_a_span_for_each_state_and_call(collector: Collector) -> None:
    """Names, parents, times, kinds and the link to the caller's span; nothing of the data."""
    retried = json.loads(task("fail", Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]))
    with traced(collector, service="orders") as running:
        sfn = running.client()
        arn = create(sfn, name="traced", definition=json.dumps(retried))
        before = time.time_ns()
        body = {"stateMachineArn": arn, "input": '"CANARY"', "traceHeader": "Root=1"}
        _, answer = running.post("StartSyncExecution", body, traceparent=PARENT)
        after = time.time_ns()

    root, state, first, second = collector.spans
    assert collector.services == {"orders"}
    assert [span.name for span in collector.spans] == ["traced", "T", "attempt 1", "attempt 2"]
    assert len({span.trace_id for span in collector.spans}) == 1
    assert len({span.span_id for span in collector.spans}) == 4
    assert (state.parent_span_id, first.parent_span_id, second.parent_span_id) == (
        root.span_id,
        state.span_id,
        state.span_id,
    )
    (link,) = root.links
    assert (link.trace_id.hex(), link.span_id.hex()) == tuple(PARENT.split("-")[1:3])
    assert not state.links
    assert before <= root.start_time_unix_nano + 1_000_000
    assert root.end_time_unix_nano <= after
    assert second.start_time_unix_nano - first.end_time_unix_nano >= 900_000_000  # the pause before the retry
    assert all(root.start_time_unix_nano <= s.start_time_unix_nano <= s.end_time_unix_nano for s in collector.spans)
    assert attributes(root) == {
        "express.execution.arn": answer["executionArn"],
        "express.state_machine.name": "traced",
        "express.execution.status": "FAILED",
        "error.type": "RuntimeError",
        "aws.xray.trace_header": "Root=1",
    }
    assert attributes(state) == {"express.state.type": "Task", "express.attempts": 2, "error.type": "RuntimeError"}
    assert attributes(first)["error.type"] == "RuntimeError"
    assert (root.kind, state.kind, first.kind) == (
        Span.SPAN_KIND_SERVER,
        Span.SPAN_KIND_INTERNAL,
        Span.SPAN_KIND_CLIENT,
    )
    assert root.status.code == 2
    assert "CANARY" not in str(collector.spans)
    assert "as asked" not in str(collector.spans)


def test_failures_are_kept_whatever_the_share(collector: Collector) -> None:
    """With a share of nothing: every failure, no success."""
    with traced(collector, ratio=0.0) as running:
        sfn = running.client()
        fine, broken = create(sfn, name="fine"), create(sfn, name="broken", definition=task("fail"))
        for _ in range(20):
            sfn.start_sync_execution(stateMachineArn=fine)
        for _ in range(5):
            sfn.start_sync_execution(stateMachineArn=broken)

    assert [span.name for span in collector.roots()] == ["broken"] * 5


def test_the_slowest_are_kept_whatever_the_share(collector: Collector) -> None:
    """Once two slow ones are known, quick ones are no more of the slowest."""
    with traced(collector, ratio=0.0, slowest=2) as running:
        sfn = running.client()
        wait = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 1, "End": True}}}
        slow, quick = create(sfn, name="slow", definition=json.dumps(wait)), create(sfn, name="quick")
        started = [sfn.start_execution(stateMachineArn=slow)["executionArn"] for _ in range(2)]
        eventually(lambda: all("stopDate" in sfn.describe_execution(executionArn=arn) for arn in started))
        for _ in range(30):
            sfn.start_sync_execution(stateMachineArn=quick)

    assert [span.name for span in collector.roots()] == ["slow", "slow"]


def test_the_share_is_met(collector: Collector) -> None:
    """4,000 of 40,000 within five per cent, for numbers in a row and for every third one."""
    threshold = round(0.1 * (MASK + 1))
    for step in (1, 3):
        hits = sum(number * step * GOLDEN & MASK < threshold for number in range(40_000))
        assert hits == pytest.approx(4_000, rel=0.05)


def test_without_history_a_sampled_execution_has_its_states_too(collector: Collector) -> None:
    """api.history = false: what is sampled is recorded for its trace alone; a failure that is not is one span."""
    traces = Traces(endpoint=collector.url, ratio=1.0, slowest=0)
    with serving(Api(port=0, store="", history=False), config=Config(traces=traces)) as running:
        sfn = running.client()
        sfn.start_sync_execution(stateMachineArn=create(sfn, definition=definition()))

    assert [span.name for span in collector.spans][1:] == ["A"]


def test_a_receiver_that_hangs_holds_nothing_up(collector: Collector) -> None:
    """Executions go on as ever; what the queue has no room for is counted as dropped."""
    with traced(collector, waiting=10) as running:
        sfn = running.client()
        arn = create(sfn)
        collector.gate.clear()
        for _ in range(200):
            sfn.start_sync_execution(stateMachineArn=arn)  # the gate opens after the last: whoever waited would hang
        counts = running.server.data()["traces"]
        collector.gate.set()
        eventually(lambda: running.server.data()["traces"]["exported"] >= 10)

    assert 100 <= counts["dropped"] <= 190  # some are sent before the receiver is seen to hang, and some time out


def test_a_receiver_that_refuses_is_counted(collector: Collector) -> None:
    """400 is final: failed, not sent again."""
    collector.status = 400
    with traced(collector) as running:
        sfn = running.client()
        sfn.start_sync_execution(stateMachineArn=create(sfn))
        eventually(lambda: running.server.data()["traces"]["failed"] == 1)


def test_headers_may_hold_secrets_by_reference(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """`env:NAME` is read when the server starts."""
    monkeypatch.setenv("COLLECTOR_KEY", "k-1")
    with traced(collector, headers={"x-key": "env:COLLECTOR_KEY"}) as running:
        sfn = running.client()
        sfn.start_sync_execution(stateMachineArn=create(sfn))

    assert collector.headers["x-key"] == "k-1"


def test_a_map_of_thousands_is_cut(collector: Collector) -> None:
    """A trace has 1,000 spans; its root counts what was left out."""
    each = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
    machine = {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": each, "End": True}}}
    with traced(collector) as running:
        sfn = running.client()
        arn = create(sfn, definition=json.dumps(machine))
        sfn.start_sync_execution(stateMachineArn=arn, input=json.dumps(list(range(1_000))))

    assert len(collector.spans) == 1_000
    assert attributes(collector.roots()[0])["express.spans.left_out"] == 1_002


def test_the_core_does_without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only [traces] needs the extra, and says so."""
    for name in [name for name in sys.modules if name.startswith("opentelemetry")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "express.telemetry.otlp_export")
    assert make_tracer(Traces()) is None
    with pytest.raises(ConfigError, match=r"pip install 'express\[otel\]'"):
        make_tracer(Traces(endpoint="http://127.0.0.1:1/v1/traces"))


def test_an_export_that_breaks_is_counted() -> None:
    """A bug in the exporter costs traces, not the thread."""

    class Full:
        def send(self, traces: Any) -> bool:
            return False

        def close(self) -> None:
            pass

    tracer = Tracer(Full(), ratio=1.0, slowest=0, waiting=5)
    for _ in range(3):
        about: Any = None
        finish: Any = None
        tracer.offer(Trace(about, finish, 0.0))
    tracer.close()
    assert tracer.counts.failed == 3


def test_traces_that_wait_are_bounded_in_bytes() -> None:
    """Long histories that the receiver does not take do not pile up: they are counted as dropped."""
    let_go = threading.Event()

    class Slow:
        def send(self, traces: Any) -> bool:
            let_go.wait(PATIENCE)
            return True

        def close(self) -> None:
            pass

    about: Any = None
    finish: Any = None
    tracer = Tracer(Slow(), ratio=1.0, slowest=0, waiting=1_000)
    for _ in range(100):
        tracer.offer(Trace(about, finish, 0.0, size=1 << 20))
    assert tracer.counts.dropped == 100 - (MOST_BYTES >> 20) - 1
    let_go.set()
    tracer.close()
    assert tracer.counts.exported == (MOST_BYTES >> 20) + 1


def test_ids_are_those_of_the_execution() -> None:
    """A record that is replayed tells the same trace again."""
    from opentelemetry.sdk.resources import Resource

    from express.engine import About
    from express.engine.effects import Finish

    trace = Trace(About(execution_arn="arn:x", state_machine_name="m", started=5.0), Finish("SUCCEEDED"), 0.25)
    (first,), (again,) = (spans_of(trace, Resource({})) for _ in range(2))
    assert first.context == again.context
    assert (first.start_time, first.end_time) == (5_000_000_000, 5_250_000_000)
