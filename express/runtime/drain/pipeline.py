"""What a pipeline is told: the workflow it runs, where results go, and how much it may hold."""

from __future__ import annotations

from typing import Literal

import msgspec

from express.engine.program import EXECUTION_SECONDS, Program
from express.metering import used_memory
from express.ports import Tracing
from express.runtime.dependents import Attachments
from express.runtime.drain.commit_metadata import IN_FLIGHT_LIMIT
from express.values import PAYLOAD_LIMIT

Ordering = Literal["key", "partition", "none"]

Envelope = Literal["value", "record", "pipes", "cloudevents"]

Choice = Literal["default", "dead_letter"]
"""What becomes of a record that names no workflow, or none of its pipeline."""


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled state machine and the names its executions carry."""

    name: str
    program: Program
    region: str = "us-east-1"
    account: str = "123456789012"
    role_arn: str = ""

    @property
    def arn(self) -> str:
        """The state machine's ARN."""
        return f"arn:aws:states:{self.region}:{self.account}:stateMachine:{self.name}"

    @property
    def execution_prefix(self) -> str:
        """Return what the ARNs of its Express executions begin with (spec/api.md): name and UUID follow."""
        return f"arn:aws:states:{self.region}:{self.account}:express:{self.name}:"

    @property
    def memory(self) -> int:
        """Bytes that an execution is said to use before its data."""
        return used_memory(self.program.size, 0)


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow over one or more input topics. The reasons for the defaults: reliability.md §1.4.

    `key` ordering: executions of one key never overlap and their results keep the order of their offsets;
    records without a key are free. `partition`: the same for a whole partition. `none`: no order at all.
    """

    name: str
    workflow: Workflow
    output: str
    dead_letters: str
    ordering: Ordering = "key"
    concurrency: int = 10_000
    """Executions in flight and records waiting behind them."""
    concurrency_per_partition: int = IN_FLIGHT_LIMIT
    heap_bytes: int = 128 << 20
    """Estimated memory of what is in flight; intake stops at 80 % and goes on at 60 %."""
    output_bytes: int = 16 << 20
    """Results not yet handed to the sink's flush; intake stops above."""
    payload_limit: int = PAYLOAD_LIMIT
    time_limit: float = EXECUTION_SECONDS
    commit_seconds: float = 1.0
    commit_records: int = 500
    transaction_seconds: float = 0.1
    """A transactional sink is flushed this often, or after `commit_records`."""
    drain_seconds: float = 30.0
    """How long a stop waits for executions in flight."""
    rebalance_drain_seconds: float = 30.0
    """The same for a rebalance; below the group's rebalance timeout."""
    worker: str = ""
    """Who writes dead letters, for their header."""
    attached: Attachments | None = None
    tracer: Tracing | None = None
    """Where account is kept of what executions start and produce; None for workflows that do neither."""
    envelope: Envelope = "value"
    """What executions get as their input."""
    bootstrap_servers: str = ""
    """The cluster, as inputs in the form of EventBridge Pipes name it."""
    execution_name: Literal["offset", "event"] = "offset"
    """`event`: name and ARN of an execution come from source and id of its CloudEvent."""
    workflows: tuple[Workflow, ...] = ()
    """Further workflows, which a record may choose by `workflow_header`."""
    workflow_header: str = ""
    workflow_absent: Choice = "default"
    workflow_unknown: Choice = "dead_letter"
    copy_headers: tuple[str, ...] = ()
    """Headers of the input that results have, too."""
    cloudevents: Literal["off", "binary", "structured"] = "off"
    """Whether results are CloudEvents, and in which mode."""
