"""Executions that the API starts: run on the worker's executor, logged, billed, and kept to be looked at."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Protocol

import msgspec
import orjson

from express.api.arns import check_name
from express.api.errors import validation
from express.api.ids import uuid4_text
from express.api.registry import Registry, Target
from express.engine import About, Execution, History, Program
from express.engine.effects import Finish
from express.engine.program import EXECUTION_SECONDS, lasted
from express.engine.segments import Ended as AtOnce
from express.errors import RUNTIME, ApiError, ConfigError, SinkError
from express.integrations.mocks import MockedExecutions
from express.ports import GOLDEN, MASK, Clock, Headers, LogSink, Partition
from express.runtime.executor.executor import Executor, Run
from express.runtime.records.headers import trace as trace_context
from express.runtime.records.terminal_record import Naming
from express.stores.ring import Ended, Ring
from express.telemetry.execution_log.events import CAUSE_LENGTH, ERROR_LENGTH, LoggedEvents, clipped, line_slices
from express.telemetry.slices import LogSlices
from express.telemetry.trace_sampling import Trace, Tracer, trace_of
from express.values import JSON, text

log = logging.getLogger(__name__)

RUNNING_LIMIT = 100_000
"""Executions that may run at once in one server; above, callers are told to slow down."""

RECORDED_BYTES = 256 << 20
"""Bytes that the histories of running executions may take together; above, none of them grows any more."""

WRITTEN_BYTES = 256 << 10
"""Bytes up to which a history is written as text when its execution ends; longer ones when they are read.
"""

TRACEPARENT: ContextVar[str] = ContextVar("traceparent", default="")
"""The `traceparent` header of the request that is being answered: whom a trace is linked to."""


class Queue(Protocol):
    """A queue of executions that other processes run. `put` returns once what it was given can't be lost."""

    async def put(self, topic: str, value: bytes, key: bytes | None = None, headers: Headers = ()) -> Placed:
        """Put an input in. Raises SinkError where it is not known whether it is there."""


class Placed(Protocol):
    """The place of an input in its topic."""

    @property
    def partition(self) -> Partition:
        """Topic and partition."""

    @property
    def offset(self) -> int:
        """Its place."""

    @property
    def timestamp(self) -> float:
        """Return when it came, in wall-clock seconds."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A start that a caller asks for. `text` is the input as it came, `data` the same parsed."""

    target: Target
    name: str | None = None
    text: str = "{}"
    data: JSON = msgspec.field(default_factory=dict)
    trace_header: str | None = None
    sync: bool = False
    test_case: str = ""
    """The test case of the server's mock file that answers the tasks; empty: none."""


class Started:
    """An execution of this server, from its start to its end.

    `output` is the text of the output once there is one; `finish` how the execution ended, as its caller is told.
    """

    __slots__ = (
        "about",
        "done",
        "finish",
        "output",
        "program",
        "request",
        "run",
        "seconds",
        "traced",
        "x",
    )

    def __init__(self, request: Request, program: Program, about: About) -> None:
        self.request = request
        self.program = program
        self.about = about
        self.x: Execution | AtOnce
        self.run: Run | None = None
        self.done: asyncio.Future[None] | None = None
        self.finish: Finish
        self.output: str | None = None
        self.seconds = 0.0
        self.traced = False

    @property
    def stopped(self) -> float:
        """Return when it ended, in wall-clock seconds."""
        return self.about.started + self.seconds


class Executions:
    """Starts executions and knows those that run, and of those that have ended the ones that are kept."""

    def __init__(
        self,
        registry: Registry,
        executor: Executor,
        clock: Clock,
        *,
        ring: Ring | None = None,
        logs: LogSink | None = None,
        tracer: Tracer | None = None,
        include_data: bool = False,
        queue: Queue | None = None,
        topics: Mapping[str, str] | None = None,
        mocks: MockedExecutions | None = None,
    ) -> None:
        """`ring` None: no execution can be looked at. `include_data`: keep payloads whatever a machine says.

        `topics`: state machines whose asynchronous executions go through `queue`, with their input topic.
        """
        self.ring = ring
        self.running: dict[str, Started] = {}
        self._registry = registry
        self._executor = executor
        self._clock = clock
        self._logs = None if logs is None else LogSlices(logs)
        self._tracer = tracer
        self._number = 0
        self._recorded = 0
        self._include_data = include_data
        self._queue = queue
        self._topics = topics or {}
        self._mocks = mocks

    def is_queued(self, target: Target) -> bool:
        """Return whether asynchronous executions of a machine are run by the workers that drain its topic."""
        return self._queue is not None and target.machine.name in self._topics

    async def enqueue(self, request: Request) -> tuple[str, float]:
        """Put an execution into its machine's topic: its ARN and when it came. Raises ApiError if that fails.

        The ARN is that of the record, as the workers make it. The name that a caller gives is the record's key:
        executions of one name run one after the other.
        """
        assert self._queue is not None, "is_queued was asked"
        name = request.target.machine.name
        if request.name is not None:
            check_name(request.name)
        key = None if request.name is None else request.name.encode()
        trace, parent = request.trace_header, TRACEPARENT.get()
        headers = [] if trace is None else [("X-Amzn-Trace-Id", trace.encode())]
        if parent:
            headers.append(("traceparent", parent.encode()))
        try:
            placed = await self._queue.put(self._topics[name], request.text.encode(), key, headers)
        except SinkError as error:
            log.warning("an execution of %s could not be queued: %s", name, error)
            raise ApiError("ServiceUnavailable", "The execution could not be queued; it may run or not", 503) from error
        naming = Naming(f"{self._registry.prefix}:express:{name}:", placed.partition)
        return naming.arn(placed.offset), placed.timestamp

    async def run(self, request: Request) -> Started:
        """Run an execution to its end. When the caller is cancelled it is stopped, and nobody starts it again."""
        started = self.start(request)
        if started.run is not None and started.x.finished is None:
            started.done = asyncio.get_running_loop().create_future()
            try:
                await started.done
            except asyncio.CancelledError:
                self._executor.stop(started.run)
                raise
        return started

    def start(self, request: Request) -> Started:
        """Begin an execution. Raises ApiError for a bad name, and when too many run already."""
        if request.name is not None:
            check_name(request.name)
        if self._executor.running >= RUNNING_LIMIT:
            code = "ThrottlingException" if request.sync else "ExecutionLimitExceeded"
            raise ApiError(code, f"{RUNNING_LIMIT} executions are running")
        started = Started(request, self._registry.program(request.target), self._about(request))
        if request.test_case:
            self._mock(started.about, request.test_case)
        wanted = self.ring is not None or request.target.log_level != "OFF"
        if self._tracer is not None:
            self._number += 1
            started.traced = self._number * GOLDEN & MASK < self._tracer.threshold
            wanted = wanted or started.traced
        started.x, started.run = self._executor.submit(
            started.program,
            request.data,
            started.about,
            self._done,
            started,
            size=len(request.text),
            history=History(self._may_record) if wanted else None,
        )
        if started.run is None:
            self._ended(started, started.x.finished)
        else:
            self.running[started.about.execution_arn] = started
        return started

    def _may_record(self, growth: int) -> bool:
        """Count the histories of what runs; whether they may take more."""
        self._recorded += growth
        return self._recorded < RECORDED_BYTES

    def _mock(self, about: About, case: str) -> None:
        """Have the tasks of an execution answered from the server's mock file. Raises ApiError."""
        if self._mocks is None:
            raise validation(f"The server has no mock file for the test case {case}: start it with --mock FILE")
        try:
            self._mocks.begin(about.execution_arn, about.state_machine_name, case)
        except ConfigError as error:
            raise validation(str(error)) from error

    def stop(self, started: Started, error: str | None, cause: str | None) -> None:
        """End a running execution as ABORTED."""
        if started.run is not None:
            self._executor.stop(started.run, error, cause)

    def of(self, machine_arn: str) -> Iterator[Started | Ended]:
        """The executions of a machine: running ones, then those that are kept."""
        for started in self.running.values():
            if started.about.state_machine_arn == machine_arn:
                yield started
        kept = () if self.ring is None else self.ring
        yield from (ended for ended in kept if ended.machine_arn == machine_arn)

    def events(self, started: Started) -> LoggedEvents:
        """The log events of an execution so far."""
        x, include = started.x, self.include_data(started.request.target)
        if not isinstance(x, Execution) or x.history is None:
            return LoggedEvents(started.about, 0.0, (), include_data=include)
        history = x.history
        return LoggedEvents(x.about, x.started, history.log, include_data=include, size=history.bytes)

    def include_data(self, target: Target) -> bool:
        """Return whether payloads of a machine's executions may be kept and shown."""
        return self._include_data or target.include_data

    def close(self) -> None:
        """Write what is left of long logs."""
        if self._logs is not None:
            self._logs.close()

    # Beginning and end ---------------------------------------------------------------------------------

    def _about(self, request: Request) -> About:
        machine = request.target.machine
        name = request.name or uuid4_text()
        return About(
            execution_arn=f"{self._registry.prefix}:express:{machine.name}:{name}:{uuid4_text()}",
            name=name,
            role_arn=request.target.revision.role_arn,
            state_machine_arn=machine.arn,
            state_machine_name=machine.name,
            started=self._clock.wall(),
            redrive_count=None if request.sync else 0,
            trace=trace_context(TRACEPARENT.get().encode()),
        )

    def _done(self, run: Run, finish: Finish) -> None:
        started: Started = run.item
        self.running.pop(started.about.execution_arn, None)
        self._ended(started, finish)
        if started.done is not None and not started.done.done():
            started.done.set_result(None)

    def _ended(self, started: Started, finish: Finish | None) -> None:
        assert finish is not None, "only what has ended comes here"
        elapsed = self._clock.monotonic() - started.x.started
        started.seconds = lasted(started.program, EXECUTION_SECONDS, finish.status, elapsed)
        started.finish, started.output = told(finish)
        if isinstance(started.x, Execution) and started.x.history is not None:
            started.x.history.release()
        about = started.about
        if self._mocks is not None:
            self._mocks.end(about.execution_arn)
        if self.ring is not None:
            self.ring.offer(
                failed=finish.status != "SUCCEEDED",
                started=about.started,
                stopped=started.stopped,
                render=lambda: self._render(started),
            )
        self._log(started)
        tracer = self._tracer
        if tracer is not None and (started.traced or finish.status != "SUCCEEDED" or started.seconds > tracer.slow):
            tracer.offer(_trace(started))

    def _log(self, started: Started) -> None:
        target, x = started.request.target, started.x
        if self._logs is not None and target.log_level != "OFF" and isinstance(x, Execution):
            level: Any = target.log_level
            events = () if x.history is None else x.history.log
            lines = line_slices(x.about, x.started, events, level, include_data=target.include_data)
            self._logs.write(lines, started.about.execution_arn)

    def _render(self, started: Started) -> Ended:
        """An ended execution as the ring keeps it."""
        request, about, finish = started.request, started.about, started.finish
        events = self.events(started)
        held = events.size if events.size > WRITTEN_BYTES else 0
        include = self.include_data(request.target)
        return Ended(
            arn=about.execution_arn,
            machine_arn=about.state_machine_arn,
            name=about.name,
            status=finish.status,
            started=about.started,
            stopped=started.stopped,
            error=finish.error,
            cause=finish.cause,
            input=request.text if include else None,
            output=started.output if include else None,
            trace_header=request.trace_header,
            revision=request.target.revision.id,
            version_arn=request.target.version_arn,
            alias_arn=request.target.alias_arn,
            history=events if held else orjson.dumps(list(events)),
            held=held,
        )


def _trace(started: Started) -> Trace:
    """An ended execution as the tracer takes it."""
    history = started.x.history if isinstance(started.x, Execution) else None
    trace_header = started.request.trace_header
    attributes: dict[str, str | int] = {} if trace_header is None else {"aws.xray.trace_header": trace_header}
    return trace_of(started.about, started.finish, started.seconds, history, attributes)


def told(finish: Finish) -> tuple[Finish, str | None]:
    """An end as the API can tell it: within the model's lengths and UTF-8; and the text of the output, if any."""
    if finish.status == "SUCCEEDED":
        try:
            return finish, text(finish.output)
        except TypeError as unwritable:
            finish = Finish("FAILED", error=RUNTIME, cause=f"The output can't be written as JSON: {unwritable}")
    error = None if finish.error is None else clipped(finish.error, ERROR_LENGTH)
    cause = None if finish.cause is None else clipped(finish.cause, CAUSE_LENGTH)
    return Finish(finish.status, error=error, cause=cause), None
