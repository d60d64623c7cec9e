"""What AWS was observed to say of definitions, as data: definition, type → code, message and place."""

from __future__ import annotations

from typing import Any

from tests.api.observed import PASS, TASK, UNKNOWN, one

SCHEMA = "SCHEMA_VALIDATION_FAILED"
JSONATA = {"QueryLanguage": "JSONata"}
ALL = {"ErrorEquals": ["States.ALL"]}
RULE = {"Variable": "$.x", "IsNull": True}
WAIT = {"Type": "Wait", "Seconds": 1, "End": True}
CHOICE = {"Type": "Choice", "Choices": [{**RULE, "Next": "Z"}]}
PARALLEL = {"Type": "Parallel", "Branches": [{"StartAt": "A", "States": {"A": PASS}}], "End": True}
MAP = {"Type": "Map", "ItemProcessor": {"StartAt": "A", "States": {"A": PASS}}, "End": True}

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
    *(
        (
            one(Type="Map", **{field: {"StartAt": "A", "States": {"A": PASS}, "QueryLanguage": "JSONata"}}, End=True),
            "STANDARD",
            "SCHEMA_VALIDATION_FAILED",
            "Field 'QueryLanguage' is not supported",
            f"/States/S/{field}",
        )
        for field in ("ItemProcessor", "Iterator")
    ),
    *(
        (
            {"StartAt": "S", "States": {"S": {**state, field: value}, "Z": PASS}},
            "STANDARD",
            "SCHEMA_VALIDATION_FAILED",
            f"Field '{field}' is not supported",
            "/States/S",
        )
        for state in (WAIT, CHOICE, {"Type": "Succeed"}, {"Type": "Fail"}, PARALLEL, MAP)
        for field, value in (
            ("TimeoutSeconds", 1),
            ("Retry", [{"ErrorEquals": ["States.ALL"]}]),
            ("Catch", [{"ErrorEquals": ["States.ALL"], "Next": "Z"}]),
        )
        if field == "TimeoutSeconds" or state not in (PARALLEL, MAP)
    ),
    ({"StartAt": "S", "States": {"S": PASS}, "Nope": 1}, "STANDARD", SCHEMA, "Field 'Nope' is not supported", ""),
    ({}, "STANDARD", SCHEMA, "These fields are required: [States, StartAt]", ""),
    *(
        (
            one(**state, QueryLanguage="JSONata"),
            "STANDARD",
            SCHEMA,
            f"The QueryLanguage is set to 'JSONata', but field '{field}' is only supported for the 'JSONPath' "
            "QueryLanguage",
            "/States/S",
        )
        for field, state in (
            ("InputPath", {**PASS, "InputPath": "$"}),
            ("Result", {**PASS, "Result": 1}),
            ("Parameters", {**TASK, "Parameters": {}}),
            ("SecondsPath", {"Type": "Wait", "SecondsPath": "$.x", "End": True}),
            ("ItemsPath", {**MAP, "ItemsPath": "$.x"}),
        )
    ),
    *(
        (
            one(**state),
            "STANDARD",
            SCHEMA,
            f"The QueryLanguage is set to 'JSONPath', but field '{field}' is only supported for the 'JSONata' "
            "QueryLanguage",
            "/States/S",
        )
        for field, state in (("Arguments", {**TASK, "Arguments": {}}), ("Items", {**MAP, "Items": [1]}))
    ),
    (
        one(**PASS, QueryLanguage="Nope"),
        "STANDARD",
        SCHEMA,
        "The field 'QueryLanguage' should have one of these values: [JSONPath, JSONata]",
        "/States/S/QueryLanguage",
    ),
    (
        one(**PASS, QueryLanguage="Nope", Output="{% phone %}"),
        "STANDARD",
        "UNSUPPORTED_JSONATA_EXPRESSION",
        "Reference to 'phone' at the top level is not supported.",
        "/States/S/Output",
    ),
    (
        one(Type="Parallel", Branches=[{"StartAt": "S", "States": {"S": PASS}}], End=True),
        "STANDARD",
        "DUPLICATE_STATE_NAME",
        "Duplicate State name: S",
        "/States/S/Branches[0]/States/S",
    ),
    *(
        (
            {"StartAt": "S", "States": {"S": state, "Z": PASS}},
            "STANDARD",
            "MISSING_TRANSITION_TARGET",
            "Missing 'Next' target: None",
            f"/States/S/{place}",
        )
        for place, state in (
            ("Default", {**CHOICE, "Default": "None"}),
            ("Choices[0]/Next", {"Type": "Choice", "Choices": [{**RULE, "Next": "None"}], "Default": "Z"}),
            (
                "Catch[0]/Next",
                {"Type": "Task", "Resource": TASK["Resource"], "Next": "Z", "Catch": [{**ALL, "Next": "None"}]},
            ),
        )
    ),
    *(
        (
            one(**PASS, QueryLanguage="JSONata", Output=f"{{% {expression} %}}"),
            "STANDARD",
            "INVALID_JSONATA_EXPRESSION",
            message,
            "/States/S/Output",
        )
        for expression, message in (
            ("$states.input[1,2]", 'Expected "]", got ","'),
            ("'open", "String literal must be terminated by a matching quote"),
            ("/open", "No terminating / in regular expression"),
            ("{'a': }", 'The symbol "}" cannot be used as a unary operator'),
        )
    ),
    *(
        (
            {"StartAt": "S", "States": {"S": {**state, field: [handler]}, "Z": PASS}, **JSONATA},
            "STANDARD",
            "INVALID_JSONATA_EXPRESSION",
            "Unexpected end of expression",
            place,
        )
        for state, field, handler, place in (
            (CHOICE, "Choices", {"Condition": "{% 1 + %}", "Next": "Z"}, "/States/S/Choices[0]/Condition"),
            (TASK, "Catch", {**ALL, "Next": "Z", "Output": "{% 1 + %}"}, "/States/S/Catch[0]/Output"),
        )
    ),
]
"""(definition, type, code, message, location): what ValidateStateMachineDefinition says of a definition."""
