"""Resources of Tasks: ARN → `Resource`, and the integrations that AWS knows.

Forms (integrations.md §2): a Lambda function, an activity, an optimized integration
(`states:::SERVICE:ACTION`), a generic SDK call (`states:::aws-sdk:SERVICE:ACTION`), an HTTP task, and our own
`arn:express:SERVICE:::ACTION` (Kafka and the like). Whatever else stands there is kind `other`: legal States
Language, a name that a host may have registered, unknown to AWS.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

import msgspec

Kind = Literal["lambda", "activity", "optimized", "sdk", "http", "express", "other"]
Pattern = Literal["", "sync", "sync:2", "waitForTaskToken"]

KINDS_WITH_MEMBERS = ("optimized", "http", "sdk", "express")
"""Kinds of resources whose parameters are members: a function's own ARN takes any JSON."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed `Resource`.

    `resource_type` and `resource` are what history events show (api.md §7): `aws-sdk:s3` and `getObject`, the
    action with its suffix. `name` and `qualifier` belong to Lambda functions and activities.
    """

    kind: Kind
    arn: str
    partition: str = ""
    region: str = ""
    account: str = ""
    service: str = ""
    action: str = ""
    pattern: Pattern = ""
    name: str = ""
    qualifier: str = ""
    resource_type: str = ""
    resource: str = ""


_RR = frozenset({""})
_JOB = frozenset({"", "sync"})
_TOKEN = frozenset({"", "waitForTaskToken"})
_ALL = frozenset({"", "sync", "waitForTaskToken"})


def _actions(patterns: frozenset[str], names: str) -> dict[str, frozenset[str]]:
    return dict.fromkeys(names.split(), patterns)


OPTIMIZED: dict[str, dict[str, frozenset[str]]] = {
    "lambda": {"invoke": _TOKEN},
    "dynamodb": _actions(_RR, "getItem putItem updateItem deleteItem"),
    "sqs": {"sendMessage": _TOKEN},
    "sns": {"publish": _TOKEN},
    "ecs": {"runTask": _ALL},
    "glue": {"startJobRun": _JOB},
    "sagemaker": {
        **_actions(_RR, "createEndpoint createEndpointConfig createModel updateEndpoint"),
        **_actions(
            _JOB,
            "createHyperParameterTuningJob createLabelingJob createProcessingJob createTrainingJob createTransformJob",
        ),
    },
    "bedrock": {"invokeModel": _TOKEN, "createModelCustomizationJob": _ALL},
    "events": {"putEvents": _TOKEN},
    "states": {"startExecution": frozenset({"", "sync", "sync:2", "waitForTaskToken"})},
    "apigateway": {"invoke": _TOKEN},
    "http": {"invoke": _RR},
    "athena": {
        "startQueryExecution": _JOB,
        **_actions(_RR, "stopQueryExecution getQueryExecution getQueryResults"),
    },
    "batch": {"submitJob": _ALL},
    "codebuild": {
        **_actions(_JOB, "startBuild startBuildBatch retryBuildBatch"),
        **_actions(_RR, "stopBuild stopBuildBatch batchDeleteBuilds batchGetReports deleteBuildBatch"),
    },
    "eks": {
        **_actions(
            _ALL,
            "createCluster deleteCluster createFargateProfile deleteFargateProfile createNodegroup "
            "deleteNodegroup runJob",
        ),
        "call": _TOKEN,
    },
    "elasticmapreduce": {
        **_actions(_JOB, "createCluster terminateCluster addStep"),
        **_actions(
            _RR,
            "cancelStep setClusterTerminationProtection modifyInstanceFleetByName modifyInstanceGroupByName",
        ),
    },
    "emr-containers": {
        "createVirtualCluster": _RR,
        **_actions(_JOB, "deleteVirtualCluster startJobRun"),
    },
    "emr-serverless": _actions(
        _JOB,
        "createApplication startApplication stopApplication deleteApplication startJobRun cancelJobRun",
    ),
    "databrew": {"startJobRun": _JOB},
    "mediaconvert": {"createJob": _JOB},
}
"""Service → action → the patterns it may carry (integrations.md §3)."""

DATASET_ACTIONS = {
    "s3:getObject": "ItemReader",
    "s3:listObjectsV2": "ItemReader",
    "s3:putObject": "ResultWriter",
}
"""Resources that only a distributed Map's `ItemReader` or `ResultWriter` may name."""

SDK_REFUSED = frozenset(
    {
        "sts:assumeRole",
        "sts:assumeRoleWithSAML",
        "sts:assumeRoleWithWebIdentity",
        "lambda:invokeAsync",
        "lambda:invokeWithResponseStream",
        "s3:selectObjectContent",
        "cloudwatchlogs:startLiveTail",
        "kinesis:subscribeToShard",
    }
)
"""SDK calls that Step Functions does not offer (integrations.md §19)."""

_PATTERNS: tuple[Pattern, ...] = ("sync:2", "sync", "waitForTaskToken")
_COLON_OUTSIDE_PLACEHOLDER = re.compile(r":(?![^${}]*\})")
_LONGEST = 2_048


def parse_resource(arn: str) -> Resource:
    """Return what `arn` names. Never fails: what has no known form is kind `other`.

    >>> r = parse_resource("arn:aws:states:::sqs:sendMessage.waitForTaskToken")
    >>> r.kind, r.service, r.action, r.pattern, r.resource_type, r.resource
    ('optimized', 'sqs', 'sendMessage', 'waitForTaskToken', 'sqs', 'sendMessage.waitForTaskToken')
    >>> parse_resource("arn:aws:lambda:us-east-1:123456789012:function:f:PROD").qualifier
    'PROD'
    """
    return _parse(arn) if len(arn) <= _LONGEST else Resource(kind="other", arn=arn)


@lru_cache(maxsize=1024)
def _parse(arn: str) -> Resource:
    parts = _split(arn)
    if len(parts) < 6 or parts[0] != "arn":
        return Resource(kind="other", arn=arn)
    service, rest = parts[2], parts[5:]
    if parts[1] == "express":
        return _express(arn, parts)
    if service == "lambda" and rest[0] == "function" and len(rest) in (2, 3):
        return _lambda(arn, parts)
    if service == "states" and rest[0] == "activity" and len(rest) == 2:
        return _activity(arn, parts)
    if service == "states" and len(rest) >= 2:
        return _integration(arn, parts)
    return Resource(kind="other", arn=arn)


def _split(arn: str) -> list[str]:
    if "{" in arn:
        return _COLON_OUTSIDE_PLACEHOLDER.split(arn)
    return arn.split(":")


def _lambda(arn: str, parts: list[str]) -> Resource:
    return Resource(
        kind="lambda",
        arn=arn,
        partition=parts[1],
        region=parts[3],
        account=parts[4],
        service="lambda",
        action="invoke",
        name=parts[6],
        qualifier=parts[7] if len(parts) > 7 else "",
        resource_type="lambda",
        resource=arn,
    )


def _activity(arn: str, parts: list[str]) -> Resource:
    return Resource(
        kind="activity",
        arn=arn,
        partition=parts[1],
        region=parts[3],
        account=parts[4],
        service="states",
        name=parts[6],
        resource_type="activity",
        resource=arn,
    )


def _integration(arn: str, parts: list[str]) -> Resource:
    """`arn:P:states:R:A:SERVICE:ACTION`, with `aws-sdk` before the service for a generic SDK call."""
    sdk = parts[5] == "aws-sdk" and len(parts) >= 8
    service = parts[6] if sdk else parts[5]
    spelled = ":".join(parts[7 if sdk else 6 :])
    action, pattern = _action(spelled)
    kind: Kind = "sdk" if sdk else "http" if service == "http" else "optimized"
    return Resource(
        kind=kind,
        arn=arn,
        partition=parts[1],
        region=parts[3],
        account=parts[4],
        service=service,
        action=action,
        pattern=pattern,
        resource_type=f"aws-sdk:{service}" if sdk else service,
        resource=spelled,
    )


def _express(arn: str, parts: list[str]) -> Resource:
    spelled = ":".join(parts[5:])
    action, pattern = _action(spelled)
    return Resource(
        kind="express",
        arn=arn,
        partition="express",
        region=parts[3],
        account=parts[4],
        service=parts[2],
        action=action,
        pattern=pattern,
        resource_type=parts[2],
        resource=spelled,
    )


def _action(spelled: str) -> tuple[str, Pattern]:
    action, dot, suffix = spelled.partition(".")
    for pattern in _PATTERNS:
        if dot and suffix == pattern:
            return action, pattern
    return spelled, ""
