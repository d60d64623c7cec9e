"""Dependents of an execution: executions that it has started, records that it has produced.

A record is finished when all that it led to is. So its result is written once the executions started on its behalf
have ended, and the records produced on its behalf are written with it: in exactly-once mode in the same transaction.
When a partition is given up, all of that is given up with it; whoever has it next runs the record again.

Only pipelines whose workflows start executions or produce records keep account of this.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, Protocol, cast

from express.errors import SinkError
from express.ports import Outgoing, Partition, Sink
from express.runtime.executor.executor import Executor, Run


class Producing(Protocol):
    """A transactional sink that takes records of executions."""

    def produce(self, origin: Partition, record: Outgoing, timestamp: int) -> None:
        """Add a record to the next transaction of the input partition `origin`."""

    def chosen(self, origin: Partition, record: Outgoing) -> Partition:
        """The partition that a record goes to. Raises SinkError where the topic has none such."""


class Attached:
    """The dependents of one execution. `then` is called when the last of `children` is over."""

    __slots__ = ("children", "origin", "records", "sink", "then")

    def __init__(self, origin: Partition, sink: Producing | None) -> None:
        self.origin = origin
        self.sink = sink
        self.children: set[Run] = set()
        self.records: list[Outgoing] = []
        self.then: Callable[[], None] | None = None


class Attachments:
    """An account of dependents for each execution of a worker that runs for a record.

    Accounts have numbers of their own, which no two runs share: the ARN of an execution is that of all records with
    the same event where the event decides (`input.execution_name`), and of the same record's earlier life.
    """

    def __init__(self) -> None:
        self._accounts: dict[int, Attached] = {}
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._accounts)

    def open(self, origin: Partition, sink: Sink) -> int:
        """An execution of a record begins: the number of its account, for it and all that it starts."""
        producing = cast(Producing, sink) if sink.transactional and hasattr(sink, "produce") else None
        number = next(self._numbers)
        self._accounts[number] = Attached(origin, producing)
        return number

    # Executions -------------------------------------------------------------------------------------

    def hold(self, account: int, run: Run) -> None:
        """A child has not ended at once: its record waits for it."""
        attached = self._accounts.get(account)
        if attached is not None:
            attached.children.add(run)

    def leave(self, account: int, run: Run) -> None:
        """A child has ended, or was given up."""
        attached = self._accounts.get(account)
        if attached is None or run not in attached.children:
            return  # nobody's, or given up with its record
        attached.children.discard(run)
        then = attached.then
        if then is not None and not attached.children:
            attached.then = None
            then()

    def wait(self, account: int, then: Callable[[], None]) -> bool:
        """Return whether executions that one has started still run; if so, `then` is called when none does any more."""
        attached = self._accounts.get(account)
        if attached is None or not attached.children:
            return False
        attached.then = then
        return True

    def forget(self, account: int, executor: Executor) -> None:
        """Give up an execution, with all that hangs on it."""
        attached = self._accounts.pop(account, None)
        if attached is None:
            return
        children, attached.children, attached.then = attached.children, set(), None
        for run in children:
            executor.drop(run)
            tell: Any = run.item
            tell()  # whoever started it counts it

    # Records ----------------------------------------------------------------------------------------

    def takes(self, account: int) -> bool:
        """Return whether the results of an account are written in transactions, so that its records must be, too."""
        attached = self._accounts.get(account)
        return attached is not None and attached.sink is not None

    def add(self, account: int, record: Outgoing) -> Partition:
        """Write `record` with the execution's result; where it will lie. Raises SinkError for what can't be written."""
        attached = self._accounts.get(account)
        if attached is None or attached.sink is None:
            raise SinkError("the execution writes in no transaction")
        chosen = attached.sink.chosen(attached.origin, record)
        attached.records.append(record)
        return chosen

    def write(self, account: int, timestamp: int) -> None:
        """An execution's result is about to be written: append what it has produced before it."""
        attached = self._accounts.pop(account, None)
        if attached is not None and attached.sink is not None:
            for record in attached.records:
                attached.sink.produce(attached.origin, record, timestamp)
