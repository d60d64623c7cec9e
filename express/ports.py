"""The seams between the runtime and the world: small Protocols that adapters implement.

An adapter is one file below `integrations`, `sources`, `sinks` or `stores`; the runtime knows only these.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from express.engine import About, History
from express.engine.effects import Finish, StartTask
from express.errors import StatesError
from express.record_format import HeaderBlock
from express.values import JSON

Headers: TypeAlias = Sequence[tuple[str, bytes | None]] | HeaderBlock


class Record(msgspec.Struct, frozen=True, gc=False):
    """One event as the broker holds it. `timestamp` is in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_type: int = 0


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """A place in a partition whose record can't be read: an `ConsumedRecord` that no execution can be started with."""

    offset: int
    timestamp: int
    value: bytes | None
    """What bytes there are; those of a whole batch with its first record."""
    why: str
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = (("__express.errors.unreadable", b"true"),)
    timestamp_type: int = 0


class ConsumedRecord(Protocol):
    """What the processor reads of a polled record. `Record` is one; a client's own record class may be, too."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""

    @property
    def timestamp_type(self) -> int:
        """Whose time that is: 0 the producer's, 1 the broker's."""

    @property
    def key(self) -> bytes | None:
        """The message key."""

    @property
    def value(self) -> bytes | None:
        """The payload; None is a tombstone."""

    @property
    def headers(self) -> Headers:
        """The message headers."""


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class Position(NamedTuple):
    """What is committed for a partition: the lowest unfinished offset, and the map of finished ones above it."""

    offset: int
    metadata: str = ""


class Assignments(Protocol):
    """Who is told by a source which partitions come and go. The source waits for the answer."""

    async def assigned(self, partitions: Collection[Partition]) -> None:
        """These are ours now. Records polled before this returns may be dropped: seek decides where to begin."""

    async def revoked(self, partitions: Collection[Partition]) -> None:
        """These are going to others: what is finished may still be committed until this returns."""


class Source(Protocol):
    """A log of records in partitions that the members of a group share.

    Every method may raise SourceError: then nothing is known of the state of the source, and `stop` and a new
    `start` are the way on.
    """

    async def start(self, assignments: Assignments) -> None:
        """Join the group. `assignments` is told from now on."""

    async def stop(self) -> None:
        """Leave the group and close. Commits nothing. Does nothing when stopped already."""

    async def poll(
        self, partitions: Collection[Partition] | None, limit: int, wait_seconds: float
    ) -> Sequence[tuple[Partition, Sequence[ConsumedRecord]]]:
        """At most `limit` records of `partitions` (None: of all), in order; waits at most `wait_seconds` for one.

        No partitions: only tells the group that this member lives.
        """

    async def committed(self, partitions: Collection[Partition]) -> Mapping[Partition, Position]:
        """What the group has committed; partitions without a commit are absent."""

    async def bounds(self, partitions: Collection[Partition]) -> Mapping[Partition, tuple[int, int]]:
        """The first offset there is, and the one after the last."""

    def seek(self, partition: Partition, offset: int) -> None:
        """Poll `partition` from `offset` on."""

    def position(self, partition: Partition) -> int:
        """Where `poll` goes on: all records below were polled, or are none (markers of transactions, holes).

        -1 where that is not known.
        """

    async def commit(self, positions: Mapping[Partition, Position]) -> None:
        """Store `positions` for the group. Raises CommitRefused when the group has given them to others."""

    def lag(self) -> Mapping[Partition, int]:
        """How many records of each partition are not polled yet, as far as known."""


class Block(Protocol):
    """A record batch that has a record already and takes more of them encoded (message format 2)."""

    @property
    def records(self) -> int:
        """How many there are."""

    @property
    def room(self) -> int:
        """Bytes that may be added; below 0 where the first record is larger than the limit."""

    @property
    def since(self) -> int:
        """What the timestamps of records count from (milliseconds)."""

    def extend(self, encoded: bytes, records: int, latest: int) -> None:
        """Append so many records, numbered from `records` on; `latest` is the highest of their timestamps."""


class Refused(NamedTuple):
    """A terminal record that its topic does not take: `error` is Kafka's name for the reason, `advice` says more."""

    topic: str
    number: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    error: str
    advice: str
    size: int


class Sink(Protocol):
    """Where terminal records go. What was appended is written by `flush`, in order per output partition.

    SinkError from any method means that it is unknown what was written: `start` again, and replay.
    """

    transactional: bool
    """Whether `flush` stores the positions itself, in one transaction with the records."""

    @property
    def doubtful(self) -> Collection[Partition]:
        """Input partitions whose last transaction may be open still: their positions are to be flushed once more."""

    replace: Callable[[Refused], Outgoing]
    """Asked what is written instead of a record that its topic does not take. Raises PipelineStopped for nothing."""

    def limit_of(self, topic: str) -> int:
        """Most bytes of key, value and headers that one record of a topic may have, as far as known."""

    @property
    def waits_for(self) -> str:
        """What a flush that is under way waits for, as far as known."""

    async def start(self) -> None:
        """Connect and make sure that every topic is there. A sink that was started before begins anew."""

    async def stop(self) -> None:
        """Close; what was not flushed is lost."""

    async def open(self, partitions: Collection[Partition]) -> None:
        """Records that come from these input partitions will be appended; earlier writers of theirs are fenced."""

    async def close(self, partitions: Collection[Partition]) -> None:
        """No more records from these; what was appended and not flushed may be dropped."""

    def append(
        self,
        topic: str,
        origin: Partition,
        timestamp: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> None:
        """Add a record that comes from `origin` to what the next flush writes."""

    @property
    def pending(self) -> int:
        """Bytes appended since the last flush began."""

    async def flush(self, positions: Mapping[Partition, Position]) -> None:
        """Write what was appended before this call. When it returns, all is acknowledged by the broker.

        What is to be written is taken before the first turn of the loop: `positions` cover that and no more.
        Not called while another flush runs; `append` may be.
        """


class Clock(Protocol):
    """The time of a host. Engine time (`now`) is `monotonic`; `wall` is for what people read."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    def wall(self) -> float:
        """Seconds since 1970."""


class Identity(Protocol):
    """What a task may know of the execution that calls it."""

    @property
    def execution_arn(self) -> str:
        """The execution's ARN."""

    @property
    def state_machine_name(self) -> str:
        """The machine's name."""

    @property
    def trace(self) -> tuple[str, str] | None:
        """W3C traceparent and tracestate of what caused the execution."""

    @property
    def account(self) -> int:
        """What `Outbox` and `Machines` of its host know its record by; 0: none."""


class TaskContext(msgspec.Struct, frozen=True, gc=False):
    """What an integration may know of the execution that calls it, besides the StartTask effect."""

    execution_arn: str
    state_machine_name: str
    deadline: float  # monotonic seconds: when nobody waits for the answer any more
    trace: tuple[str, str] | None = None  # W3C traceparent and tracestate of what caused the execution
    account: int = 0  # what `Outbox` and `Machines` of its host know the record by that it runs for; 0: none


Describe: TypeAlias = Callable[[JSON, Any], tuple[StartTask, TaskContext]]
"""(payload, site) → the effect and the context of a call, for whoever wants to know more than its payload."""

Direct: TypeAlias = Callable[[JSON, Any], JSON | Awaitable[JSON]]
"""(payload, site) → what `Integration.start` would answer or raise. `site` is only there for `Describe`."""


class Submitted(msgspec.Struct, frozen=True):
    """What an integration answers for a task that goes on after its first request: `output` is that one's response.

    `then` waits for the outcome (`.sync`); None: it will come by the task's token (`.waitForTaskToken`).
    """

    output: JSON
    then: Callable[[], Awaitable[JSON]] | None = None


class Tally(Protocol):
    """Counts the calls of the short way to a resource. `clock` gives seconds, `began` is what it gave first."""

    at_once: list[float]
    """[calls, seconds] of those that were answered at once, within QUICK_SECONDS; whoever calls adds to it."""

    @property
    def clock(self) -> Callable[[], float]:
        """The clock."""

    def succeeded(self, began: float) -> None:
        """A call was answered at once that took longer."""

    def failed(self, error: StatesError, began: float) -> None:
        """A call has raised."""

    def awaited(self, answer: Awaitable[JSON], began: float) -> Awaitable[JSON]:
        """A call has answered with something to await: to be awaited instead."""


QUICK_SECONDS = 0.001
"""What takes no longer is in the first bucket of every histogram."""


class Binding(Protocol):
    """An `Integration` whose calls have a short way: what can be found out once per resource is."""

    def bind(self, resource: Any, describe: Describe, tally: Tally | None = None) -> Direct | None:
        """The short way to a compiled resource; None where every call has to go through `start`.

        The calls of that way are counted in `tally`.
        """


class Integration(Protocol):
    """Performs the calls of one kind of resource. It may be a `Binding` as well."""

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Perform the call: the raw task result, at once or awaited.

        Raises StatesError with the error name and cause that Retry and Catch are to see. Any other
        exception is a bug of the integration and fails the task as States.Runtime. Cancelling the
        awaitable means nobody wants the answer.
        """


class ChildRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A nested execution that is wanted. `text` is the input as JSON text, `data` the same parsed.

    `identity` is a UUID that is the same for every replay of the step that starts it. `account` is that of the
    execution whose task this is: a child runs for the same record. `sync`: somebody waits for its end. `pattern`: as
    in the resource, "sync" or "sync:2".
    """

    machine_arn: str
    name: str
    identity: str
    text: str
    data: JSON
    sync: bool
    account: int = 0
    pattern: str = ""
    trace_header: str | None = None
    trace: tuple[str, str] | None = None


class ChildEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How a nested execution ended. `output` is JSON text; `stopped` is wall-clock seconds."""

    status: str
    stopped: float
    output: str | None = None
    error: str | None = None
    cause: str | None = None
    billed_ms: int = 0
    billed_mb: int = 0


class Child(Protocol):
    """A nested execution."""

    @property
    def execution_arn(self) -> str:
        """Its ARN."""

    @property
    def machine_arn(self) -> str:
        """Its state machine."""

    @property
    def started(self) -> float:
        """Wall-clock seconds."""

    @property
    def end(self) -> ChildEnd | None:
        """How it ended; None while it runs."""

    async def wait(self) -> ChildEnd:
        """Its end. When the caller is cancelled the execution is stopped."""

    def when_over(self, then: Callable[[], None]) -> None:
        """Call `then` once it has ended or was given up; at once if that is so already."""


class Machines(Protocol):
    """State machines whose executions can be started in this process."""

    def knows(self, machine_arn: str) -> bool:
        """Whether there is a machine for this ARN."""

    def nearest(self, machine_arn: str) -> str | None:
        """The name of the machine that was probably meant."""

    def find(self, machine_arn: str) -> Any | Awaitable[Any]:
        """The machine of an ARN, for `start`. Raises ApiError with the code that StartExecution would answer with."""

    def start(self, machine: Any, request: ChildRequest) -> Child:
        """Start an execution, which may run to its end at once. Raises ApiError as `find`."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A record that a task produces. `partition` None: chosen by the key, as Kafka's clients do.

    `origin`: the input partition that it comes from, where that decides.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    origin: Partition | None = None


class Placed(NamedTuple):
    """Where a record lies, and when the broker says it came, in wall-clock seconds."""

    partition: Partition
    offset: int
    timestamp: float


class Outbox(Protocol):
    """Records that are written together with the result of the execution that produced them, or not at all."""

    def takes(self, account: int) -> bool:
        """Whether the results of an account are written in transactions, so that its records must be, too."""

    def add(self, account: int, record: Outgoing) -> Partition:
        """Write `record` with the execution's result; where it will lie. Raises SinkError for what can't be written."""


GOLDEN, MASK = 2_654_435_769, 0xFFFF_FFFF
"""2^32 divided by the golden ratio: multiplied by it, numbers that follow each other are spread evenly."""


class Tracing(Protocol):
    """Who takes ended executions as traces. The host asks nobody but these two numbers (`telemetry.trace_sampling`):

    an execution is sampled, and recorded, where `offset * GOLDEN & MASK < threshold`; it is told where it was
    sampled, did not succeed, or took longer than `slow` seconds.
    """

    @property
    def threshold(self) -> int:
        """The share of all executions, of 2^32."""

    @property
    def slow(self) -> float:
        """Who takes longer is one of the slowest."""

    def ended(
        self, about: About, finish: Finish, seconds: float, history: History | None, partition: Partition, offset: int
    ) -> None:
        """Take the execution of a record. Must be quick and never raise."""


class LogSink(Protocol):
    """Where execution logs go. Must be quick and never raise; what it can't take it counts and drops."""

    @property
    def dropped(self) -> int:
        """Log events that nobody will see."""

    def write(self, lines: bytes, execution_arn: str) -> None:
        """Take the log lines of one execution."""


class Topics(Protocol):
    """Kafka topics that records can be put into."""

    async def produce(self, record: Outgoing) -> Placed:
        """Put a record in; returns once it can't be lost. Raises SinkError where that is not known."""
