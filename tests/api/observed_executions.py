"""What AWS was observed to say of executions, as data: definition, input → error and cause, output or events."""

from __future__ import annotations

from typing import Any

from tests.api.observed import LOCATED, PASS, TASK, one

JSONATA = {"QueryLanguage": "JSONata"}
FAILING = {**TASK, "Resource": "arn:aws:lambda:us-east-1:123456789012:function:fail"}
INVOKE = "arn:aws:states:::lambda:invoke"
NOTHING = "{% $states.input.no %}"


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
    (
        one(**TASK, TimeoutSecondsPath="$.X"),
        {},
        "States.Runtime",
        LOCATED + "Invalid path '$.X' : No results for path: $['X']",
    ),
    (
        one(Type="Fail", CausePath="$.E"),
        {},
        "States.Runtime",
        LOCATED + "The JSONPath '$.E' specified for the field 'CausePath' could not be found in the input '{}'",
    ),
    (
        one(**PASS, Parameters={"a.$": "States.Format('{}{}', $.x, $.x)"}),
        {"x": "x" * 140_000},
        "States.DataLimitExceeded",
        "The state/task 'S' returned a result with a size exceeding the maximum number of bytes service limit.",
    ),
    *(
        (
            {**JSONATA, "StartAt": "S", "States": {"S": state, "Z": {"Type": "Succeed"}}},
            {},
            "States.QueryEvaluationError",
            f"{LOCATED}The JSONata expression '$states.input.no' specified for the field '{field}' returned nothing "
            "(undefined).",
        )
        for field, state in (
            ("Output/v", {"Type": "Pass", "Output": {"v": NOTHING}, "Next": "Z"}),
            ("Output/a[0]", {"Type": "Pass", "Output": {"a": [NOTHING]}, "Next": "Z"}),
            ("Assign/x", {"Type": "Pass", "Assign": {"x": NOTHING}, "Next": "Z"}),
            ("Seconds", {"Type": "Wait", "Seconds": NOTHING, "Next": "Z"}),
            ("Choices[0]/Condition", {"Type": "Choice", "Choices": [{"Condition": NOTHING, "Next": "Z"}]}),
            (
                "Choices[1]/Output/v",
                {
                    "Type": "Choice",
                    "Choices": [
                        {"Condition": False, "Next": "Z"},
                        {"Condition": True, "Output": {"v": NOTHING}, "Next": "Z"},
                    ],
                },
            ),
            ("Arguments/a", {"Type": "Task", "Resource": TASK["Resource"], "Arguments": {"a": NOTHING}, "Next": "Z"}),
            (
                "Catch[0]/Output",
                {
                    "Type": "Task",
                    "Resource": FAILING["Resource"],
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Output": NOTHING, "Next": "Z"}],
                    "Next": "Z",
                },
            ),
        )
    ),
    (
        {
            **JSONATA,
            "StartAt": "S",
            "States": {"S": {"Type": "Choice", "Choices": [{"Condition": "{% 1 %}", "Next": "Z"}]}, "Z": PASS},
        },
        {},
        "States.QueryEvaluationError",
        LOCATED + "The JSONata expression '1' specified for the field 'Choices[0]/Condition' returned an unexpected "
        "result type. Expected 'boolean', but was 'number' for value: 1",
    ),
    (
        one(Type="Wait", SecondsPath="$.p", End=True),
        {"p": 100_000_000},
        "States.Runtime",
        LOCATED + "Wait state delay is too long.",
    ),
    (
        one(Type="Task", Resource=INVOKE, Parameters={"FunctionName": 1}, End=True),
        {},
        "States.Runtime",
        LOCATED + """The Parameters '{"FunctionName":1}' could not be used to start the Task: """
        "[The value for the field 'FunctionName' must be a STRING]",
    ),
]
"""(definition, input, error, cause): how a synchronous execution ends."""


def intrinsic(call: str) -> dict[str, Any]:
    """A machine whose output is what a call of an intrinsic function gives."""
    return one(**PASS, Parameters={"v.$": call}, OutputPath="$.v")


OUTPUTS: list[tuple[dict[str, Any], Any, Any]] = [
    (jsonata(Output="{% $range(1, 9, 9) %}"), {}, 1),
    (jsonata(Output="{% $hash('input', 'SHA-1') %}"), {}, "140f86aae51ab9e1cda9b4254fe98a74eb54c1a1"),
    (jsonata(Output="{% $random(42) %}"), {}, 0.7275636800328681),
    (jsonata(Output="{% {'a': $states.input.no, 'b': 1, 'c': [1, $states.input.no]} %}"), {}, {"b": 1, "c": [1]}),
    (jsonata(Output={"n": "{% null %}"}), {}, {"n": None}),
    (jsonata(Output="{% $exists($states.context.Execution.RedriveCount) %}"), {}, False),
    (intrinsic("States.StringToJson('')"), {}, None),
    (intrinsic("States.StringToJson('  ')"), {}, None),
    (intrinsic("States.StringToJson('-0')"), {}, 0),
    (
        intrinsic("States.Format('{} {} {} {}', null, 1.1, 's', $.o)"),
        {"o": {"k": "v", "l": []}},
        "null 1.1 s {k=v, l=[]}",
    ),
    *(
        (intrinsic(f"States.MathAdd({a}, {b})"), {}, total)
        for a, b, total in (
            (1.5, 1.51, 4),
            (-1.5, -1.51, -3),
            (-0.5, 0.5, 1),
            (2.5, 0, 3),
            (-2.5, 0, -2),
            (1.49, 1.5, 3),
        )
    ),
    (
        one(
            Type="Map",
            QueryLanguage="JSONata",
            ItemProcessor={"StartAt": "A", "States": {"A": {**PASS, "InputPath": "$.x"}}},
            End=True,
        ),
        [{"x": 1}],
        [1],
    ),
    *(
        (
            {
                "StartAt": "S",
                "States": {
                    "S": {
                        **TASK,
                        "Parameters": {"a.$": "States.Format('{}{}', $.x, $.x)"},
                        "Catch": [{"ErrorEquals": [name], "ResultPath": None, "Next": "Z"}],
                    },
                    "Z": {"Type": "Pass", "Result": "caught", "End": True},
                },
            },
            {"x": "x" * 140_000},
            "caught",
        )
        for name in ("States.ALL", "States.DataLimitExceeded")
    ),
]
"""(definition, input, output): what a synchronous execution gives."""
