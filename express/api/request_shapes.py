"""What each action takes: the members of its request and their constraints (spec/api.md §5; AWS service model)."""

from __future__ import annotations

from express.api.constraints import Decimal, Enum, Flag, Many, Object, Shape, Text, Whole

_ARN = Text(1, 256)
_LONG_ARN = Text(1, 2000)
_NAME = Text(1, 80)
_DEFINITION = Text(1, 1_048_576, secret=True)
_DATA = Text(0, 262_144, secret=True)
_ERROR = Text(0, 256, secret=True)
_CAUSE = Text(0, 32_768, secret=True)
_DESCRIPTION = Text(0, 256, secret=True)
_TASK_TOKEN = Text(1, 2048, secret=True)
_TRACE_HEADER = Text(0, 256, pattern=r"\p{ASCII}*")
_TYPE = Enum("STANDARD", "EXPRESS")
_INCLUDED_DATA = Enum("ALL_DATA", "METADATA_ONLY")

_PAGE: dict[str, Shape] = {"maxResults": Whole(0, 1000), "nextToken": Text(1, 1024)}
_TAGS = Many(Object({"key": Text(1, 128), "value": Text(0, 256)}))
_TRACING = Object({"enabled": Flag()})
_LOGGING = Object(
    {
        "level": Enum("ALL", "ERROR", "FATAL", "OFF"),
        "includeExecutionData": Flag(),
        "destinations": Many(Object({"cloudWatchLogsLogGroup": Object({"logGroupArn": _ARN})})),
    }
)
_ENCRYPTION = Object(
    {
        "kmsKeyId": Text(1, 2048),
        "kmsDataKeyReusePeriodSeconds": Whole(60, 900),
        "type*": Enum("AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"),
    }
)
_ROUTING = Many(Object({"stateMachineVersionArn*": _ARN, "weight*": Whole(0, 100)}), 1, 2)

_EXECUTION: dict[str, Shape] = {"executionArn*": _ARN}
_MACHINE: dict[str, Shape] = {"stateMachineArn*": _ARN}
_START: dict[str, Shape] = {**_MACHINE, "name": _NAME, "input": _DATA, "traceHeader": _TRACE_HEADER}
_SETTINGS: dict[str, Shape] = {
    "loggingConfiguration": _LOGGING,
    "tracingConfiguration": _TRACING,
    "publish": Flag(),
    "versionDescription": _DESCRIPTION,
    "encryptionConfiguration": _ENCRYPTION,
}

REQUESTS: dict[str, Object] = {
    # State machines
    "CreateStateMachine": Object(
        {"name*": _NAME, "definition*": _DEFINITION, "roleArn*": _ARN, "type": _TYPE, "tags": _TAGS, **_SETTINGS}
    ),
    "UpdateStateMachine": Object({**_MACHINE, "definition": _DEFINITION, "roleArn": _ARN, **_SETTINGS}),
    "DescribeStateMachine": Object({**_MACHINE, "includedData": _INCLUDED_DATA}),
    "ListStateMachines": Object(_PAGE),
    "DeleteStateMachine": Object(_MACHINE),
    "ValidateStateMachineDefinition": Object(
        {"definition*": _DEFINITION, "type": _TYPE, "severity": Enum("ERROR", "WARNING"), "maxResults": Whole(0, 100)}
    ),
    # Executions
    "StartExecution": Object(_START),
    "StartSyncExecution": Object({**_START, "includedData": _INCLUDED_DATA}),
    "StopExecution": Object({**_EXECUTION, "error": _ERROR, "cause": _CAUSE}),
    "DescribeExecution": Object({**_EXECUTION, "includedData": _INCLUDED_DATA}),
    "DescribeStateMachineForExecution": Object({**_EXECUTION, "includedData": _INCLUDED_DATA}),
    "ListExecutions": Object(
        {
            "stateMachineArn": _ARN,
            "statusFilter": Enum(
                *("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"),
                told="SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING",
            ),
            "maxResults": Whole(0, 1000),
            "nextToken": Text(1, 3096),
            "mapRunArn": _LONG_ARN,
            "redriveFilter": Enum("REDRIVEN", "NOT_REDRIVEN"),
        }
    ),
    "GetExecutionHistory": Object({**_EXECUTION, **_PAGE, "reverseOrder": Flag(), "includeExecutionData": Flag()}),
    "RedriveExecution": Object({**_EXECUTION, "clientToken": Text(1, 64, pattern="[!-~]+")}),
    # Callbacks and activities
    "SendTaskSuccess": Object({"taskToken*": _TASK_TOKEN, "output*": _DATA}),
    "SendTaskFailure": Object({"taskToken*": _TASK_TOKEN, "error": _ERROR, "cause": _CAUSE}),
    "SendTaskHeartbeat": Object({"taskToken*": _TASK_TOKEN}),
    "CreateActivity": Object({"name*": _NAME, "tags": _TAGS, "encryptionConfiguration": _ENCRYPTION}),
    "DeleteActivity": Object({"activityArn*": _ARN}),
    "DescribeActivity": Object({"activityArn*": _ARN}),
    "ListActivities": Object(_PAGE),
    "GetActivityTask": Object({"activityArn*": _ARN, "workerName": _NAME}),
    # Versions and aliases
    "PublishStateMachineVersion": Object({**_MACHINE, "revisionId": Text(), "description": _DESCRIPTION}),
    "ListStateMachineVersions": Object({**_MACHINE, **_PAGE}),
    "DeleteStateMachineVersion": Object({"stateMachineVersionArn*": _LONG_ARN}),
    "CreateStateMachineAlias": Object(
        {
            "description": _DESCRIPTION,
            "name*": Text(1, 80, pattern=r"^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$"),
            "routingConfiguration*": _ROUTING,
        }
    ),
    "UpdateStateMachineAlias": Object(
        {"stateMachineAliasArn*": _ARN, "description": _DESCRIPTION, "routingConfiguration": _ROUTING}
    ),
    "DescribeStateMachineAlias": Object({"stateMachineAliasArn*": _ARN}),
    "ListStateMachineAliases": Object({**_MACHINE, **_PAGE}),
    "DeleteStateMachineAlias": Object({"stateMachineAliasArn*": _ARN}),
    # Map runs
    "DescribeMapRun": Object({"mapRunArn*": _LONG_ARN}),
    "ListMapRuns": Object({**_EXECUTION, **_PAGE}),
    "UpdateMapRun": Object(
        {
            "mapRunArn*": _LONG_ARN,
            "maxConcurrency": Whole(0),
            "toleratedFailurePercentage": Decimal(0, 100),
            "toleratedFailureCount": Whole(0),
        }
    ),
    # Tags
    "TagResource": Object({"resourceArn*": _ARN, "tags*": _TAGS}),
    "UntagResource": Object({"resourceArn*": _ARN, "tagKeys*": Many(Text(1, 128))}),
    "ListTagsForResource": Object({"resourceArn*": _ARN}),
    # Testing
    "TestState": Object(
        {
            "definition*": _DEFINITION,
            "roleArn": _ARN,
            "input": _DATA,
            "inspectionLevel": Enum("INFO", "DEBUG", "TRACE"),
            "revealSecrets": Flag(),
            "variables": _DATA,
            "stateName": Text(1, 80, secret=True),
            "mock": Object(
                {
                    "result": _DATA,
                    "errorOutput": Object({"error": _ERROR, "cause": _CAUSE}),
                    "fieldValidationMode": Enum("STRICT", "PRESENT", "NONE"),
                }
            ),
            "context": _DATA,
            "stateConfiguration": Object(
                {
                    "retrierRetryCount": Whole(0),
                    "errorCausedByState": Text(1, 80, secret=True),
                    "mapIterationFailureCount": Whole(0),
                    "mapItemReaderData": _DATA,
                }
            ),
        }
    ),
}
"""Action → the shape of its request. All 37 actions of the model; tested against botocore's."""
