"""What belongs to an execution beyond its result: executions that it has started, records that it has produced.

A record is finished when all that it led to is. So its result is written once the executions started on its behalf
have ended, and the records produced on its behalf are written with it: in exactly-once mode in the same transaction.
When a partition is given up, all of that is given up with it; whoever has it next runs the record again.

Only pipelines whose workflows start executions or produce records keep account of this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

from express.errors import SinkError
from express.ports import Outgoing, Partition, Sink
from express.runtime.executor import Executor, Run


class Producing(Protocol):
    """A transactional sink that takes records of executions."""

    def produce(self, origin: Partition, record: Outgoing, timestamp: int) -> None:
        """Add a record to the next transaction of the input partition `origin`."""

    def chosen(self, origin: Partition, record: Outgoing) -> Partition:
        """The partition that a record goes to. Raises SinkError where the topic has none such."""


class Attached:
    """What hangs on one execution. `then` is called when the last of `children` is over."""

    __slots__ = ("children", "origin", "records", "sink", "then")

    def __init__(self, origin: Partition, sink: Producing | None) -> None:
        self.origin = origin
        self.sink = sink
        self.children: set[Run] = set()
        self.records: list[Outgoing] = []
        self.then: Callable[[], None] | None = None


class Attachments:
    """What hangs on the executions of a worker that run for records: an account for each, by its ARN."""

    def __init__(self) -> None:
        self._roots: dict[str, Attached] = {}
        self._of_child: dict[str, Attached] = {}

    def __len__(self) -> int:
        return len(self._roots)

    # Executions -------------------------------------------------------------------------------------

    def open(self, arn: str, origin: Partition, sink: Sink) -> None:
        """An execution of a record begins."""
        producing = cast(Producing, sink) if sink.transactional and hasattr(sink, "produce") else None
        self._roots[arn] = Attached(origin, producing)

    def adopt(self, child_arn: str, parent_arn: str) -> None:
        """An execution that begins belongs to the record that its parent, or the parent's parent, was started with."""
        attached = self._of(parent_arn)
        if attached is not None:
            self._of_child[child_arn] = attached

    def hold(self, child_arn: str, run: Run) -> None:
        """An adopted execution has not ended at once: its record waits for it."""
        attached = self._of_child.get(child_arn)
        if attached is not None:
            attached.children.add(run)

    def leave(self, child_arn: str, run: Run | None) -> None:
        """A child has ended, at once if it has no run, or was given up."""
        attached = self._of_child.get(child_arn)
        if run is None:
            self._of_child.pop(child_arn, None)
            return
        if attached is None or run not in attached.children:
            return  # nobody's, or of an earlier life of the record
        attached.children.discard(run)
        del self._of_child[child_arn]
        then = attached.then
        if then is not None and not attached.children:
            attached.then = None
            then()

    def wait(self, arn: str, then: Callable[[], None]) -> bool:
        """Whether executions that one has started still run; if so, `then` is called when none does any more."""
        attached = self._roots.get(arn)
        if attached is None or not attached.children:
            return False
        attached.then = then
        return True

    def forget(self, arn: str, executor: Executor) -> None:
        """Give up an execution, with all that hangs on it."""
        attached = self._roots.pop(arn, None)
        if attached is None:
            return
        children, attached.children, attached.then = attached.children, set(), None
        attached.sink = None
        for run in children:
            executor.drop(run)
            child_arn = run.x.about.execution_arn
            if self._of_child.get(child_arn) is attached:
                del self._of_child[child_arn]
            tell: Any = run.item
            tell()  # whoever started it counts it

    # Records ----------------------------------------------------------------------------------------

    def takes(self, execution_arn: str) -> bool:
        """Whether an execution's results are written in transactions, so that its records must be, too."""
        attached = self._of(execution_arn)
        return attached is not None and attached.sink is not None

    def add(self, execution_arn: str, record: Outgoing) -> Partition:
        """Write `record` with the execution's result; where it will lie. Raises SinkError for what can't be written."""
        attached = self._of(execution_arn)
        if attached is None or attached.sink is None:
            raise SinkError(f"{execution_arn} writes in no transaction")
        chosen = attached.sink.chosen(attached.origin, record)
        attached.records.append(record)
        return chosen

    def write(self, arn: str, timestamp: int) -> None:
        """An execution's result is about to be written: append what it has produced before it."""
        attached = self._roots.pop(arn, None)
        if attached is not None and attached.sink is not None:
            for record in attached.records:
                attached.sink.produce(attached.origin, record, timestamp)

    def _of(self, arn: str) -> Attached | None:
        return self._roots.get(arn) or self._of_child.get(arn)
