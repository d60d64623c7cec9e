"""A pipeline of one worker: its workflows, its configuration, and what the worker adds."""

from __future__ import annotations

import msgspec

from express.config import Pipeline as Settings
from express.engine.program import Program
from express.metering import used_memory
from express.ports import Tracing
from express.runtime.dependents import Attachments


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
        """Return what the ARNs of its Express executions begin with: name and UUID follow."""
        return f"arn:aws:states:{self.region}:{self.account}:express:{self.name}:"

    @property
    def memory(self) -> int:
        """Bytes that an execution is said to use before its data."""
        return used_memory(self.program.size, 0)


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """One workflow over one or more input topics: `[[pipelines]]` of the configuration, and what a worker adds.

    `key` ordering: executions of one key never overlap and their results keep the order of their offsets;
    records without a key are free. `partition`: the same for a whole partition. `none`: no order at all.
    """

    settings: Settings
    workflow: Workflow
    workflows: tuple[Workflow, ...] = ()
    """Further workflows, which a record may choose by `settings.input.workflow_header`."""
    output_bytes: int = 16 << 20
    """Results not yet handed to the sink's flush; intake stops above."""
    commit_seconds: float = 1.0
    commit_records: int = 500
    transaction_seconds: float = 0.1
    """A transactional sink is flushed this often, or after `commit_records`."""
    drain_seconds: float = 30.0
    """Seconds that a stop waits for executions in flight."""
    rebalance_drain_seconds: float = 30.0
    """The same for a rebalance; below the group's rebalance timeout."""
    worker: str = ""
    """Name of the worker, for the headers of its dead letters."""
    attached: Attachments | None = None
    """Accounts of what executions start and produce; None for workflows that do neither."""
    tracer: Tracing | None = None
    bootstrap_servers: str = ""
    """The cluster, as inputs in the form of EventBridge Pipes name it."""

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.settings.name
