"""Which workflow a record is for: the pipeline's, or the one that a header names.

Whoever may write to a topic can write any header, so that a name is looked up among the workflows of the pipeline and
means nothing beyond.
"""

from __future__ import annotations

from hashlib import sha256

from express.errors import RUNTIME
from express.ports import Headers, Partition
from express.runtime.counters import Counters
from express.runtime.drain.pipeline import Pipeline, Workflow
from express.runtime.meter import Meter
from express.runtime.records.json_input import POISON, Rejected
from express.runtime.records.terminal_record import Naming

SHOWN = 80
"""Characters of a foreign name in a cause."""


class Machine:
    """One workflow of a pipeline: the names of its executions, and what they count."""

    __slots__ = ("_namings", "arn", "counters", "meter", "name", "program", "role_arn", "workflow")

    def __init__(self, workflow: Workflow, counters: Counters) -> None:
        self.workflow = workflow
        self.program = workflow.program
        self.name = workflow.name
        self.arn = workflow.arn
        self.role_arn = workflow.role_arn
        self.counters = counters
        self.meter = Meter(workflow, counters)
        self._namings: dict[Partition, Naming] = {}

    def naming(self, partition: Partition) -> Naming:
        """The names of executions that come from `partition`."""
        naming = self._namings.get(partition)
        if naming is None:
            naming = self._namings[partition] = Naming(self.workflow.execution_prefix, partition)
        return naming

    def event_arn(self, source: str, event_id: str) -> tuple[str, str]:
        """Name and ARN of the execution of a CloudEvent: the same wherever and however often it was written."""
        digest = sha256(f"{self.workflow.execution_prefix}\0{source}\0{event_id}".encode()).hexdigest()
        name = event_id if is_name(event_id) else digest[:32]
        uuid = f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-8{digest[15:18]}-{digest[18:30]}"
        return name, f"{self.workflow.execution_prefix}{name}:{uuid}"


def is_name(text: str) -> bool:
    """Return whether an execution may have this name, without a second thought about characters.

    >>> is_name("order-17"), is_name("a:b"), is_name("")
    (True, False, False)
    """
    return 0 < len(text) <= 80 and text.isascii() and text.replace("-", "").replace("_", "").replace(".", "").isalnum()


class Router:
    """Finds the machine of a record. `counters` are those of the pipeline's own workflow."""

    def __init__(self, pipeline: Pipeline, counters: Counters) -> None:
        self._pipeline = pipeline
        self._header = pipeline.settings.input.workflow_header
        self.default = Machine(pipeline.workflow, counters)
        self.machines = [self.default, *(Machine(workflow, Counters()) for workflow in pipeline.workflows)]
        self._by_name = {name: machine for machine in self.machines for name in (machine.name, machine.arn)}

    def choose(self, headers: Headers) -> Machine:
        """The machine that the header names, by its name or ARN. Raises Rejected where it may not be the default."""
        if not self._header:
            return self.default
        named = None
        for header, content in headers:
            if header == self._header:
                named = (content or b"").decode("utf-8", "backslashreplace")
        if named is None:
            if self._pipeline.settings.input.workflow_absent == "default":
                return self.default
            raise Rejected(POISON, RUNTIME, f"The record has no header {self._header!r}, which names its workflow.")
        machine = self._by_name.get(named)
        if machine is not None:
            return machine
        if self._pipeline.settings.input.workflow_unknown == "default":
            return self.default
        known = ", ".join(machine.name for machine in self.machines)
        cause = f"The header {self._header!r} names {named[:SHOWN]!r}; the workflows of this pipeline are: {known}."
        raise Rejected(POISON, RUNTIME, cause)
