""".sync over the network: jobs at moto's server are submitted, polled to their end, and stopped when given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from express.asl.resources import OPTIMIZED, parse_resource
from express.compiler import compile_definition
from express.config import Aws, Config
from express.engine import About, History
from express.engine.effects import Finish
from express.errors import StatesError
from express.integrations import ExternalIntegrations, Integrations, LocalFunctions, table
from express.integrations.aws import AwsCalls, watching
from express.integrations.aws.jobs import JOBS, Job, outcome
from express.integrations.aws.names import optimized_member
from express.ports import Submitted
from express.runtime.clock import SystemClock
from express.runtime.executor.callbacks import Callbacks
from express.runtime.executor.executor import Executor
from express.values import JSON, loads
from tests.integrations.calling import CONTEXT, STATES, task
from tests.integrations.test_aws import _credentials, emulator, settings

__all__ = ["_credentials", "emulator"]  # fixtures

ROLE = "arn:aws:iam::123456789012:role/r"
MACHINE = '{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}'


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll often."""
    monkeypatch.setattr(watching, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(watching, "LONGEST_PAUSE", 0.05)


@pytest.fixture
async def aws(emulator: str) -> AsyncIterator[AwsCalls]:
    calls = AwsCalls(settings(emulator))
    yield calls
    await calls.close()


async def do(aws: AwsCalls, resource: str, request: JSON) -> Any:
    return await aws.start(task(resource, request), CONTEXT)


async def job(aws: AwsCalls, resource: str, request: JSON) -> tuple[JSON, JSON]:
    """The response to the request, and the outcome."""
    submitted = await do(aws, f"{resource}.sync", request)
    assert type(submitted) is Submitted
    assert submitted.then is not None
    return submitted.output, await submitted.then()


GLUE = {"Name": "j", "Role": ROLE, "Command": {"Name": "glueetl"}}
PROJECT = {
    "Name": "project",
    "Source": {"Type": "S3", "Location": "bucket/key"},
    "Artifacts": {"Type": "NO_ARTIFACTS"},
    "Environment": {"Type": "LINUX_CONTAINER", "Image": "image", "ComputeType": "BUILD_GENERAL1_SMALL"},
    "ServiceRole": ROLE,
}
TRAINING = {
    "TrainingJobName": "t",
    "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://b"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
QUERY = {"QueryString": "select 1", "ResultConfiguration": {"OutputLocation": "s3://b"}}
CLUSTER = {
    "Name": "c",
    "Instances": {"KeepJobFlowAliveWhenNoSteps": True, "InstanceCount": 1, "MasterInstanceType": "m5.large"},
    "JobFlowRole": "r",
    "ServiceRole": "s",
}
EKS = {"Name": "jobs", "RoleArn": ROLE, "ResourcesVpcConfig": {}}
APPLICATION = {"Name": "a", "ReleaseLabel": "emr-6.6.0", "Type": "SPARK"}

CASES: list[tuple[str, JSON, tuple[str, JSON] | None, tuple[str, ...], str]] = [
    ("glue:startJobRun", {"JobName": "j"}, ("aws-sdk:glue:createJob", GLUE), ("JobRunState",), "SUCCEEDED"),
    (
        "codebuild:startBuild",
        {"ProjectName": "project"},
        ("aws-sdk:codebuild:createProject", PROJECT),
        ("Build", "BuildStatus"),
        "SUCCEEDED",
    ),
    ("sagemaker:createTrainingJob", TRAINING, None, ("TrainingJobStatus",), "Completed"),
    ("athena:startQueryExecution", QUERY, None, ("QueryExecution", "Status", "State"), "SUCCEEDED"),
    ("elasticmapreduce:createCluster", CLUSTER, None, ("Cluster", "Status", "State"), "WAITING"),
    ("eks:createCluster", EKS, None, ("Cluster", "Status"), "ACTIVE"),
    ("emr-serverless:createApplication", APPLICATION, None, ("State",), "STARTED"),
]


@pytest.mark.parametrize(("resource", "request_", "before", "path", "state"), CASES, ids=[row[0] for row in CASES])
async def test_jobs_end_well(
    aws: AwsCalls, resource: str, request_: JSON, before: tuple[str, JSON] | None, path: tuple[str, ...], state: str
) -> None:
    """The result of the task is the job's last description; the response to the request is only noted."""
    if before is not None:
        await do(aws, *before)
    response, result = await job(aws, resource, request_)
    for name in path:
        result = result[name]

    assert result == state
    assert response["SdkHttpMetadata"]["HttpStatusCode"] in (200, 201)


async def test_what_is_deleted_is_gone(aws: AwsCalls) -> None:
    """deleteCluster.sync has succeeded when the cluster can't be described any more."""
    await do(aws, "eks:createCluster", {**EKS, "Name": "short-lived"})
    await job(aws, "eks:deleteCluster", {"Name": "short-lived"})
    with pytest.raises(StatesError, match="ResourceNotFound"):
        await do(aws, "aws-sdk:eks:describeCluster", {"Name": "short-lived"})


async def test_containers(aws: AwsCalls) -> None:
    """runTask.sync: the one task's description; a task that can't be placed is AmazonECS.Unknown."""
    await do(aws, "aws-sdk:ecs:createCluster", {"ClusterName": "cl"})
    container = {"Name": "c", "Image": "i", "Memory": 100}
    await do(aws, "aws-sdk:ecs:registerTaskDefinition", {"Family": "f", "ContainerDefinitions": [container]})
    subnet = (await do(aws, "aws-sdk:ec2:describeSubnets", {}))["Subnets"][0]["SubnetId"]
    network = {"AwsvpcConfiguration": {"Subnets": [subnet]}}
    request = {"Cluster": "cl", "TaskDefinition": "f", "LaunchType": "FARGATE", "NetworkConfiguration": network}
    _, result = await job(aws, "ecs:runTask", request)

    assert result["LastStatus"] == "STOPPED"
    with pytest.raises(StatesError) as raised:
        JOBS["ecs:runTask"].given({"Failures": [{"Reason": "RESOURCE:MEMORY"}], "Tasks": []})
    assert (raised.value.error, "RESOURCE:MEMORY" in str(raised.value.cause)) == ("AmazonECS.Unknown", True)


class Host:
    """A STANDARD machine with one job, over the whole table of integrations, at moto's server."""

    def __init__(self, url: str) -> None:
        config = Config(aws=settings(url))
        self.outside = ExternalIntegrations(config, LocalFunctions({}))
        self.aws = self.outside.aws
        clock = SystemClock()
        integrations = Integrations(table(LocalFunctions({}), self.outside))
        self.executor = Executor(clock, integrations, callbacks=Callbacks.of(clock))
        self.ended: asyncio.Future[Finish] = asyncio.get_running_loop().create_future()
        self.history = History()

    def begin(self, state: dict[str, Any], data: JSON) -> Any:
        definition = {"StartAt": "S", "States": {"S": {"Type": "Task", "End": True, **state}}}
        about = About(execution_arn="arn:aws:states:us-east-1:123456789012:execution:shop:e", state_machine_name="shop")
        program = compile_definition(definition, type="STANDARD")
        done = self.ended.set_result
        _, run = self.executor.submit(program, data, about, lambda r, f: done(f), limit=None, history=self.history)
        return run

    async def close(self) -> None:
        await self.executor.close()
        await self.outside.close()


@pytest.fixture
async def host(emulator: str) -> AsyncIterator[Host]:
    made = Host(emulator)
    yield made
    await made.close()


async def machine(host: Host, name: str) -> str:
    request = {"Name": name, "Definition": MACHINE, "RoleArn": ROLE}
    return str((await do(host.aws, "aws-sdk:sfn:createStateMachine", request))["StateMachineArn"])


async def child(host: Host) -> str:
    """The ARN of the execution that the task has started, once it has."""
    while True:
        for event in host.history.events():
            if event["type"] == "TaskSubmitted":
                return str(event["output"]["ExecutionArn"])
        await asyncio.sleep(0.01)


async def test_a_child_that_is_stopped_fails_the_task(host: Host) -> None:
    """startExecution.sync:2: the description with parsed input and dates in milliseconds is the cause."""
    arn = await machine(host, "stopped")
    host.begin({"Resource": f"{STATES}states:startExecution.sync:2"}, {"StateMachineArn": arn, "Input": {"a": 1}})
    started = await child(host)
    await do(host.aws, "aws-sdk:sfn:stopExecution", {"ExecutionArn": started, "Error": "E"})
    finish = await host.ended
    cause = loads(str(finish.cause))

    assert finish.error == "States.TaskFailed"
    assert (cause["Status"], cause["Input"], type(cause["StopDate"])) == ("ABORTED", {"a": 1}, int)
    assert [event["type"] for event in host.history.events()][2:6] == [
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskFailed",
    ]


async def test_a_job_is_stopped_with_its_execution(host: Host) -> None:
    """Stopping the execution stops the job, for what that is worth."""
    arn = await machine(host, "given-up")
    run = host.begin({"Resource": f"{STATES}states:startExecution.sync"}, {"StateMachineArn": arn, "Name": "n"})
    started = await child(host)
    host.executor.stop(run)
    assert (await host.ended).status == "ABORTED"
    await host.executor.close()
    await host.aws.close()  # which waits for the attempt
    again = AwsCalls(host.aws.settings)
    found = await do(again, "aws-sdk:sfn:describeExecution", {"ExecutionArn": started})
    await again.close()

    assert found["Status"] == "ABORTED"


async def test_a_token_through_a_queue(host: Host) -> None:
    """sqs:sendMessage.waitForTaskToken: the token comes out of the queue, and what is sent back is the result."""
    queue = (await do(host.aws, "aws-sdk:sqs:createQueue", {"QueueName": "approvals"}))["QueueUrl"]
    body = {"token.$": "$$.Task.Token", "order.$": "$.order"}
    parameters = {"QueueUrl": queue, "MessageBody": body}
    host.begin({"Resource": f"{STATES}sqs:sendMessage.waitForTaskToken", "Parameters": parameters}, {"order": 7})
    message: JSON = None
    while message is None:
        received = await do(host.aws, "aws-sdk:sqs:receiveMessage", {"QueueUrl": queue})
        message = next(iter(received.get("Messages", [])), None)
    sent = loads(message["Body"])
    callbacks = host.executor.callbacks
    assert callbacks is not None
    callbacks.succeed(sent["token"], {"approved": sent["order"]})

    assert (await host.ended).output == {"approved": 7}


def test_every_job_that_step_functions_offers_is_there() -> None:
    """Each optimized action with .sync has its row, but those that are not performed here at all."""
    offered = {f"{s}:{a}" for s, actions in OPTIMIZED.items() for a, p in actions.items() if "sync" in p}

    assert offered - set(JOBS) == {"eks:runJob"}
    assert set(JOBS) <= offered


@pytest.mark.parametrize("name", sorted(JOBS))
def test_jobs_fit_the_services_models(name: str) -> None:
    """Operations, members of requests and the path of the state are those of botocore's models."""
    row, calls = JOBS[name], AwsCalls(Aws(allow=["*:*"], region="us-east-1"))
    resource = parse_resource(f"{STATES}{name}.sync")
    assert calls.refusal(resource) is None
    call = calls.call(parse_resource(f"{STATES}{name}"))
    response = _Anything()
    for operation, asks in ((row.describe, row.asks), (row.stop, row.stops)):
        if operation:
            members = {optimized_member("", key) for key in call.model.operation_model(operation).input_shape.members}
            assert set(asks(response, response)) <= members  # type: ignore[arg-type] # which has every member
    shape = call.model.operation_model(row.describe).output_shape
    assert _has(shape, row), "the state is where the row says"


class _Anything(dict[str, Any]):
    """A request or response that has whatever is asked for."""

    def get(self, key: str, default: Any = None) -> Any:
        return self[key]

    def __missing__(self, key: str) -> Any:
        return [self] if key == "Tasks" else self


def _has(shape: Any, row: Job) -> bool:
    """Whether some member, list of members, or the shape itself leads down the path of the state."""
    inner = [shape, *shape.members.values()]
    inner += [i.member for i in inner if i.type_name == "list"]
    names = list(row.state)
    return any(_leads(i, names) or _leads(i, names[1:]) for i in inner)


def _leads(shape: Any, names: list[str]) -> bool:
    for name in names:
        members = {optimized_member("", key): inner for key, inner in getattr(shape, "members", {}).items()}
        if name not in members:
            return False
        shape = members[name]
    return shape.type_name == "string"


def test_a_container_that_fails() -> None:
    """A stopped task fails where a container did not end with 0, or never started."""
    row = JOBS["ecs:runTask"]
    good = {"LastStatus": "STOPPED", "Containers": [{"ExitCode": 0}]}

    assert outcome(row, good, "sync") == good
    assert outcome(row, {**good, "LastStatus": "RUNNING"}, "sync") is None
    for bad in ({"Containers": [{"ExitCode": 1}]}, {"StopCode": "TaskFailedToStart"}):
        with pytest.raises(StatesError, match=r"States\.TaskFailed"):
            outcome(row, {**good, **bad}, "sync")


async def test_polls_survive_throttling(aws: AwsCalls, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll that is throttled is repeated; one that is refused fails the task."""
    await do(aws, "aws-sdk:glue:createJob", {**GLUE, "Name": "again"})
    submitted = await do(aws, "glue:startJobRun.sync", {"JobName": "again"})
    asked, ask = [], watching.Jobs.ask

    async def throttled(self: Any, *arguments: Any) -> Any:
        asked.append(arguments[1])
        if len(asked) < 4:
            raise StatesError("Glue.ThrottlingException", "slow down")
        return await ask(self, *arguments)

    monkeypatch.setattr(watching.Jobs, "ask", throttled)
    assert (await submitted.then())["JobRunState"] == "SUCCEEDED"
    assert asked == ["GetJobRun"] * 4

    async def refused(self: Any, *arguments: Any) -> Any:
        raise StatesError("Glue.AccessDeniedException", "no")

    monkeypatch.setattr(watching.Jobs, "ask", refused)
    with pytest.raises(StatesError, match="AccessDenied"):
        await submitted.then()
