"""Executions that start executions in the same process: results, errors, guards, metering, history."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from express.compiler import compile_definition
from express.config import Aws, Config, Function, Nested, Pipeline
from express.engine import About, History
from express.engine.effects import Finish
from express.errors import ConfigError
from express.integrations import ExternalIntegrations, InProcess, Integrations, LocalFunctions, table
from express.runtime.clock import SystemClock
from express.runtime.drain.pipeline import Workflow
from express.runtime.executor.executor import Executor
from express.service.child_executions.worker import WorkerMachines
from express.service.single_run import run_once
from express.service.workflows import compile_callable
from express.telemetry.execution_log.events import log_events
from express.values import JSON, dumps, loads
from tests.integrations.calling import EXECUTION, STATES
from tests.patience import PATIENCE

MEMBERS = {"BillingDetails", "ExecutionArn", "Input", "InputDetails", "Name", "Output", "OutputDetails"}
MEMBERS |= {"StartDate", "StateMachineArn", "Status", "StopDate"}
ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:"
SYNC = f"{STATES}aws-sdk:sfn:startSyncExecution"
ASYNC = f"{STATES}states:startExecution"
ECHO: JSON = {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}
FAIL: JSON = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Sold", "Cause": "out"}}}
WAIT: JSON = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 30, "End": True}}}


def calls(machine: str, resource: str = SYNC, **fields: Any) -> JSON:
    """A machine that starts another with its own input."""
    request = {"StateMachineArn": ARN + machine, "Input.$": "$"}
    task = {"Type": "Task", "Resource": resource, "Parameters": request, "End": True, **fields}
    return {"StartAt": "T", "States": {"T": task}}


class House:
    """A few machines on one executor, as a worker has them."""

    def __init__(self, machines: dict[str, JSON], functions: dict[str, Function] | None = None, **nested: int) -> None:
        self.machines = WorkerMachines(SystemClock(), Nested(**nested))
        self.machines.name(set(machines))
        local = LocalFunctions(functions or {})
        self.outside = ExternalIntegrations(Config(nested=Nested(**nested)), local, InProcess(machines=self.machines))
        self.integrations = Integrations(table(local, self.outside))
        self.executor = Executor(SystemClock(), self.integrations)
        self.machines.bind(self.executor)
        self.programs = {name: compile_definition(dumps(machine)) for name, machine in machines.items()}
        for name, program in self.programs.items():
            self.machines.add(Workflow(name=name, program=program))

    async def run(
        self, name: str, data: JSON, history: History | None = None, trace: tuple[str, str] | None = None
    ) -> tuple[Finish, Any]:
        ended = asyncio.get_running_loop().create_future()
        about = About(execution_arn=EXECUTION, state_machine_name=name, started=1e9, trace=trace)
        x, run = self.executor.submit(
            self.programs[name], data, about, lambda _run, _end: ended.set_result(None), history=history
        )
        if run is not None:
            await ended
            x = run.x
        assert x.finished is not None
        return x.finished, x


async def test_a_synchronous_child_gives_the_response_of_start_sync_execution() -> None:
    """Every member as the SDK's, Output as text, times in ISO form, what it would be billed."""
    finish, _ = await House({"shop": calls("echo"), "echo": ECHO}).run("shop", {"n": 1})
    output = finish.output

    assert finish.status == "SUCCEEDED"
    assert set(output) == MEMBERS
    assert output["BillingDetails"] == {"BilledDurationInMilliseconds": 100, "BilledMemoryUsedInMB": 64}
    assert output["ExecutionArn"].startswith("arn:aws:states:us-east-1:123456789012:express:echo:")
    assert (output["Input"], output["Output"], output["Status"]) == ('{"n":1}', '{"n":1}', "SUCCEEDED")
    assert output["StateMachineArn"] == f"{ARN}echo"
    assert output["StopDate"].endswith("Z")


async def test_a_child_has_the_trace_of_its_parent() -> None:
    """What caused the parent caused the child, too; its functions are told."""
    told = {"told": Function(handler="tests.integrations.handlers:attributes", mode="inline")}
    leaf = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": "told", "End": True}}}
    house = House({"parent": calls("leaf"), "leaf": leaf}, told)
    finish, _ = await house.run("parent", {}, trace=("00-a-b-01", "v=1"))
    output = loads(finish.output["Output"])

    assert (output["traceparent"], output["tracestate"]) == ("00-a-b-01", "v=1")


async def test_a_failed_child_does_not_fail_the_task() -> None:
    """Its status, error and cause are the task's result; what to make of them is the state's business."""
    finish, _ = await House({"shop": calls("fail"), "fail": FAIL}).run("shop", {})

    assert finish.status == "SUCCEEDED"
    assert [finish.output[name] for name in ("Status", "Error", "Cause")] == ["FAILED", "Sold", "out"]
    assert "Output" not in finish.output


async def test_an_asynchronous_child_is_not_waited_for() -> None:
    """StartExecution answers at once with the ARN and Java's milliseconds; the child runs on and is counted."""
    house = House(
        {"shop": calls("slow", ASYNC), "slow": {**WAIT, "States": {"W": {**WAIT["States"]["W"], "Seconds": 1}}}}
    )
    finish, _ = await house.run("shop", {"n": 1})
    running = house.machines.counters["slow"].in_flight
    await house.machines.idle()
    counters = house.machines.counters["slow"]

    assert sorted(finish.output) == ["ExecutionArn", "SdkHttpMetadata", "SdkResponseMetadata", "StartDate"]
    assert type(finish.output["StartDate"]) is int
    assert (running, counters.started, counters.succeeded, counters.in_flight) == (1, 1, 1, 0)


async def test_a_child_is_metered_on_its_own() -> None:
    """The child's requests, transitions and duration are its machine's; the parent's are not among them."""
    house = House({"shop": calls("echo"), "echo": ECHO})
    _, parent = await house.run("shop", {})
    child = house.machines.counters["echo"]

    assert (child.totals.requests, child.totals.transitions, parent.transitions) == (1, 1, 1)
    assert set(house.machines.counters) == {"echo"}


async def test_a_child_keeps_its_name_over_replays() -> None:
    """The same step of the same record starts a child of the same ARN, so that its own calls repeat, too."""
    house = House({"shop": calls("echo"), "echo": ECHO})
    first, second = [(await house.run("shop", {}))[0].output["ExecutionArn"] for _ in range(2)]

    assert first == second


async def test_the_history_tells_of_the_task_as_of_any_other() -> None:
    """TaskScheduled and its followers, with the service and the action as resource."""
    history = History()
    _, x = await House({"shop": calls("echo", ASYNC), "echo": ECHO}).run("shop", {"n": 1}, history)
    events = log_events(x, "ALL", include_data=True)
    tasks = [event for event in events if event["type"].startswith("Task") and "State" not in event["type"]]

    assert [event["type"] for event in tasks] == ["TaskScheduled", "TaskStarted", "TaskSucceeded"]
    assert {event["details"]["resourceType"] for event in tasks} == {"states"}
    assert {event["details"]["resource"] for event in tasks} == {"startExecution"}


async def test_a_cancelled_parent_takes_its_child_along() -> None:
    """A state that times out gives its synchronous child up; the child counts as aborted."""
    house = House({"shop": calls("slow", TimeoutSeconds=1), "slow": WAIT})
    finish, _ = await house.run("shop", {})
    await asyncio.wait_for(house.machines.idle(), PATIENCE)

    assert finish.error == "States.Timeout"
    assert house.machines.counters["slow"].aborted == 1
    assert house.executor.running == 0


@pytest.mark.parametrize(
    ("change", "error", "cause"),
    [
        ({"Input": "{broken"}, "Sfn.InvalidExecutionInputException", "Invalid State Machine Execution Input: "),
        ({"Name": "a b"}, "Sfn.InvalidNameException", "Invalid Name: 'a b' (Service: Sfn, Status Code: 400, Request"),
        ({"Input": 5}, "States.Runtime", "The value for the field 'Input' must be a STRING"),
        ({"Nme": "x"}, "States.Runtime", 'The field "Nme" is not supported by Step Functions'),
        ({"StateMachineArn": None}, "States.Runtime", 'The field "StateMachineArn" is required but was missing'),
    ],
)
async def test_requests_are_judged_as_at_aws(change: JSON, error: str, cause: str) -> None:
    """What StartExecution refuses fails the task under its name."""
    machine = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": SYNC, "End": True}}}
    request = {"StateMachineArn": f"{ARN}echo", **change}
    finish, _ = await House({"shop": machine, "echo": ECHO}).run("shop", request)

    assert finish.error == error
    assert cause in str(finish.cause)


async def test_a_machine_that_is_nowhere() -> None:
    """A name that only the input tells and nobody has: StateMachineDoesNotExist in the words of its resource."""
    machine = {"StartAt": "T", "States": {"T": {"Type": "Task", "Resource": ASYNC, "End": True}}}
    finish, _ = await House({"shop": machine}).run("shop", {"StateMachineArn": f"{ARN}gone"})

    assert finish.error == "StepFunctions.StateMachineDoesNotExistException"
    assert f"State Machine Does Not Exist: '{ARN}gone' (Service: AWSStepFunctions; Status Code: 400; " in str(
        finish.cause
    )


async def test_executions_that_go_round_are_stopped() -> None:
    """A chain that comes to the same machine with the same input again would never end: the start is refused."""
    house = House({"a": calls("b"), "b": calls("a")})
    finish, _ = await house.run("a", {"n": 1})
    inner = loads(finish.output["Output"])

    assert inner["Error"] == "States.Runtime"
    assert "start each other with the same input: a -> b -> a -> b" in inner["Cause"]
    assert house.executor.running == 0


async def test_a_chain_has_an_end() -> None:
    """A recursion whose input changes is legal, until it is deeper than nested.depth."""
    down = calls("down", ASYNC)
    down["States"]["T"]["Parameters"]["Input"] = {"n.$": "States.MathAdd($.n, 1)"}
    del down["States"]["T"]["Parameters"]["Input.$"]
    house = House({"down": down}, depth=5)
    await house.run("down", {"n": 0})
    await asyncio.wait_for(house.machines.idle(), PATIENCE)
    counters = house.machines.counters["down"]

    assert (counters.started, counters.succeeded, counters.failed) == (5, 4, 1)


async def test_the_deepest_chain_runs_on_one_stack() -> None:
    """Children that end at once run within each other; the default depth leaves the interpreter room."""
    flat = {"ResultSelector": {"Output.$": "States.StringToJson($.Output)"}, "OutputPath": "$.Output"}
    chain = {f"m{n}": calls(f"m{n + 1}", **flat) for n in range(16)}
    finish, _ = await House({**chain, "m16": ECHO}).run("m0", {"n": 1})

    assert (finish.status, finish.output) == ("SUCCEEDED", {"n": 1})


async def test_a_worker_runs_so_many_children_and_no_more() -> None:
    """Above nested.concurrency a start is refused as AWS refuses it, which a state may retry."""
    machine = {
        "StartAt": "M",
        "States": {"M": {"Type": "Map", "ItemProcessor": calls("slow", ASYNC), "End": True}},
    }
    house = House({"shop": machine, "slow": WAIT}, concurrency=2)
    finish, _ = await house.run("shop", [{"n": n} for n in range(3)])

    assert finish.error == "StepFunctions.ExecutionLimitExceededException"
    assert house.machines.counters["slow"].started == 2


def test_what_waits_or_is_nowhere_is_refused_when_compiled() -> None:
    """`.sync` is for STANDARD, with what to use instead; a constant ARN of no machine is named with the near one."""
    house = House({"echo": ECHO})

    def refused(machine: JSON) -> str:
        with pytest.raises(ConfigError) as raised:
            compile_callable(dumps(machine), house.outside.functions, house.integrations)
        return str(raised.value)

    assert "did you mean 'echo'?" in refused(calls("ecko"))
    assert 'put "states:startExecution" into aws.allow' in refused(calls("other", ASYNC))


async def test_what_is_not_here_may_be_at_aws(tmp_path: Path) -> None:
    """With the action in aws.allow, machines of other names are AWS's; a constant ARN is no mistake then."""
    pytest.importorskip("aiobotocore", reason="the extra aws is not installed")
    local = LocalFunctions({})
    machines = WorkerMachines(SystemClock(), Nested())
    outside = ExternalIntegrations(
        Config(aws=Aws(allow=["states:*"], region="us-east-1")), local, InProcess(machines=machines)
    )
    program = compile_callable(dumps(calls("other", ASYNC)), outside.functions, Integrations(table(local, outside)))

    assert program.resources[0].service == "states"


async def test_exec_reaches_the_workflows_of_the_configuration(tmp_path: Path) -> None:
    """`express exec` runs children of the pipelines' workflows in its own process."""
    file = tmp_path / "echo.asl.json"
    file.write_bytes(dumps(ECHO))
    pipeline = Pipeline(name="p", topics=["t"], workflow=str(file), output="o", dead_letter="d")
    once = await run_once("shop", dumps(calls("echo")), {"n": 2}, {}, config=Config(pipelines=[pipeline]))

    assert loads(once.finish.output["Output"]) == {"n": 2}
