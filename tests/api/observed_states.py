"""What AWS was observed to say of states under test, as data: request → code and message, state → error and cause."""

from __future__ import annotations

from typing import Any

from tests.api.observed import FUNCTION, PASS, TASK, one, text
from tests.api.observed_executions import JSONATA, NOTHING

TWO_BRANCHES = {
    "Type": "Parallel",
    "Branches": [{"StartAt": name, "States": {name: PASS}} for name in "AB"],
    "End": True,
}
EACH = {"ItemProcessor": {"StartAt": "A", "States": {"A": PASS}}}

REFUSED_STATES: list[tuple[str, dict[str, Any], str, str]] = [
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
    *(
        (
            "TestState",
            {"definition": text({"Type": kind, **more}), "mock": {"result": "1"}},
            "ValidationException",
            f"State type '{kind}' is not supported when a mock is specified",
        )
        for kind, more in (
            ("Wait", {"Seconds": 1, "End": True}),
            ("Choice", {"Choices": [{"Variable": "$.x", "IsNull": True, "Next": "Z"}]}),
            ("Succeed", {}),
            ("Fail", {}),
        )
    ),
    (
        "TestState",
        {"definition": text(one(**PASS)), "stateName": "Z"},
        "ValidationException",
        "State not found in definition",
    ),
    (
        "TestState",
        {"definition": text(one(Type="Map", **EACH, End=True)["States"]["S"]), "mock": {"result": "{}"}},
        "ValidationException",
        "Mocked result must be an array.",
    ),
    (
        "TestState",
        {
            "definition": text({**TASK, "Resource": "arn:aws:states:::sqs:sendMessage"}),
            "mock": {"result": '{"MessageId": 1}'},
        },
        "ValidationException",
        "Mock result schema validation error: Field 'MessageId' must be a string",
    ),
]
"""(action, request, code, message)."""


def tolerant(**more: Any) -> dict[str, Any]:
    """A distributed Map with a tolerance."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        "StartAt": "A",
        "States": {"A": PASS},
    }
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **more}


def reading(kind: str, *, arguments: str = "Parameters", **more: Any) -> dict[str, Any]:
    """A distributed Map that reads a file."""
    return tolerant(
        ItemReader={
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": kind, **more},
            arguments: {"Bucket": "b", "Key": "k"},
        }
    )


MOCKED = {"mock": {"result": "[]"}}

STATES: list[tuple[dict[str, Any], Any, dict[str, Any], str, str]] = [
    (
        {**PASS, "InputPath": "$.X"},
        {},
        {},
        "States.Runtime",
        "Invalid path '$.X' : No results for path: $['X']",
    ),
    (
        {**PASS, **JSONATA, "Output": NOTHING},
        {},
        {},
        "States.QueryEvaluationError",
        "The JSONata expression '$states.input.no' specified for the field 'Output' returned nothing (undefined).",
    ),
    *(
        (
            tolerant(ItemsPath="$.xs", **{f"{field}Path": "$.p"}),
            {"xs": [], "p": "NoNumber"},
            MOCKED,
            "States.Runtime",
            f'The {field}Path field refers to value "NoNumber" which is not a valid {kind}: $.p',
        )
        for field, kind in (
            ("ToleratedFailureCount", "integer"),
            ("ToleratedFailurePercentage", "float"),
            ("MaxConcurrency", "integer"),
        )
    ),
    *(
        (
            tolerant(ItemsPath="$.xs", **{f"{field}Path": "$.p"}),
            {"xs": [], "p": value},
            MOCKED,
            "States.Runtime",
            f"{field} {tail}",
        )
        for field, value, tail in (
            ("ToleratedFailureCount", -1, "cannot be negative."),
            ("ToleratedFailurePercentage", -1, "must be between 0 and 100."),
            ("ToleratedFailurePercentage", 101, "must be between 0 and 100."),
        )
    ),
    (
        reading("CSV", CSVHeaderLocation="FIRST_ROW"),
        {},
        {**MOCKED, "stateConfiguration": {"mapItemReaderData": "a,a\n1,2\n"}},
        "States.ItemReaderFailed",
        "CSV headers cannot contain duplicates.",
    ),
    (
        reading("JSON"),
        {},
        {**MOCKED, "stateConfiguration": {"mapItemReaderData": "1"}},
        "States.ItemReaderFailed",
        "Attempting to map over non-iterable node.",
    ),
    (
        tolerant(ToleratedFailureCount=0),
        [1],
        {"mock": {"result": "[1]"}, "stateConfiguration": {"mapIterationFailureCount": 1}},
        "States.ExceedToleratedFailureThreshold",
        "The specified tolerated failure threshold was exceeded",
    ),
    *(
        (
            {**reading("JSON", **most), **language},
            {"n": -1},
            {**MOCKED, "stateConfiguration": {"mapItemReaderData": "[1]"}},
            "States.ItemReaderFailed",
            "field MaxItems must be positive",
        )
        for most, language in (
            ({"MaxItemsPath": "$.n"}, {}),
            ({"arguments": "Arguments", "MaxItems": "{% $states.input.n %}"}, JSONATA),
        )
    ),
    *(
        (
            {**PASS, **JSONATA, "Output": f"{{% {expression} %}}"},
            {},
            {},
            "States.QueryEvaluationError",
            f"The JSONata expression '{expression}' specified for the field 'Output' threw an error during evaluation: "
            f"{bound}",
        )
        for expression, bound in (
            (
                "[1..900000] ~> $count()",
                "Expression evaluation memory limit exceeded: Check for excessive memory usage",
            ),
            (
                "+".join(["1"] * 200),
                "Stack overflow error: Check for non-terminating recursive function. Consider rewriting as "
                "tail-recursive.",
            ),
        )
    ),
]
"""(state, input, more of the request, error, cause): how TestState says that a state failed."""
