"""What AWS was observed to say, as data: request → error code and message, definition → error and cause.

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
JSONATA = {"QueryLanguage": "JSONata"}
UNKNOWN = "arn:aws:states:::dynamodb:query"
LOCATED = "An error occurred while executing the state 'S' (entered at the event id #2). "
TWO_BRANCHES = {
    "Type": "Parallel",
    "Branches": [{"StartAt": name, "States": {name: PASS}} for name in "AB"],
    "End": True,
}


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
    (
        "TagResource",
        {"resourceArn": "{version}", "tags": [{"key": "a", "value": "b"}]},
        "ResourceNotFound",
        "Resource not found: '{version}'",
    ),
    # TestState
    (
        "TestState",
        {"definition": text(PASS), "mock": {"result": "1"}},
        "ValidationException",
        "State type 'Pass' is not supported when a mock is specified",
    ),
    (
        "TestState",
        {"definition": text({"Type": "Task", "Resource": FUNCTION, "End": True}), "mock": {}},
        "ValidationException",
        "A test mock should have only one of the following fields: [result, errorOutput].",
    ),
    (
        "TestState",
        {"definition": text({"Type": "Task", "Resource": FUNCTION, "End": True})},
        "ValidationException",
        "RoleArn must be specified when testing a Task state",
    ),
    (
        "TestState",
        {"definition": text(TWO_BRANCHES), "mock": {"result": "{}"}},
        "ValidationException",
        "Mocked result must be an array.",
    ),
    *(
        (
            "TestState",
            {"definition": text(TWO_BRANCHES), "mock": {"result": result}},
            "ValidationException",
            "Mocked result must contain the same number of items as number of Parallel branches.",
        )
        for result in ("[]", "[1]", "[1, 2, 3]")
    ),
    (
        "TestState",
        {"definition": text(TWO_BRANCHES)},
        "InvalidDefinition",
        "TestState API does not support Map or Parallel states. "
        "Supported state types include: [Task, Wait, Pass, Succeed, Fail, Choice]",
    ),
]
"""(action, request, code, message)."""

TASK = {"Type": "Task", "Resource": FUNCTION, "End": True}

FINDINGS: list[tuple[Any, str, str, str, str]] = [
    ("", "STANDARD", "SCHEMA_VALIDATION_FAILED", "Definition must be a valid JSON object", ""),
    (" \n", "STANDARD", "SCHEMA_VALIDATION_FAILED", "Definition must be a valid JSON object", ""),
    ({"StartAt": "S"}, "STANDARD", "SCHEMA_VALIDATION_FAILED", "These fields are required: [States]", "/"),
    (one(**PASS, Nope=1), "STANDARD", "SCHEMA_VALIDATION_FAILED", "Field 'Nope' is not supported", "/States/S"),
    (
        one(Type="Nope"),
        "STANDARD",
        "SCHEMA_VALIDATION_FAILED",
        "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]",
        "/States/S",
    ),
    *(
        (
            one(**PASS, **{field: value}),
            "STANDARD",
            "SCHEMA_VALIDATION_FAILED",
            f"Field '{field}' is not supported",
            "/States/S",
        )
        for field, value in (
            ("Retry", [{"ErrorEquals": ["States.ALL"]}]),
            ("Catch", [{"ErrorEquals": ["States.ALL"], "Next": "S"}]),
            ("TimeoutSeconds", 1),
        )
    ),
    (
        one(Type="Parallel", Branches=[], End=True),
        "STANDARD",
        "SCHEMA_VALIDATION_FAILED",
        "Value cannot be empty",
        "/States/S/Branches",
    ),
    (
        one(Type="Pass", Next="None"),
        "STANDARD",
        "MISSING_TRANSITION_TARGET",
        "Missing 'Next' target: None",
        "/States/S/Next",
    ),
    (
        {"StartAt": "S", "States": {"S": PASS, "C": PASS}},
        "STANDARD",
        "MISSING_TRANSITION_TARGET",
        'State "C" is not reachable.',
        "/States/C",
    ),
    (one(Type="Pass", Next="S"), "STANDARD", "MISSING_END_STATE", "Workflow has no terminal state", ""),
    (
        one(Type="Wait", Timestamp="today", End=True),
        "STANDARD",
        "SCHEMA_VALIDATION_FAILED",
        "String does not match RFC3339 timestamp",
        "/States/S/Timestamp",
    ),
    (
        one(**PASS, Parameters={"a.$": "nope"}),
        "STANDARD",
        "SCHEMA_VALIDATION_FAILED",
        "The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic function call",
        "/States/S/Parameters",
    ),
    (
        one(**PASS, Output=1),
        "STANDARD",
        "SCHEMA_VALIDATION_FAILED",
        "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage",
        "/States/S",
    ),
    (
        {**one(**PASS, QueryLanguage="JSONPath"), "QueryLanguage": "JSONata"},
        "STANDARD",
        "SCHEMA_VALIDATION_FAILED",
        "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
        "/States/S",
    ),
    (
        one(**PASS, QueryLanguage="JSONata", Output="{% phone %}"),
        "STANDARD",
        "UNSUPPORTED_JSONATA_EXPRESSION",
        "Reference to 'phone' at the top level is not supported.",
        "/States/S/Output",
    ),
    (
        one(**PASS, QueryLanguage="JSONata", Output="{% $states.input. %}"),
        "STANDARD",
        "INVALID_JSONATA_EXPRESSION",
        "Unexpected end of expression",
        "/States/S/Output",
    ),
    (
        one(**{**TASK, "Resource": UNKNOWN}),
        "STANDARD",
        "SCHEMA_VALIDATION_FAILED",
        f"The resource provided {UNKNOWN} is not recognized. The value is not a valid resource ARN, or the resource "
        "is not available in this region.",
        "/States/S/Resource",
    ),
    (
        one(**TASK, Credentials={}),
        "STANDARD",
        "SCHEMA_VALIDATION_FAILED",
        "The field 'RoleArn' is required but was missing",
        "/States/S/Credentials",
    ),
    (
        one(**{**TASK, "Resource": "arn:aws:states:::ecs:runTask.sync"}),
        "EXPRESS",
        "SCHEMA_VALIDATION_FAILED",
        "Express state machine does not support '.sync' service integration",
        "/States/S/Resource",
    ),
    (
        one(**{**TASK, "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken"}),
        "EXPRESS",
        "SCHEMA_VALIDATION_FAILED",
        "Express state machine does not support '.waitForTaskToken' service integration ",
        "/States/S/Resource",
    ),
    (
        one(**{**TASK, "Resource": "arn:aws:states:us-east-1:123456789012:activity:a"}),
        "EXPRESS",
        "SCHEMA_VALIDATION_FAILED",
        "Express state machine does not support Activity ARN",
        "/States/S/Resource",
    ),
]
"""(definition, type, code, message, location): what ValidateStateMachineDefinition says of a definition."""


def mapped(**more: Any) -> dict[str, Any]:
    """A Map over `$.xs`."""
    return one(Type="Map", ItemsPath="$.xs", ItemProcessor={"StartAt": "A", "States": {"A": PASS}}, End=True, **more)


CHOICE = {
    "StartAt": "S",
    "States": {"S": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsNull": True, "Next": "Z"}]}, "Z": PASS},
}
"""A Choice that only a null satisfies."""


def jsonata(**state: Any) -> dict[str, Any]:
    """A JSONata machine of one Pass."""
    return {**one(**{**PASS, **state}), "QueryLanguage": "JSONata"}


FAILURES: list[tuple[dict[str, Any], Any, str, str | None]] = [
    (one(**PASS, InputPath="$.X"), {}, "States.Runtime", LOCATED + "Invalid path '$.X' : No results for path: $['X']"),
    (
        one(**PASS, OutputPath="$.a.b"),
        {"x": 1},
        "States.Runtime",
        LOCATED + "Invalid path '$.a.b' : Missing property in path $['a']",
    ),
    (
        one(**PASS, Parameters={"k.$": "$.p"}),
        {"a": 1},
        "States.Runtime",
        LOCATED + """The JSONPath '$.p' specified for the field 'k.$' could not be found in the input '{"a":1}'""",
    ),
    (
        one(Type="Fail", ErrorPath="$.E"),
        {},
        "States.Runtime",
        LOCATED + "The JSONPath '$.E' specified for the field 'ErrorPath' could not be found in the input '{}'",
    ),
    *(
        (
            one(Type="Wait", SecondsPath="$.p", End=True),
            data,
            "States.Runtime",
            f"{LOCATED}The SecondsPath parameter {tail}",
        )
        for data, tail in (
            ({}, "does not reference an input value: $.p"),
            ({"p": 1.5}, "cannot be parsed as a long value: $.p == 1.5"),
            ({"p": -1}, "references a negative value: $.p == -1"),
        )
    ),
    (
        one(Type="Wait", TimestampPath="$.p", End=True),
        {"p": "v"},
        "States.Runtime",
        LOCATED + "The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format "
        "string: $.p == v",
    ),
    (
        CHOICE,
        {},
        "States.Runtime",
        LOCATED + "Invalid path '$.x': The choice state's condition path references an invalid value.",
    ),
    (
        CHOICE,
        {"x": 1},
        "States.Runtime",
        LOCATED + "Failed to transition out of the state. The state does not point to a next state.",
    ),
    (
        one(Type="Map", ItemProcessor={"StartAt": "A", "States": {"A": PASS}}, End=True),
        {},
        "States.Runtime",
        LOCATED + 'Reference path "$" must point to array.',
    ),
    (
        mapped(MaxConcurrencyPath="$.p"),
        {"xs": [], "p": "NoNumber"},
        "States.Runtime",
        LOCATED + 'The MaxConcurrencyPath field refers to value "NoNumber" which is not a valid integer: $.p',
    ),
    (
        {
            **one(Type="Map", ItemProcessor={"StartAt": "A", "States": {"A": PASS}}, End=True),
            "QueryLanguage": "JSONata",
        },
        {"a": 1},
        "States.QueryEvaluationError",
        LOCATED + 'Map state input must be an array but was: {"a":1}',
    ),
    (
        jsonata(Output="{% $states.input.nope %}"),
        {},
        "States.QueryEvaluationError",
        LOCATED + "The JSONata expression '$states.input.nope' specified for the field 'Output' returned nothing "
        "(undefined).",
    ),
    (
        jsonata(Output={"a": {"b": "{% $sum %}"}}),
        {},
        "States.QueryEvaluationError",
        LOCATED + "The JSONata expression '$sum' specified for the field 'Output/a/b' returned an unsupported result "
        "type.",
    ),
    (
        jsonata(Output="{% $eval('1') %}"),
        {},
        "States.QueryEvaluationError",
        LOCATED + "The JSONata expression '$eval('1')' specified for the field 'Output' threw an error during "
        "evaluation. T1006: Attempted to invoke a non-function",
    ),
    (
        {"QueryLanguage": "JSONata", **one(Type="Wait", Timestamp="{% 'v' %}", End=True)},
        {},
        "States.QueryEvaluationError",
        LOCATED + "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: v",
    ),
    (
        {
            "QueryLanguage": "JSONata",
            **one(Type="Map", Items="{% 1 %}", ItemProcessor={"StartAt": "A", "States": {"A": PASS}}, End=True),
        },
        {},
        "States.QueryEvaluationError",
        LOCATED + "The JSONata expression '1' specified for the field 'Items' returned an unexpected result type. "
        "Expected 'array', but was 'number' for value: 1",
    ),
    (
        one(**TASK, Parameters={"a.$": "States.Format('{}{}', $.x, $.x)"}),
        {"x": "x" * 140_000},
        "States.DataLimitExceeded",
        "The state/task 'S' provided parameters with a size exceeding the maximum number of bytes service limit.",
    ),
    ({**one(Type="Wait", Seconds=60, End=True), "TimeoutSeconds": 1}, {}, "States.Timeout", None),
]
"""(definition, input, error, cause): how a synchronous execution ends."""
