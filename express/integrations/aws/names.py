"""Names that Step Functions has for AWS services, actions, members and errors, against how botocore does.

Step Functions speaks the names of the Java SDK (2.x). Those follow from each model by the SDK's rules for the names of
classes and methods, so they are derived here; nothing is listed but what no rule gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

SERVICE_WORD = "service"

_RULES = (
    (r"[^A-Za-z0-9]+", " "),
    (r"([^a-z]{2,})v([0-9]+)", r"\1 v\2 "),
    (r"([^A-Z]{2,})V([0-9]+)", r"\1 V\2 "),
    (r"(?<=[a-z])(?=[A-Z]([a-zA-Z]|[0-9]))", " "),
    (r"([A-Z]+)([A-Z][a-z])", r"\1 \2"),
    (r"([0-9])([a-zA-Z])", r"\1 \2"),
)
"""Rules for parting a name into words: at signs, before versions, at humps, after acronyms, after numbers."""

V1_SERVICES = {
    "lambda": ("Lambda", "AWSLambda", "AWSLambdaException"),
    "dynamodb": ("DynamoDB", "AmazonDynamoDBv2", "AmazonDynamoDBException"),
    "sqs": ("SQS", "AmazonSQS", "AmazonSQSException"),
    "sns": ("SNS", "AmazonSNS", "AmazonSNSException"),
    "states": ("StepFunctions", "AWSStepFunctions", "AWSStepFunctionsException"),
    "events": ("EventBridge", "AmazonCloudWatchEvents", "AmazonEventBridgeException"),
    "ecs": ("ECS", "AmazonECS", "AmazonECSException"),
    "glue": ("Glue", "AWSGlue", "AWSGlueException"),
    "sagemaker": ("SageMaker", "AmazonSageMaker", "AmazonSageMakerException"),
    "bedrock": ("Bedrock", "AmazonBedrock", "AmazonBedrockException"),
    "athena": ("Athena", "AmazonAthena", "AmazonAthenaException"),
    "batch": ("Batch", "AWSBatch", "AWSBatchException"),
    "codebuild": ("CodeBuild", "AWSCodeBuild", "AWSCodeBuildException"),
    "eks": ("EKS", "AmazonEKS", "AmazonEKSException"),
    "elasticmapreduce": ("ElasticMapReduce", "AmazonElasticMapReduce", "AmazonElasticMapReduceException"),
    "emr-containers": ("EMRContainers", "AmazonEMRContainers", "AmazonEMRContainersException"),
    "emr-serverless": ("EMRServerless", "AWSEMRServerless", "AWSEMRServerlessException"),
    "databrew": ("DataBrew", "AWSGlueDataBrew", "AWSGlueDataBrewException"),
    "mediaconvert": ("MediaConvert", "AWSMediaConvert", "AWSMediaConvertException"),
}
"""Optimized service → prefix of its errors, the service in their causes, the error that no model names."""


def words(name: str) -> list[str]:
    """The words of a service or shape name.

    >>> words("DynamoDB"), words("SESv2"), words("CloudWatch Logs")
    (['Dynamo', 'DB'], ['SES', 'v2'], ['Cloud', 'Watch', 'Logs'])
    """
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    return name.split()


def pascal(name: str) -> str:
    """A name as a Java class has it.

    >>> [pascal(name) for name in ("DynamoDB", "SFN", "CloudWatch Logs", "SESv2", "IoT", "XRay", "Route 53")]
    ['DynamoDb', 'Sfn', 'CloudWatchLogs', 'SesV2', 'Iot', 'XRay', 'Route53']
    """
    return "".join(word[:1].upper() + word[1:].lower() for word in words(name))


def client(service_id: str) -> str:
    """The Java SDK's client of a service, which is the prefix of its errors.

    >>> client("Config Service"), client("Amazon Foo")
    ('Config', 'Foo')
    """
    name = pascal(service_id)
    for prefix in ("Amazon", "Aws"):
        name = name.removeprefix(prefix)
    return name.removesuffix(SERVICE_WORD.capitalize()) or name


def exception(shape: str) -> str:
    """The Java SDK's class for an error shape: always ends in Exception.

    >>> exception("NoSuchKey"), exception("ClusterNotFoundFault"), exception("InvalidToken")
    ('NoSuchKeyException', 'ClusterNotFoundException', 'InvalidTokenException')
    """
    name = pascal(shape.removesuffix("Fault"))
    return name if name.endswith("Exception") else f"{name}Exception"


Spelling: TypeAlias = Callable[[str, str], str]
"""Shape and member as the service's model names them → the member's name in a definition."""


def optimized_member(shape: str, name: str) -> str:
    """Return the name of a member in a definition that calls an optimized integration: the API's, capitalized.

    >>> optimized_member("StartExecutionInput", "stateMachineArn"), optimized_member("AttributeValue", "BOOL")
    ('StateMachineArn', 'BOOL')
    """
    return name[:1].upper() + name[1:]


_FIRST_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]")
"""The capitals that a name begins with, but for the one that begins the word after an acronym."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RENAMED = {("AttributeValue", "NULL"): "Nul"}
"""(shape, member) → the name that the Java SDK gives where its rules would give a keyword of Java's."""

_KEYWORDS = _words(
    "abstract assert boolean break byte case catch char class const continue default do double else enum extends "
    "false final finally float for goto if implements import instanceof int interface long native new null package "
    "private protected public return short static strictfp super switch synchronized this throw throws transient true "
    "try void volatile while"
)
_METHODS = _words(
    "equals finalize getClass hashCode notify notifyAll toString wait builder sdkFields toBuilder "
    "overrideConfiguration sdkHttpResponse"
)
"""Methods that every class of the Java SDK has already."""


def sdk_member(shape: str, name: str) -> str:
    """Return the name of a member in a definition that makes an SDK call: the Java SDK's method, capitalized.

    Only the first word changes: an acronym there becomes one word with one capital. Names that Java keeps for itself
    end in Value.

    >>> [sdk_member("", name) for name in ("stateMachineArn", "DBInstanceIdentifier", "SSEKMSKeyId", "BOOL", "RoleARN")]
    ['StateMachineArn', 'DbInstanceIdentifier', 'SsekmsKeyId', 'Bool', 'RoleARN']
    >>> sdk_member("AttributeValue", "NULL"), sdk_member("Predicate", "Equals"), sdk_member("Filter", "Default")
    ('Nul', 'EqualsValue', 'DefaultValue')
    """
    renamed = RENAMED.get((shape, name))
    if renamed is not None:
        return renamed
    method = _FIRST_WORD.sub(lambda found: found[0].lower(), name, count=1) if name[:1].isupper() else name
    if method.lower() in _KEYWORDS or method in _METHODS:
        method += "Value"
    return method[:1].upper() + method[1:]


@cache
def folders() -> dict[str, str]:
    """Step Functions' service names → botocore's, for all services that botocore has models of."""
    # botocore's own table of the services whose folder is not named after the serviceId
    from botocore.loaders import Loader
    from botocore.utils import CLIENT_NAME_TO_HYPHENIZED_SERVICE_ID_OVERRIDES as IDS

    found = {}
    for folder in Loader().list_available_services("service-2"):
        name = IDS.get(folder, folder).replace("-", "")
        found[name.removeprefix("amazon").removesuffix(SERVICE_WORD) or name] = folder
    return found


def folder(service: str) -> str | None:
    """Botocore's name of a service that Step Functions calls `service`."""
    return folders().get(service)


def error_shape(model: Any, codes: list[str]) -> str | None:
    """The name of the error shape in a botocore ServiceModel that one of `codes` stands for."""
    for code in codes:
        shape = model.shape_for_error_code(code)
        if shape is not None:
            return str(shape.name)
    return None
