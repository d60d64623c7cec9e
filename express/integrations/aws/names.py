"""How Step Functions names AWS services, actions and errors, against how botocore does.

Step Functions speaks the names of the Java SDK. Those follow from each model's `serviceId` by the SDK's rules for
class names, so they are derived here; nothing is listed but what no rule gives.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

SERVICE_WORD = "service"

_RULES = (
    (r"[^A-Za-z0-9]+", " "),
    (r"([^a-z]{2,})v([0-9]+)", r"\1 v\2 "),
    (r"([^A-Z]{2,})V([0-9]+)", r"\1 V\2 "),
    (r"(?<=[a-z])(?=[A-Z]([a-zA-Z]|[0-9]))", " "),
    (r"([A-Z]+)([A-Z][a-z])", r"\1 \2"),
    (r"([0-9])([a-zA-Z])", r"\1 \2"),
)
"""Where the words of a name part: at signs, before versions, at humps, after acronyms, after numbers."""

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


def member(name: str) -> str:
    """A member of a request or a response in Step Functions' spelling.

    >>> member("stateMachineArn")
    'StateMachineArn'
    """
    return name[:1].upper() + name[1:]


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
    """botocore's name of a service that Step Functions calls `service`."""
    return folders().get(service)


def error_shape(model: Any, codes: list[str]) -> str | None:
    """The name of the error shape in a botocore ServiceModel that one of `codes` stands for."""
    for code in codes:
        shape = model.shape_for_error_code(code)
        if shape is not None:
            return str(shape.name)
    return None
