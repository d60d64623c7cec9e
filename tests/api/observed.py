"""What AWS was observed to say of requests, as data: action and request → error code and message.

`{name}` in a request or an answer stands for what `test_observed.made` has made. Each row names its subject; rows of
one subject stand together.
"""

from __future__ import annotations

import json
from typing import Any

ROLE = "arn:aws:iam::123456789012:role/r"
ARN = "arn:aws:states:us-east-1:123456789012"
PASS = {"Type": "Pass", "End": True}
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:echo"
UNKNOWN = "arn:aws:states:::dynamodb:query"
LOCATED = "An error occurred while executing the state 'S' (entered at the event id #2). "
TAGGING: list[tuple[str, dict[str, Any]]] = [
    ("TagResource", {"tags": [{"key": "a", "value": "b"}]}),
    ("UntagResource", {"tagKeys": ["a"]}),
    ("ListTagsForResource", {}),
]
"""Actions on tags and what they need besides an ARN."""
WRONG_KIND = "Invalid Arn: 'Resource type not valid in this context: "
KINDS = [
    *(
        (action, "stateMachineArn")
        for action in (
            "StartExecution",
            "StartSyncExecution",
            "ListStateMachineVersions",
            "ListStateMachineAliases",
            "PublishStateMachineVersion",
            "DeleteStateMachine",
        )
    ),
    *((action, "executionArn") for action in ("DescribeExecution", "RedriveExecution", "ListMapRuns")),
    *((action, "activityArn") for action in ("DescribeActivity", "DeleteActivity", "GetActivityTask")),
    *((f"{verb}StateMachineAlias", "stateMachineAliasArn") for verb in ("Describe", "Delete")),
    ("DeleteStateMachineVersion", "stateMachineVersionArn"),
]
"""Actions and the member that names their subject by ARN; no subject is a Map Run."""
TASK = {"Type": "Task", "Resource": FUNCTION, "End": True}


def text(definition: Any) -> str:
    """A definition as a request has it."""
    return definition if isinstance(definition, str) else json.dumps(definition)


def one(**state: Any) -> dict[str, Any]:
    """A machine of one state, which ends it."""
    return {"StartAt": "S", "States": {"S": state}}


def new(definition: Any, **more: Any) -> dict[str, Any]:
    """A request that makes a machine."""
    return {"name": "new", "roleArn": ROLE, "definition": text(definition), **more}


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    # ARNs
    (
        "DescribeStateMachine",
        {"stateMachineArn": "nonsense"},
        "InvalidArn",
        "Invalid Arn: 'Invalid ARN prefix: nonsense'",
    ),
    (
        "DescribeExecution",
        {"executionArn": f"{ARN}:express:m:e:1"},
        "InvalidArn",
        "Invalid Arn: 'Resource type not valid in this context: express'",
    ),
    *(
        (
            action,
            {"executionArn": f"{ARN}:express:m:e:1"},
            "InvalidArn",
            "Invalid Arn: 'Resource type not valid in this context: express'",
        )
        for action in ("StopExecution", "GetExecutionHistory", "DescribeStateMachineForExecution")
    ),
    (
        "DescribeStateMachine",
        {"stateMachineArn": f"{ARN}:stateMachine:none"},
        "StateMachineDoesNotExist",
        f"State Machine Does Not Exist: '{ARN}:stateMachine:none'",
    ),
    (
        "StartExecution",
        {"stateMachineArn": f"{ARN}:stateMachine:none"},
        "StateMachineDoesNotExist",
        f"State Machine Does Not Exist: '{ARN}:stateMachine:none'",
    ),
    (
        "DescribeExecution",
        {"executionArn": f"{ARN}:execution:standard:none"},
        "ExecutionDoesNotExist",
        f"Execution Does Not Exist: '{ARN}:execution:standard:none'",
    ),
    *(
        (action, {"executionArn": f"{ARN}:express:m:e:1"}, "InvalidArn", WRONG_KIND + "express'")
        for action in ("RedriveExecution", "ListMapRuns")
    ),
    *(
        (action, {member: "nonsense"}, "InvalidArn", "Invalid Arn: 'Invalid ARN prefix: nonsense'")
        for action, member in KINDS
    ),
    *((action, {member: f"{ARN}:mapRun:m:1"}, "InvalidArn", WRONG_KIND + "mapRun'") for action, member in KINDS),
    ("DescribeMapRun", {"mapRunArn": f"{ARN}:activity:a"}, "InvalidArn", WRONG_KIND + "activity'"),
    *(
        (
            action,
            {"stateMachineArn": f"{ARN}:stateMachine:none", **more},
            "StateMachineDoesNotExist",
            f"State Machine Does Not Exist: '{ARN}:stateMachine:none'",
        )
        for action, more in (
            ("StartSyncExecution", {}),
            ("UpdateStateMachine", {"roleArn": ROLE}),
            ("PublishStateMachineVersion", {}),
            ("ListExecutions", {}),
            ("ListStateMachineAliases", {}),
        )
    ),
    *(
        (
            action,
            {"stateMachineArn": "{standard}:" + ending},
            "StateMachineDoesNotExist",
            "State Machine Does Not Exist: '{standard}:" + ending + "'",
        )
        for action in ("DescribeStateMachine", "StartExecution")
        for ending in ("9", "NONE")
    ),
    *(
        (
            action,
            {"executionArn": f"{ARN}:execution:standard:none"},
            "ExecutionDoesNotExist",
            f"Execution Does Not Exist: '{ARN}:execution:standard:none'",
        )
        for action in (
            "StopExecution",
            "GetExecutionHistory",
            "DescribeStateMachineForExecution",
            "RedriveExecution",
            "ListMapRuns",
        )
    ),
    *(
        (action, {"name": f"a{mark}b", **more}, "InvalidName", f"Invalid Name: 'a{mark}b'")
        for mark in ' \t?*<>{}[]"#%\\^|~`$&,;:/\x00\x1f\x7f\x9f'
        for action, more in (
            ("CreateStateMachine", {"roleArn": ROLE, "definition": text(one(**PASS))}),
            ("CreateActivity", {}),
            ("StartExecution", {"stateMachineArn": "{express}"}),
        )
    ),
    *(
        (action, {"resourceArn": "nonsense", **more}, "InvalidArn", "Invalid Arn: 'Invalid ARN prefix: nonsense'")
        for action, more in TAGGING
    ),
    # activities and Map Runs
    *(
        (
            action,
            {"activityArn": f"{ARN}:activity:none"},
            "ActivityDoesNotExist",
            f"Activity Does Not Exist: '{ARN}:activity:none'",
        )
        for action in ("DescribeActivity", "GetActivityTask")
    ),
    ("CreateActivity", {"name": "a b"}, "InvalidName", "Invalid Name: 'a b'"),
    *(
        (
            action,
            {"mapRunArn": f"{ARN}:mapRun:standard/M:1", **more},
            "ResourceNotFound",
            f"Resource not found: '{ARN}:mapRun:standard/M:1'",
        )
        for action, more in (("DescribeMapRun", {}), ("UpdateMapRun", {"maxConcurrency": 1}), ("ListExecutions", {}))
    ),
    # names and the constraints of the model
    ("CreateStateMachine", {**new(one(**PASS)), "name": "a b"}, "InvalidName", "Invalid Name: 'a b'"),
    ("CreateStateMachine", {**new(one(**PASS)), "name": "a#b"}, "InvalidName", "Invalid Name: 'a#b'"),
    ("StartExecution", {"stateMachineArn": "{express}", "name": "a/b"}, "InvalidName", "Invalid Name: 'a/b'"),
    (
        "ListStateMachines",
        {"maxResults": 1001},
        "ValidationException",
        "1 validation error detected: Value '1001' at 'maxResults' failed to satisfy constraint: "
        "Member must have value less than or equal to 1000",
    ),
    (
        "ListStateMachines",
        {"nextToken": "x" * 1025},
        "ValidationException",
        f"1 validation error detected: Value '{'x' * 1025}' at 'nextToken' failed to satisfy constraint: "
        "Member must have length less than or equal to 1024",
    ),
    (
        "ListExecutions",
        {"stateMachineArn": "{standard}", "statusFilter": "NOPE"},
        "ValidationException",
        "1 validation error detected: Value 'NOPE' at 'statusFilter' failed to satisfy constraint: "
        "Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]",
    ),
    ("ListStateMachines", {"nextToken": "nope"}, "InvalidToken", "Invalid Token: 'Invalid token'"),
    (
        "ListExecutions",
        {"stateMachineArn": "{standard}", "nextToken": "x"},
        "InvalidToken",
        "Invalid Token: 'Invalid token'",
    ),
    *(
        (action, {**request, "nextToken": "x"}, "InvalidToken", "Invalid Token: 'Invalid token'")
        for action, request in (
            ("ListActivities", {}),
            ("ListStateMachineVersions", {"stateMachineArn": "{standard}"}),
            ("ListStateMachineAliases", {"stateMachineArn": "{standard}"}),
        )
    ),
    (
        "ListStateMachineAliases",
        {},
        "ValidationException",
        "1 validation error detected: Value null at 'stateMachineArn' failed to satisfy constraint: "
        "Member must not be null",
    ),
    (
        "CreateStateMachineAlias",
        {"name": "1", "routingConfiguration": [{"stateMachineVersionArn": "{second}", "weight": 100}]},
        "ValidationException",
        "1 validation error detected: Value '1' at 'name' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: ^(?=.*[a-zA-Z_\\-\\.])[a-zA-Z0-9_\\-\\.]+$",
    ),
    (
        "ListStateMachines",
        {"maxResults": 1001, "nextToken": "x" * 1025},
        "ValidationException",
        "2 validation errors detected: Value ",
    ),
    # state machines
    (
        "CreateStateMachine",
        {**new(one(Type="Succeed")), "name": "standard"},
        "StateMachineAlreadyExists",
        "State Machine Already Exists: '{standard}'",
    ),
    (
        "CreateStateMachine",
        new(one(**PASS), versionDescription="d"),
        "ValidationException",
        "Version description can only be set when publish is true",
    ),
    (
        "UpdateStateMachine",
        {"stateMachineArn": "{standard}"},
        "MissingRequiredParameter",
        "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified",
    ),
    (
        "UpdateStateMachine",
        {"stateMachineArn": "{version}", "roleArn": ROLE},
        "StateMachineDoesNotExist",
        "State Machine Does Not Exist: '{version}'",
    ),
    (
        "CreateStateMachine",
        new(one(**PASS), loggingConfiguration={"level": "ALL"}),
        "InvalidLoggingConfiguration",
        "Invalid Logging Configuration: Must specify exactly one Log Destination.",
    ),
    (
        "CreateStateMachine",
        new(
            one(**PASS),
            loggingConfiguration={
                "level": "ALL",
                "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": "none"}}],
            },
        ),
        "InvalidLoggingConfiguration",
        "Invalid Logging Configuration: Log Destination not found.",
    ),
    (
        "UpdateStateMachine",
        {"stateMachineArn": "{standard}", "roleArn": ROLE, "versionDescription": "d"},
        "ValidationException",
        "Version description can only be set when publish is true",
    ),
    *(
        (
            action,
            {**request, "definition": text(one(Type="Pass", Next="None"))},
            "InvalidDefinition",
            "Invalid State Machine Definition: 'MISSING_TRANSITION_TARGET: Missing 'Next' target: None at "
            "/States/S/Next, MISSING_END_STATE: Workflow has no terminal state at null'",
        )
        for action, request in (
            ("CreateStateMachine", new("")),
            ("UpdateStateMachine", {"stateMachineArn": "{standard}"}),
        )
    ),
    # executions
    (
        "StartExecution",
        {"stateMachineArn": "{express}", "input": "not json"},
        "InvalidExecutionInput",
        "Invalid State Machine Execution Input: 'Unrecognized token 'not': was expecting (JSON String, Number, Array, "
        "Object or token 'null', 'true' or 'false')",
    ),
    (
        "StartExecution",
        {"stateMachineArn": "{express}", "input": ""},
        "InvalidExecutionInput",
        "Invalid State Machine Execution Input: 'Invalid execution input.'",
    ),
    (
        "StartSyncExecution",
        {"stateMachineArn": "{standard}"},
        "StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine",
    ),
    (
        "StartSyncExecution",
        {"stateMachineArn": "{express}", "input": ""},
        "InvalidExecutionInput",
        "Invalid State Machine Execution Input: 'Invalid execution input.'",
    ),
    ("StartSyncExecution", {"stateMachineArn": "{express}", "name": "a/b"}, "InvalidName", "Invalid Name: 'a/b'"),
    (
        "ListExecutions",
        {"stateMachineArn": "{express}"},
        "StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine",
    ),
    # tokens
    ("SendTaskSuccess", {"taskToken": "nope", "output": "{}"}, "InvalidToken", "Invalid Token: 'Invalid token'"),
    ("SendTaskFailure", {"taskToken": "nope"}, "InvalidToken", "Invalid Token: 'Invalid token'"),
    ("SendTaskHeartbeat", {"taskToken": "nope"}, "InvalidToken", "Invalid Token: 'Invalid token'"),
    # versions and aliases
    (
        "PublishStateMachineVersion",
        {"stateMachineArn": "{standard}", "revisionId": "other"},
        "ConflictException",
        "Failed to publish the State Machine version for revision other. "
        "The current State Machine revision is INITIAL.",
    ),
    (
        "DeleteStateMachineVersion",
        {"stateMachineVersionArn": "{version}"},
        "ConflictException",
        "Version to be deleted must not be referenced by an alias. "
        "Current list of aliases referencing this version: [LIVE]",
    ),
    (
        "CreateStateMachineAlias",
        {"name": "LIVE", "routingConfiguration": [{"stateMachineVersionArn": "{second}", "weight": 100}]},
        "ConflictException",
        "Failed to create alias because an alias with the same name and a different routing configuration already "
        "exists.",
    ),
    (
        "CreateStateMachineAlias",
        {"name": "NEW", "routingConfiguration": [{"stateMachineVersionArn": "{standard}", "weight": 100}]},
        "ValidationException",
        "Routing configuration must contain state machine version ARNs. Received: [{standard}]",
    ),
    *(
        (
            action,
            {"stateMachineAliasArn": "{standard}:NONE", **more},
            "ResourceNotFound",
            "Request references a resource that does not exist.",
        )
        for action, more in (
            ("UpdateStateMachineAlias", {"description": "d"}),
            ("DescribeStateMachineAlias", {}),
            ("DeleteStateMachineAlias", {}),
        )
    ),
    # tags
    *(
        (action, {"resourceArn": arn, **more}, "ResourceNotFound", f"Resource not found: '{arn}'")
        for arn in ("{version}", f"{ARN}:stateMachine:none", f"{ARN}:activity:none")
        for action, more in TAGGING
    ),
]
"""(action, request, code, message)."""
