"""Optimized integrations: what Step Functions adds to a plain call of the service, a row per action.

A row says which operation is called, what is done to the request before and to the result after, and whether the
result carries the SDK's metadata. What is not in the table is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from express.engine.effects import StartTask
from express.errors import StatesError
from express.integrations.idempotency import digest, identifier
from express.ports import TaskContext
from express.values import JSON, loads_exactly, text

Before: TypeAlias = Callable[[dict[str, JSON], StartTask, TaskContext], dict[str, JSON]]
After: TypeAlias = Callable[[dict[str, JSON], dict[str, JSON]], dict[str, JSON]]


def as_it_is(request: dict[str, JSON], task: StartTask, context: TaskContext) -> dict[str, JSON]:
    """The request as the state gives it."""
    return request


def _unchanged(result: dict[str, JSON], request: dict[str, JSON]) -> dict[str, JSON]:
    return result


class Form(msgspec.Struct, frozen=True):
    """One optimized action. `operation`: what the service calls it, where that is not the same.

    `besides`: members of the request that the service's own operation does not have.
    """

    folder: str
    before: Before = as_it_is
    after: After = _unchanged
    metadata: bool = True
    operation: str = ""
    besides: tuple[str, ...] = ()


def deduplicated(request: dict[str, JSON], task: StartTask, context: TaskContext) -> dict[str, JSON]:
    """A message for a FIFO queue or topic carries the idempotency key as its deduplication id, unless it has one."""
    target = request.get("QueueUrl") or request.get("TopicArn") or request.get("TargetArn")
    if type(target) is not str or not target.endswith(".fifo") or "MessageDeduplicationId" in request:
        return request
    return {**request, "MessageDeduplicationId": digest(task, context)}


def named(request: dict[str, JSON], task: StartTask, context: TaskContext) -> dict[str, JSON]:
    """A nested execution is named after the step that starts it, so that a replay does not start another."""
    return request if "Name" in request else {**request, "Name": identifier(task, context)}


def linked(request: dict[str, JSON], task: StartTask, context: TaskContext) -> dict[str, JSON]:
    """Events name the execution and the state machine that they come from among their resources."""
    entries = request.get("Entries")
    if type(entries) is not list:
        return request
    own = [context.execution_arn, machine_arn(context)]
    return {**request, "Entries": [_with_resources(entry, own) for entry in entries]}


def _with_resources(entry: JSON, own: list[str]) -> JSON:
    if type(entry) is not dict or type(entry.get("Resources", [])) is not list:
        return entry
    return {**entry, "Resources": [*entry.get("Resources", []), *own]}


def machine_arn(context: TaskContext) -> str:
    """The state machine of an execution."""
    parts = (context.execution_arn.split(":") + [""] * 5)[:5]
    return f"{':'.join(parts)}:stateMachine:{context.state_machine_name}"


def delivered(result: dict[str, JSON], request: dict[str, JSON]) -> dict[str, JSON]:
    """Entries that EventBridge did not take fail the task."""
    if result.get("FailedEntryCount"):
        raise StatesError("EventBridge.FailedEntry", text(result))
    return result


def _job(result: dict[str, JSON], request: dict[str, JSON]) -> dict[str, JSON]:
    return {"JobName": request.get("JobName"), **result}


def _parsed_body(result: dict[str, JSON], request: dict[str, JSON]) -> dict[str, JSON]:
    return {**result, "Body": parsed(result["Body"])} if "Body" in result else result


def parsed(document: JSON) -> JSON:
    """A document as JSON where it is JSON, else as the text it is."""
    try:
        return loads_exactly(document)
    except (ValueError, TypeError):
        return document


def _moved(names: dict[str, str], lists: tuple[str, ...] = ()) -> Before:
    """Requests of EMR are simpler than the service's: other names, and one where the service takes a list."""

    def before(request: dict[str, JSON], task: StartTask, context: TaskContext) -> dict[str, JSON]:
        return {names.get(key, key): [value] if key in lists else value for key, value in request.items()}

    return before


def _cluster(result: dict[str, JSON], request: dict[str, JSON]) -> dict[str, JSON]:
    return {"ClusterId": result.pop("JobFlowId", None), **result}


def _step(result: dict[str, JSON], request: dict[str, JSON]) -> dict[str, JSON]:
    return {"StepId": (result.get("StepIds") or [None])[0]}


def _cancelled(result: dict[str, JSON], request: dict[str, JSON]) -> dict[str, JSON]:
    return {"CancelStepsInfo": (result.get("CancelStepsInfoList") or [None])[0]}


_FLOWS = _moved({"ClusterId": "JobFlowIds"}, ("ClusterId",))
_STEP = _moved({"ClusterId": "JobFlowId", "Step": "Steps"}, ("Step",))


def _forms(folder: str, service: str, actions: str) -> dict[str, Form]:
    return {f"{service}:{action}": Form(folder) for action in actions.split()}


FORMS: dict[str, Form] = {
    **_forms("dynamodb", "dynamodb", "getItem putItem updateItem deleteItem"),
    "lambda:invoke": Form("lambda"),
    "sqs:sendMessage": Form("sqs", deduplicated),
    "sns:publish": Form("sns", deduplicated),
    "events:putEvents": Form("events", linked, delivered, metadata=False),
    "states:startExecution": Form("stepfunctions", named),
    "ecs:runTask": Form("ecs"),
    "glue:startJobRun": Form("glue", after=_job),
    **_forms(
        "sagemaker",
        "sagemaker",
        "createEndpoint createEndpointConfig createModel updateEndpoint createHyperParameterTuningJob "
        "createLabelingJob createProcessingJob createTrainingJob createTransformJob",
    ),
    "bedrock:invokeModel": Form("bedrock-runtime", after=_parsed_body, besides=("Input", "Output")),
    "bedrock:createModelCustomizationJob": Form("bedrock"),
    **_forms("athena", "athena", "startQueryExecution stopQueryExecution getQueryExecution getQueryResults"),
    "batch:submitJob": Form("batch"),
    **_forms(
        "codebuild",
        "codebuild",
        "startBuild startBuildBatch retryBuildBatch stopBuild stopBuildBatch batchDeleteBuilds batchGetReports "
        "deleteBuildBatch",
    ),
    **_forms(
        "eks",
        "eks",
        "createCluster deleteCluster createFargateProfile deleteFargateProfile createNodegroup deleteNodegroup",
    ),
    "elasticmapreduce:createCluster": Form("emr", after=_cluster, operation="RunJobFlow"),
    "elasticmapreduce:terminateCluster": Form("emr", _FLOWS, operation="TerminateJobFlows", besides=("ClusterId",)),
    "elasticmapreduce:addStep": Form("emr", _STEP, _step, operation="AddJobFlowSteps", besides=("ClusterId", "Step")),
    "elasticmapreduce:cancelStep": Form(
        "emr",
        _moved({"StepId": "StepIds"}, ("StepId",)),
        _cancelled,
        operation="CancelSteps",
        besides=("StepId",),
    ),
    "elasticmapreduce:setClusterTerminationProtection": Form(
        "emr", _FLOWS, operation="SetTerminationProtection", besides=("ClusterId",)
    ),
    **_forms("emr-containers", "emr-containers", "createVirtualCluster deleteVirtualCluster startJobRun"),
    **_forms(
        "emr-serverless",
        "emr-serverless",
        "createApplication startApplication stopApplication deleteApplication startJobRun cancelJobRun",
    ),
    "databrew:startJobRun": Form("databrew"),
    "mediaconvert:createJob": Form("mediaconvert"),
}
"""Every optimized action that is performed here, besides `http:invoke` and `apigateway:invoke`; `lambda:invoke` by way
of `functions`."""

SDK_BEFORE: dict[str, Before] = {
    "sqs:sendMessage": deduplicated,
    "sns:publish": deduplicated,
    "stepfunctions:startExecution": named,
}
"""botocore's service and the action of SDK calls that carry the idempotency key, too, in a member of their own."""

ELSEWHERE: dict[str, str] = {
    "eks:call": "where it goes would be the payload's choice: call the cluster with http:invoke and a connection",
    "eks:runJob": "where it goes would be the payload's choice: call the cluster with http:invoke and a connection",
    "elasticmapreduce:modifyInstanceFleetByName": (
        "as SDK calls: aws-sdk:emr:listInstanceFleets, then aws-sdk:emr:modifyInstanceFleet"
    ),
    "elasticmapreduce:modifyInstanceGroupByName": (
        "as SDK calls: aws-sdk:emr:listInstanceGroups, then aws-sdk:emr:modifyInstanceGroups"
    ),
}
"""Optimized actions that are not performed here, and what does the same."""


AS_ANSWERED = (_unchanged, delivered, _job)
"""Functions whose result still has the form of the service's answer."""


def metadata(answer: dict[str, Any]) -> dict[str, JSON]:
    """SdkHttpMetadata and SdkResponseMetadata of a response."""
    headers = {str(name): str(value) for name, value in answer.get("HTTPHeaders", {}).items()}
    return {
        "SdkHttpMetadata": {
            "AllHttpHeaders": {name: [value] for name, value in headers.items()},
            "HttpHeaders": headers,
            "HttpStatusCode": answer.get("HTTPStatusCode", 0),
        },
        "SdkResponseMetadata": {"RequestId": answer.get("RequestId", headers.get("x-amzn-requestid", ""))},
    }
