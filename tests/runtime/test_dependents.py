"""What hangs on a record's execution: children that it started, records that it produced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from express.compiler import compile_definition
from express.config import Config, Kafka, Nested
from express.errors import SinkError
from express.integrations import ExternalIntegrations, InProcess, Integrations, LocalFunctions, table
from express.ports import Outgoing, Partition, Position
from express.runtime.dependents import Attachments
from express.runtime.drain.pipeline import Workflow
from express.service.child_executions.worker import WorkerMachines
from express.values import JSON, dumps, loads
from tests.runtime.memory import MemorySink
from tests.runtime.rig import Rig, Worker, header, until
from tests.runtime.virtual import clock, run_virtual

PRODUCE = "arn:express:kafka:::produce"
START = "arn:aws:states:::states:startExecution"
CHILD = "arn:aws:states:us-east-1:123456789012:stateMachine:child"


def machine(*states: dict[str, JSON]) -> JSON:
    """States one after the other."""
    names = [f"S{n}" for n in range(len(states))]
    after: list[dict[str, JSON]] = [{"Next": name} for name in names[1:]]
    after.append({"End": True})
    return {
        "StartAt": "S0",
        "States": {name: {**state, **end} for name, state, end in zip(names, states, after, strict=True)},
    }


def produce(key: str | None = None, **request: JSON) -> dict[str, JSON]:
    given = {"Topic": "audit", "Value.$": "$", **({"Key": key} if key else {"Key.$": "$.id"}), **request}
    return {"Type": "Task", "Resource": PRODUCE, "Parameters": given, "ResultPath": "$.produced"}


WAIT: dict[str, JSON] = {"Type": "Wait", "Seconds": 5}
STARTED: dict[str, JSON] = {
    "Type": "Task",
    "Resource": START,
    "Parameters": {"StateMachineArn": CHILD, "Input.$": "$"},
    "ResultPath": "$.started",
}


class Transactions(MemorySink):
    """A transactional sink: records and positions in one step, or not at all."""

    transactional = True
    doubtful = ()

    def __init__(self, rig: Rig) -> None:
        super().__init__(rig.log, "out", "dead", "audit")
        self.group = rig.group
        self.origins: list[int] = []

    def chosen(self, origin: Partition, record: Outgoing) -> Partition:
        number = record.partition or 0
        if number >= self.log.count(record.topic):
            raise SinkError("no such partition")
        return Partition(record.topic, number)

    def produce(self, origin: Partition, record: Outgoing, timestamp: int) -> None:
        self.origins.append(origin.number)
        self.append(record.topic, origin, timestamp, record.key, record.value, record.headers)

    async def flush(self, positions: Mapping[Partition, Position]) -> None:
        await super().flush(positions)
        self.group.committed.update(positions)


def house(parent: JSON, child: JSON, old: Rig | None = None, **settings: Any) -> tuple[Rig, WorkerMachines]:
    """A rig whose workflow starts `child` and may produce into `audit`. `old`: another process, the same topics."""
    attached, config = Attachments(), Config(kafka=Kafka(produce=["audit"]))
    machines = WorkerMachines(clock(), Nested(), attached)
    local = LocalFunctions({})
    rig = Rig(compile_definition(dumps(parent)), log=None if old is None else old.log, attached=attached, **settings)
    rig.group = rig.group if old is None else old.group
    rig.log.partitions.setdefault(Partition("audit", 0), [])
    machines.add(Workflow(name="child", program=compile_definition(dumps(child))))
    outside = ExternalIntegrations(config, local, InProcess(machines=machines, outbox=attached))
    rig.function: Any = Integrations(table(local, outside))
    return rig, machines


def start(rig: Rig, machines: WorkerMachines) -> Worker:
    worker = rig.worker(Transactions(rig))
    machines.bind(worker.executor)
    return worker


def test_a_record_is_finished_when_its_children_are() -> None:
    """The result of a parent that has ended is written, and its offset committed, once the child has ended, too."""

    async def main() -> None:
        rig, machines = house(machine(STARTED), machine(WAIT))
        start(rig, machines)
        rig.put({"id": "1"})
        await until(lambda: machines.counters)
        before = rig.results, rig.committed()
        await until(lambda: rig.results)
        await rig.stop()

        assert (before[0], (before[1] or (0, ""))[0]) == ([], 0)
        assert [header(result, "express.status") for result in rig.results] == ["SUCCEEDED"]
        assert machines.counters["child"].succeeded == 1
        assert rig.committed()[0] == 1  # type: ignore[index] # committed by the stop

    run_virtual(main())


def test_records_are_written_with_the_result() -> None:
    """What is produced early is seen when the execution has ended, before its result, in the same transaction."""

    async def main() -> None:
        rig, machines = house(machine(produce(), WAIT), machine(WAIT))
        start(rig, machines)
        rig.put({"id": "1"})
        await until(lambda: rig.workers[0].counters.started == 1)
        before = rig.log.read("audit")
        await until(lambda: rig.results)
        await rig.stop()
        (audit,) = rig.log.read("audit")

        assert before == []
        assert (audit.key, loads(audit.value or b"")) == (b"1", {"id": "1"})
        assert loads(rig.results[0].value or b"")["produced"] == {
            "Partition": 0,
            "Topic": "audit",
            "Transactional": True,
        }
        assert header(audit, "express.idempotency-key") is not None

    run_virtual(main())


def test_records_of_children_are_their_parents() -> None:
    """A child produces into the transaction of the record that it runs for, though its parent has ended."""

    async def main() -> None:
        rig, machines = house(machine(STARTED), machine(WAIT, produce()))
        start(rig, machines)
        rig.put({"id": "1"})
        await until(lambda: rig.results)
        await rig.stop()

        assert [record.key for record in rig.log.read("audit")] == [b"1"]

    run_virtual(main())


def test_records_of_children_that_end_at_once_are_their_parents_too() -> None:
    """A child whose first state produces does so before anybody has seen its run: in the same transaction."""

    async def main() -> None:
        rig, machines = house(machine(STARTED), machine(produce()))
        start(rig, machines)
        rig.put({"id": "1"})
        await until(lambda: rig.results)
        await rig.stop()

        assert [record.key for record in rig.log.read("audit")] == [b"1"]
        assert machines.counters["child"].succeeded == 1

    run_virtual(main())


def test_events_that_come_twice_have_an_account_each() -> None:
    """Two records with the same event run at once under one ARN; what either produces is in its own transaction."""

    async def main() -> None:
        definitions = machine(produce(), STARTED, WAIT, produce("late")), machine(WAIT, WAIT, produce("child"))
        rig, machines = house(*definitions, partitions=2, envelope="cloudevents", execution_name="event")
        sink = Transactions(rig)
        machines.bind(rig.worker(sink).executor)
        event = {"specversion": "1.0", "id": "e-1", "source": "/line-1", "type": "reading"}
        headers = [("content-type", b"application/cloudevents+json")]
        rig.put(event, headers=headers)
        rig.put(event, headers=headers, partition=1)
        await until(lambda: len(rig.results) == 2)
        await rig.stop()
        arns = {header(result, "express.execution-arn") for result in rig.results}

        assert ([header(result, "express.status") for result in rig.results], len(arns)) == (["SUCCEEDED"] * 2, 1)
        assert sorted(sink.origins) == [0, 0, 0, 1, 1, 1]
        assert sorted(record.key or b"" for record in rig.log.read("audit")) == sorted([b"e-1", b"late", b"child"] * 2)
        assert machines.counters["child"].succeeded == 2

    run_virtual(main())


def test_a_killed_worker_leaves_nothing_behind() -> None:
    """What a worker produced and started for a record it never finished is done once, by whoever runs it again."""

    async def main() -> None:
        definitions = machine(produce(), STARTED), machine(WAIT, produce("child"))
        rig, machines = house(*definitions)
        first = start(rig, machines)
        rig.put({"id": "1"})
        await until(lambda: machines.counters)
        await first.kill()
        await first.executor.close()
        rig, machines = house(*definitions, old=rig)
        start(rig, machines)
        await until(lambda: rig.results)
        await rig.stop()

        assert [record.key for record in rig.log.read("audit")] == [b"1", b"child"]
        assert len(rig.results) == 1

    run_virtual(main())


def test_a_revoked_partition_takes_children_along() -> None:
    """Children of a record whose partition is given up are stopped and counted as abandoned."""

    async def main() -> None:
        rig, machines = house(machine(STARTED), machine({"Type": "Wait", "Seconds": 200}))
        rig.settings["drain_seconds"] = 1.0
        start(rig, machines)
        rig.put({"id": "1"})
        await until(lambda: machines.counters)
        await rig.stop()
        counters = machines.counters["child"]

        assert (counters.started, counters.aborted, counters.abandoned) == (1, 1, 1)
        assert (rig.results, len(rig.machine.resources)) == ([], 1)

    run_virtual(main())


def test_a_partition_that_is_not_there_fails_the_task() -> None:
    """What no topic takes must not get into a transaction, which would fail for ever."""

    async def main() -> None:
        rig, machines = house(machine(produce(Partition=7)), machine(WAIT))
        start(rig, machines)
        rig.put({"id": "1"})
        await until(lambda: rig.results)
        await rig.stop()

        assert header(rig.results[0], "express.error") == "Kafka.ProduceFailed"
        assert rig.log.read("audit") == []

    run_virtual(main())
