"""`.sync`: jobs that are started, watched until they end, and stopped when nobody waits for them any more.

A row of `JOBS` says how a job is asked after: the service's describing call, where its state stands in the answer,
and what becomes the task's result. A job that has failed fails the task as States.TaskFailed, with the description
as cause (Step Functions Developer Guide, "Integrating services").

AWS learns of ends from events and polls besides; here only polls are to be had. Their pauses grow, so that a job of
seconds is seen to end within a second or two, and one of hours costs two calls a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from express.errors import TASK_FAILED, StatesError
from express.integrations.aws.optimized import parsed
from express.values import JSON, text

Request: TypeAlias = dict[str, JSON]
Asks: TypeAlias = Callable[[Request, Request], Request]
"""(the task's request, the response to it) → the members of another request."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The way one kind of job is watched.

    `describe` and `stop` are operations of the service; `asks` and `stops` make their requests. `found` takes the
    task's result out of a description, `state` is the path of the job's state in that. `gone`: the job has
    succeeded when there is nothing left to be described. `given` refuses a response that has started nothing.
    """

    describe: str
    asks: Asks
    found: Callable[[JSON], JSON]
    state: tuple[str, ...]
    good: frozenset[str]
    bad: frozenset[str] = frozenset()
    gone: bool = False
    stop: str = ""
    stops: Asks = lambda request, response: {}
    given: Callable[[Request], None] = lambda response: None
    fails: Callable[[JSON], bool] = lambda description: False
    shaped: Callable[[JSON, str], JSON] = lambda description, pattern: description


def outcome(job: Job, description: JSON, pattern: str) -> JSON | None:
    """The task's result; None while the job runs. Raises StatesError for a job that has failed."""
    state = description
    for step in job.state:
        state = state.get(step) if isinstance(state, dict) else None
    if state in job.bad or (state in job.good and job.fails(description)):
        raise StatesError(TASK_FAILED, text(job.shaped(description, pattern)))
    return job.shaped(description, pattern) if state in job.good else None


def _of(member: str, name: str = "") -> Asks:
    """The response's `member`, as `name`."""
    return lambda request, response: {name or member: response.get(member)}


def _same(*members: str) -> Asks:
    """Members of the task's own request."""
    return lambda request, response: {member: request.get(member) for member in members}


def _both(*asks: Asks) -> Asks:
    return lambda request, response: {key: value for ask in asks for key, value in ask(request, response).items()}


def _listed(ask: Asks) -> Asks:
    return lambda request, response: {key: [value] for key, value in ask(request, response).items()}


def _inner(member: str, name: str, called: str) -> Asks:
    """A member of an object in the response."""
    return lambda request, response: {called: (response.get(member) or {}).get(name)}


def _member(name: str) -> Callable[[JSON], JSON]:
    return lambda description: description.get(name)


def _first(name: str) -> Callable[[JSON], JSON]:
    return lambda description: (description.get(name) or [None])[0]


def _whole(description: JSON) -> JSON:
    return description


def _states(names: str) -> frozenset[str]:
    return frozenset(names.split())


def _sagemaker(kind: str, bad: str = "Failed Stopped") -> Job:
    name = f"{kind}Name"
    return Job(
        describe=f"Describe{kind}",
        asks=_same(name),
        found=_whole,
        state=(f"{kind}Status",),
        good=_states("Completed"),
        bad=_states(bad),
        stop=f"Stop{kind}",
        stops=_same(name),
    )


def _codebuild(what: str, many: str, state: str) -> Job:
    """Results are the response of StartBuild with the build as it has become."""
    return Job(
        describe=f"BatchGet{many}",
        asks=_listed(_inner(what, "Id", "Ids")),
        found=lambda description: {what: _first(many[:1].upper() + many[1:])(description)},
        state=(what, state),
        good=_states("SUCCEEDED"),
        bad=_states("FAILED FAULT STOPPED TIMED_OUT"),
        stop=f"Stop{what}",
        stops=_inner(what, "Id", "Id"),
    )


def _eks(describe: str, what: str, asks: Asks, good: str, bad: str) -> Job:
    gone = good == ""
    return Job(
        describe=describe,
        asks=asks,
        found=lambda description: {what: description.get(what)},
        state=(what, "Status"),
        good=_states(good),
        bad=_states(bad),
        gone=gone,
    )


def _serverless(good: str) -> Job:
    return Job(
        describe="GetApplication",
        asks=lambda request, response: {"ApplicationId": response.get("ApplicationId") or request.get("ApplicationId")},
        found=_member("Application"),
        state=("State",),
        good=_states(good),
        bad=_states("") if "TERMINATED" in good else _states("TERMINATED"),
    )


def _started(response: Request) -> None:
    """A task that ECS could not place was never started."""
    if response.get("Failures"):
        raise StatesError("AmazonECS.Unknown", text(response))


def _container_failed(task: JSON) -> bool:
    codes = [container.get("ExitCode") for container in task.get("Containers", [])]
    return task.get("StopCode") == "TaskFailedToStart" or any(code != 0 for code in codes)


def execution(description: JSON, pattern: str) -> JSON:
    """DescribeExecution as Java writes it; with `.sync:2` input and output are parsed."""
    found = {name: value for name, value in description.items() if name in _EXECUTION}
    for name in ("Input", "Output"):
        if pattern == "sync:2" and isinstance(found.get(name), str):
            found[name] = parsed(found[name])
    return found


_EXECUTION = _states(
    "ExecutionArn Input InputDetails Name Output OutputDetails StartDate StateMachineArn Status StopDate Error Cause "
    "TraceHeader"
)
_RUN = _same("ApplicationId")
_NODES = _same("ClusterName", "NodegroupName")
_PROFILE = _same("ClusterName", "FargateProfileName")
_CLUSTER = lambda request, response: {"Name": request.get("Name")}  # noqa: E731 # a row like the others

JOBS: dict[str, Job] = {
    "glue:startJobRun": Job(
        describe="GetJobRun",
        asks=_both(_same("JobName"), _of("JobRunId", "RunId")),
        found=_member("JobRun"),
        state=("JobRunState",),
        good=_states("SUCCEEDED"),
        bad=_states("FAILED ERROR TIMEOUT STOPPED EXPIRED"),
        stop="BatchStopJobRun",
        stops=_both(_same("JobName"), _listed(_of("JobRunId", "JobRunIds"))),
    ),
    "ecs:runTask": Job(
        describe="DescribeTasks",
        asks=lambda request, response: {"Cluster": request.get("Cluster"), "Tasks": [response["Tasks"][0]["TaskArn"]]},
        found=_first("Tasks"),
        state=("LastStatus",),
        good=_states("STOPPED"),
        stop="StopTask",
        stops=lambda request, response: {"Cluster": request.get("Cluster"), "Task": response["Tasks"][0]["TaskArn"]},
        given=_started,
        fails=_container_failed,
    ),
    "batch:submitJob": Job(
        describe="DescribeJobs",
        asks=_listed(_of("JobId", "Jobs")),
        found=_first("Jobs"),
        state=("Status",),
        good=_states("SUCCEEDED"),
        bad=_states("FAILED"),
        stop="TerminateJob",
        stops=lambda request, response: {"JobId": response.get("JobId"), "Reason": "The execution was stopped"},
    ),
    "sagemaker:createTrainingJob": _sagemaker("TrainingJob"),
    "sagemaker:createProcessingJob": _sagemaker("ProcessingJob"),
    "sagemaker:createTransformJob": _sagemaker("TransformJob"),
    "sagemaker:createHyperParameterTuningJob": _sagemaker("HyperParameterTuningJob"),
    "sagemaker:createLabelingJob": _sagemaker("LabelingJob"),
    "bedrock:createModelCustomizationJob": Job(
        describe="GetModelCustomizationJob",
        asks=_of("JobArn", "JobIdentifier"),
        found=_whole,
        state=("Status",),
        good=_states("Completed"),
        bad=_states("Failed Stopped"),
        stop="StopModelCustomizationJob",
        stops=_of("JobArn", "JobIdentifier"),
    ),
    "athena:startQueryExecution": Job(
        describe="GetQueryExecution",
        asks=_of("QueryExecutionId"),
        found=lambda description: {"QueryExecution": description.get("QueryExecution")},
        state=("QueryExecution", "Status", "State"),
        good=_states("SUCCEEDED"),
        bad=_states("FAILED CANCELLED"),
        stop="StopQueryExecution",
        stops=_of("QueryExecutionId"),
    ),
    "codebuild:startBuild": _codebuild("Build", "Builds", "BuildStatus"),
    "codebuild:startBuildBatch": _codebuild("BuildBatch", "BuildBatches", "BuildBatchStatus"),
    "codebuild:retryBuildBatch": _codebuild("BuildBatch", "BuildBatches", "BuildBatchStatus"),
    "eks:createCluster": _eks("DescribeCluster", "Cluster", _CLUSTER, "ACTIVE", "FAILED"),
    "eks:deleteCluster": _eks("DescribeCluster", "Cluster", _CLUSTER, "", "FAILED"),
    "eks:createNodegroup": _eks("DescribeNodegroup", "Nodegroup", _NODES, "ACTIVE", "CREATE_FAILED DEGRADED"),
    "eks:deleteNodegroup": _eks("DescribeNodegroup", "Nodegroup", _NODES, "", "DELETE_FAILED"),
    "eks:createFargateProfile": _eks(
        "DescribeFargateProfile", "FargateProfile", _PROFILE, "ACTIVE", "CREATE_FAILED DELETE_FAILED"
    ),
    "eks:deleteFargateProfile": _eks("DescribeFargateProfile", "FargateProfile", _PROFILE, "", "DELETE_FAILED"),
    "elasticmapreduce:createCluster": Job(
        describe="DescribeCluster",
        asks=_of("ClusterId"),
        found=lambda description: {"Cluster": description.get("Cluster")},
        state=("Cluster", "Status", "State"),
        good=_states("WAITING TERMINATED"),
        bad=_states("TERMINATED_WITH_ERRORS"),
        stop="TerminateJobFlows",
        stops=_listed(_of("ClusterId", "JobFlowIds")),
    ),
    "elasticmapreduce:terminateCluster": Job(
        describe="DescribeCluster",
        asks=_same("ClusterId"),
        found=lambda description: {"Cluster": description.get("Cluster")},
        state=("Cluster", "Status", "State"),
        good=_states("TERMINATED"),
        bad=_states("TERMINATED_WITH_ERRORS"),
    ),
    "elasticmapreduce:addStep": Job(
        describe="DescribeStep",
        asks=_both(_same("ClusterId"), _of("StepId")),
        found=lambda description: {"Step": description.get("Step")},
        state=("Step", "Status", "State"),
        good=_states("COMPLETED"),
        bad=_states("FAILED CANCELLED INTERRUPTED"),
        stop="CancelSteps",
        stops=_both(_same("ClusterId"), _listed(_of("StepId", "StepIds"))),
    ),
    "emr-containers:startJobRun": Job(
        describe="DescribeJobRun",
        asks=_both(_same("VirtualClusterId"), _of("Id")),
        found=_member("JobRun"),
        state=("State",),
        good=_states("COMPLETED"),
        bad=_states("FAILED CANCELLED"),
        stop="CancelJobRun",
        stops=_both(_same("VirtualClusterId"), _of("Id")),
    ),
    "emr-containers:deleteVirtualCluster": Job(
        describe="DescribeVirtualCluster",
        asks=_same("Id"),
        found=_member("VirtualCluster"),
        state=("State",),
        good=_states("TERMINATED"),
        bad=_states("ARRESTED"),
    ),
    "emr-serverless:startJobRun": Job(
        describe="GetJobRun",
        asks=_both(_RUN, _of("JobRunId")),
        found=_member("JobRun"),
        state=("State",),
        good=_states("SUCCESS"),
        bad=_states("FAILED CANCELLED"),
        stop="CancelJobRun",
        stops=_both(_RUN, _of("JobRunId")),
    ),
    "emr-serverless:cancelJobRun": Job(
        describe="GetJobRun",
        asks=_both(_RUN, _same("JobRunId")),
        found=_member("JobRun"),
        state=("State",),
        good=_states("CANCELLED"),
        bad=_states("SUCCESS FAILED"),
    ),
    "emr-serverless:createApplication": _serverless("CREATED STARTED"),
    "emr-serverless:startApplication": _serverless("STARTED"),
    "emr-serverless:stopApplication": _serverless("STOPPED"),
    "emr-serverless:deleteApplication": _serverless("TERMINATED"),
    "databrew:startJobRun": Job(
        describe="DescribeJobRun",
        asks=_both(_same("Name"), _of("RunId")),
        found=_whole,
        state=("State",),
        good=_states("SUCCEEDED"),
        bad=_states("FAILED TIMEOUT STOPPED"),
        stop="StopJobRun",
        stops=_both(_same("Name"), _of("RunId")),
    ),
    "mediaconvert:createJob": Job(
        describe="GetJob",
        asks=_inner("Job", "Id", "Id"),
        found=_member("Job"),
        state=("Status",),
        good=_states("COMPLETE"),
        bad=_states("ERROR CANCELED"),
        stop="CancelJob",
        stops=_inner("Job", "Id", "Id"),
    ),
    "states:startExecution": Job(
        describe="DescribeExecution",
        asks=_of("ExecutionArn"),
        found=_whole,
        state=("Status",),
        good=_states("SUCCEEDED"),
        bad=_states("FAILED TIMED_OUT ABORTED"),
        stop="StopExecution",
        stops=_of("ExecutionArn"),
        shaped=execution,
    ),
}
"""Every action that can be run as a job."""
