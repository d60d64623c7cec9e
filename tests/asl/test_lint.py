"""What lint says: AWS's diagnostics where they are on record, and the judgement calls of each theme."""

from __future__ import annotations

import pytest

from express.asl.lint import MachineType, lint
from express.errors import Diagnostic
from express.values import JSON

LAMBDA = "arn:aws:states:::lambda:invoke"
END = {"Type": "Succeed"}


def check(
    data: JSON, machine_type: MachineType = "STANDARD", *, placeholders: bool = False, strict: bool = False
) -> list[Diagnostic]:
    """Lint with the real grammars."""
    return lint(data, type=machine_type, placeholders=placeholders, strict=strict)


def machine(*states: JSON, **more: JSON) -> dict[str, JSON]:
    """States S, S2, S3… of which the first starts."""
    named = {f"S{i}" if i > 1 else "S": state for i, state in enumerate(states, 1)}
    return {"StartAt": "S", "States": named, **more}


def rules(data: JSON, **options: JSON) -> list[str]:
    """The codes found, in order."""
    return [finding.rule for finding in check(data, **options)]


def task(**fields: JSON) -> dict[str, JSON]:
    """A Task that ends."""
    return {"Type": "Task", "Resource": LAMBDA, "End": True, **fields}


def map_state(mode: str = "INLINE", **fields: JSON) -> dict[str, JSON]:
    """A Map that ends."""
    config = {"Mode": mode} if mode == "INLINE" else {"Mode": mode, "ExecutionType": "STANDARD"}
    processor = {"ProcessorConfig": config, "StartAt": "I", "States": {"I": END}}
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **fields}


SUPPORTED = "Field '{}' is not supported"
ONLY_FOR = "The QueryLanguage is set to '{}', but field '{}' is only supported for the '{}' QueryLanguage"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, [("SCHEMA_VALIDATION_FAILED", "These fields are required: [States, StartAt]", "/")]),
        ({"StartAt": "S"}, [("SCHEMA_VALIDATION_FAILED", "These fields are required: [States]", "/")]),
        (
            machine({"Type": "Pass", "TimeoutSeconds": 1, "End": True}),
            [("SCHEMA_VALIDATION_FAILED", SUPPORTED.format("TimeoutSeconds"), "/States/S")],
        ),
        (
            machine({"Type": "Paß", "End": True}),
            [
                (
                    "SCHEMA_VALIDATION_FAILED",
                    "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, "
                    "Parallel, Map]",
                    "/States/S/Type",
                )
            ],
        ),
        (
            machine({"Type": "Pass", "Output": 1, "End": True}),
            [("SCHEMA_VALIDATION_FAILED", ONLY_FOR.format("JSONPath", "Output", "JSONata"), "/States/S")],
        ),
        (
            machine({"Type": "Pass", "QueryLanguage": "JSONPath", "End": True}, QueryLanguage="JSONata"),
            [
                (
                    "SCHEMA_VALIDATION_FAILED",
                    "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
                    "/States/S",
                )
            ],
        ),
        (
            machine({"Type": "Pass", "Assign": {"v.$": "literal"}, "End": True}),
            [
                (
                    "SCHEMA_VALIDATION_FAILED",
                    "The value for the field 'v.$' must be a valid JSONPath or a valid intrinsic function call",
                    "/States/S/Assign",
                )
            ],
        ),
        (
            machine({"Type": "Wait", "Timestamp": "2016-03-14T01:59:00", "End": True}),
            [("SCHEMA_VALIDATION_FAILED", "String does not match RFC3339 timestamp", "/States/S/Timestamp")],
        ),
        (
            machine({"Type": "Parallel", "Branches": [], "End": True}),
            [("SCHEMA_VALIDATION_FAILED", "Value cannot be empty", "/States/S/Branches")],
        ),
        (
            machine(task(Credentials={"Other": 1})),
            [
                (
                    "SCHEMA_VALIDATION_FAILED",
                    "The field 'RoleArn' is required but was missing",
                    "/States/S/Credentials",
                )
            ],
        ),
        (
            machine({"Type": "Pass", "Next": "S2"}, {"Type": "Pass", "Next": "S"}, {"Type": "Pass", "Next": "S"}),
            [("MISSING_END_STATE", "Workflow has no terminal state", "")],
        ),
        (
            {"StartAt": "p1", "States": {"p1": {"Type": "Pass", "Next": "p3"}, "p2": END}},
            [
                ("MISSING_TRANSITION_TARGET", "Missing 'Next' target: p3", "/States/p1/Next"),
                ("MISSING_TRANSITION_TARGET", 'State "p2" is not reachable.', "/States/p2"),
            ],
        ),
        (
            machine({"Type": "Pass", "Next": "NOPE"}),
            [
                ("MISSING_TRANSITION_TARGET", "Missing 'Next' target: NOPE", "/States/S/Next"),
                ("MISSING_END_STATE", "Workflow has no terminal state", ""),
            ],
        ),
        (
            machine({"Type": "Pass", "Output": {"v": "{% phone %}"}, "End": True}, QueryLanguage="JSONata"),
            [
                (
                    "UNSUPPORTED_JSONATA_EXPRESSION",
                    "Reference to 'phone' at the top level is not supported.",
                    "/States/S/Output/v",
                )
            ],
        ),
        (
            machine({"Type": "Pass", "Output": "{% 1 + %}", "End": True}, QueryLanguage="JSONata"),
            [("INVALID_JSONATA_EXPRESSION", "Unexpected end of expression", "/States/S/Output")],
        ),
        (
            machine(map_state("DISTRIBUTED", ToleratedFailurePercentage=101)),
            [("SCHEMA_VALIDATION_FAILED", "Maximum value is 100.0", "/States/S/ToleratedFailurePercentage")],
        ),
        (
            machine(map_state("DISTRIBUTED", MaxConcurrencyPath="$$.Execution.Input.n")),
            [("SCHEMA_VALIDATION_FAILED", "Value is not a Reference Path", "/States/S/MaxConcurrencyPath")],
        ),
    ],
)
def test_as_aws_says_it(data: JSON, expected: list[tuple[str, str, str]]) -> None:
    """Code, text, location and order are those that AWS was seen to give (asl.md §20)."""
    assert [(f.code, f.message, f.location) for f in check(data)] == expected


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        (
            "arn:aws:states:::states:startExecution.sync",
            "Express state machine does not support '.sync' service integration",
        ),
        (
            "arn:aws:states:::states:startExecution.sync:2",
            "Express state machine does not support '.sync' service integration",
        ),
        (
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Express state machine does not support '.waitForTaskToken' service integration ",
        ),
        (
            "arn:aws:states:us-east-1:123456789012:activity:a",
            "Express state machine does not support Activity ARN",
        ),
    ],
)
def test_what_express_refuses(resource: str, message: str) -> None:
    """Express machines refuse three kinds of resource, in AWS's words; Standard machines take them."""
    data = machine(task(Resource=resource))
    (found,) = check(data, "EXPRESS")
    assert (found.code, found.message, found.location) == ("SCHEMA_VALIDATION_FAILED", message, "/States/S/Resource")
    assert check(data, "STANDARD") == []


def test_express_children_of_a_distributed_map_are_express() -> None:
    """The refusals hold for the children where their type is EXPRESS, and a distributed Map itself is refused."""
    data = machine(map_state("DISTRIBUTED"))
    processor = data["States"]["S"]["ItemProcessor"]
    processor["States"]["I"] = task(Resource="arn:aws:states:::ecs:runTask.sync")
    assert rules(data) == []
    assert "E0904" in rules(data, machine_type="EXPRESS")
    processor["ProcessorConfig"]["ExecutionType"] = "EXPRESS"
    assert rules(data) == ["E0901"]


def test_everything_is_found_at_once() -> None:
    """One pass names every mistake, whatever stands before it."""
    data = machine(
        {"Type": "Pass", "Resullt": 1, "InputPath": "x", "Next": "S2"},
        {"Type": "Wait", "Seconds": -1, "Next": "S3"},
        task(Retry=[{"ErrorEquals": []}], Catch=[{"Next": "S9"}]),
    )
    assert set(rules(data)) == {"E0102", "E0401", "E0107", "E0108", "E0101", "E0201"}


def test_a_slip_in_a_target_has_no_consequences() -> None:
    """The state that was obviously meant counts as reached; a doubtful one is marked as following."""
    data = machine({"Type": "Pass", "Next": "Order sise?"})
    data["States"]["Order size?"] = END
    (found,) = check(data)
    assert (found.rule, found.hint) == ("E0201", "did you mean 'Order size?'?")

    data["States"]["S"]["Next"] = "Elsewhere"
    assert [(f.rule, f.follows) for f in check(data)] == [("E0201", None), ("E0202", "E0201")]


@pytest.mark.parametrize(
    ("field", "hint"),
    [("Retrry", "Retry"), ("resource", "Resource"), ("TimeOutSeconds", "TimeoutSeconds"), ("Catsh", "Catch")],
)
def test_the_nearest_name_is_proposed(field: str, hint: str) -> None:
    """An unknown field names the field that was probably meant, and points at itself."""
    found = check(machine(task(**{field: 1})))[0]
    assert (found.rule, found.hint) == ("E0102", f"did you mean '{hint}'?")
    assert (found.location, found.at) == ("/States/S", f"/States/S/{field}")


def test_a_misspelt_required_field_is_one_mistake() -> None:
    """That it is missing follows from its being misspelt."""
    data = {"StartAt": "S", "Statess": {}}
    assert [(f.rule, f.follows, f.at) for f in check(data)] == [("E0102", None, "/Statess"), ("E0101", "E0102", "")]
    (first, second) = check(machine({"Type": "Pass", "Nxt": "S"}))
    assert (first.hint, second.follows) == ("did you mean 'Next'?", "E0102")


RULE = {"Variable": "$.a", "StringEquals": "x", "Next": "S2"}
NESTED = {"StartAt": "N", "States": {"N": {"Type": "Pass", "End": True}}}
MISSPELT = {
    "a Next": (machine({"Type": "Pass", "Netx": "S2"}, END), "/States/S/Netx"),
    "an End": (machine({"Type": "Pass", "Edn": True}), "/States/S/Edn"),
    "a way of a Choice": (
        machine({"Type": "Choice", "Choices": [{**RULE, "Next": "S2"}], "Defualt": "S3"}, END, END),
        "/States/S/Defualt",
    ),
    "all rules of a Choice": (
        machine({"Type": "Choice", "Choicse": [RULE], "Default": "S3"}, END, END),
        "/States/S/Choicse",
    ),
    "an operator": (
        machine({"Type": "Choice", "Choices": [{"Variable": "$.a", "StringEqual": "x", "Next": "S2"}]}, END),
        "/States/S/Choices[0]/StringEqual",
    ),
    "a combiner": (
        machine({"Type": "Choice", "Choices": [{"Nto": {"Variable": "$.a", "IsNull": True}, "Next": "S2"}]}, END),
        "/States/S/Choices[0]/Nto",
    ),
    "a Catch": (
        machine(task(Cathc=[{"ErrorEquals": ["States.ALL"], "Next": "S2"}]), END),
        "/States/S/Cathc",
    ),
    "an Assign": (
        machine({"Type": "Pass", "Assing": {"a": 1}, "Next": "S2"}, task(Parameters={"a.$": "$a"})),
        "/States/S/Assing",
    ),
    "the query language": (
        machine({"Type": "Pass", "Output": "{% 1 %}", "End": True}, QueryLanguaeg="JSONata"),
        "/QueryLanguaeg",
    ),
    "the query language of a state": (
        machine({"Type": "Pass", "QueryLangauge": "JSONata", "Output": "{% 1 %}", "End": True}),
        "/States/S/QueryLangauge",
    ),
    "the states of a branch": (
        machine({"Type": "Parallel", "Branches": [{"StartAt": "N", "Statse": NESTED["States"]}], "End": True}),
        "/States/S/Branches[0]/Statse",
    ),
}


@pytest.mark.parametrize("case", MISSPELT)
def test_one_misspelt_field_is_one_mistake(case: str) -> None:
    """What is missing, unreachable, unassigned or of the wrong language because of it says that it follows from it."""
    data, at = MISSPELT[case]
    found = check(data)
    assert [(finding.rule, finding.at or finding.location) for finding in found if finding.follows is None] == [
        ("E0102", at)
    ]


def test_only_fields_of_the_language_are_proposed() -> None:
    """A JSONPath state is not advised to use a JSONata field."""
    (found,) = check(machine({"Type": "Pass", "Outputt": 1, "End": True}))
    assert found.hint != "did you mean 'Output'?"


def test_the_language_is_not_inherited_from_a_map() -> None:
    """A state takes its own language or the machine's; that of the Map or Parallel around it does not count."""
    data = machine(map_state(QueryLanguage="JSONata"))
    data["States"]["S"]["ItemProcessor"]["States"]["I"] = {"Type": "Pass", "Parameters": {"a.$": "$.b"}, "End": True}
    assert rules(data) == []


@pytest.mark.parametrize(
    ("rule", "codes"),
    [
        ({"Variable": "$.a", "StringEquals": "x", "Next": "S2"}, []),
        (
            {"And": [{"Variable": "$.a", "IsNull": True}, {"Not": {"Variable": "$.b", "IsNull": True}}], "Next": "S2"},
            [],
        ),
        ({"Variable": "$.a", "Next": "S2"}, ["E0301"]),
        ({"StringEquals": "x", "Next": "S2"}, ["E0101"]),
        ({"Variable": "$.a", "StringEquals": "x"}, ["E0101"]),
        ({"Variable": "$.a", "StringEquals": 5, "Next": "S2"}, ["E0105"]),
        ({"Variable": "$.a", "NumericEquals": True, "Next": "S2"}, ["E0105"]),
        ({"Variable": "$.a", "TimestampEquals": "noon", "Next": "S2"}, ["E0110"]),
        ({"Variable": "$.a", "StringEqualsPath": "b", "Next": "S2"}, ["E0401"]),
        ({"Variable": "$.a", "StringEquals": "x", "IsNull": True, "Next": "S2"}, ["E0104"]),
        ({"Variable": "$.a", "And": [{"Variable": "$.a", "IsNull": True}], "Next": "S2"}, ["E0104"]),
        ({"And": [], "Next": "S2"}, ["E0108"]),
        ({"Or": {"Variable": "$.a"}, "Next": "S2"}, ["E0105"]),
        ({"Not": [], "Next": "S2"}, ["E0105"]),
        ({"And": [{"Variable": "$.a", "IsNull": True, "Next": "S2"}], "Next": "S2"}, ["E0102"]),
        ({"Condition": "{% true %}", "Next": "S2"}, ["E0103"]),
        ("no rule", ["E0105"]),
    ],
)
def test_choice_rules(rule: JSON, codes: list[str]) -> None:
    """One test per rule, operands of the operator's type, Next on the rule and not inside (spec §10)."""
    data = machine({"Type": "Choice", "Choices": [rule], "Default": "S2"}, END)
    assert rules(data) == codes


@pytest.mark.parametrize(
    ("rule", "codes"),
    [
        ({"Condition": "{% $states.input.a = 1 %}", "Next": "S2", "Output": 1, "Assign": {"x": 1}}, []),
        ({"Condition": True, "Next": "S2"}, []),
        ({"Condition": "true", "Next": "S2"}, ["E0508"]),
        ({"Condition": "{% a = 1 %}", "Next": "S2"}, ["E0502"]),
        ({"Next": "S2"}, ["E0101"]),
        ({"Condition": True, "Variable": "$.a", "Next": "S2"}, ["E0103"]),
    ],
)
def test_jsonata_choice_rules(rule: JSON, codes: list[str]) -> None:
    """A JSONata rule has one Condition, a boolean or an expression."""
    data = machine({"Type": "Choice", "Choices": [rule], "Default": "S2"}, END, QueryLanguage="JSONata")
    assert rules(data) == codes


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"Seconds": 0}, []),
        ({"Seconds": 99_999_999}, []),
        ({"Seconds": 100_000_000}, ["E0107"]),
        ({"Seconds": 1.5}, ["E0105"]),
        ({"Seconds": True}, ["E0105"]),
        ({"SecondsPath": "$$.Execution.Input.n"}, []),
        ({"SecondsPath": "$delay.seconds"}, ["W1003"]),
        ({"Timestamp": "2016-03-14T01:59:00.123+01:00"}, []),
        ({"TimestampPath": "$.when"}, []),
        ({}, ["E0101"]),
        ({"Seconds": 1, "TimestampPath": "$.when"}, ["E0104"]),
    ],
)
def test_waits(fields: dict[str, JSON], codes: list[str]) -> None:
    """Exactly one of the four timers, with its range (spec §9)."""
    assert rules(machine({"Type": "Wait", "End": True, **fields})) == codes


def test_a_path_in_a_number_field_is_recognised() -> None:
    """The …Path twin is proposed."""
    (found,) = check(machine({"Type": "Wait", "Seconds": "$.delay", "End": True}))
    assert (found.rule, found.hint) == ("E0105", "did you mean 'SecondsPath'?")


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("$", []),
        (None, []),
        ("$.a['b c'][0]", []),
        ("$.a-b", []),
        ("$['a','b']", ["E0402"]),
        ("$..a", ["E0402"]),
        ("$.a[*]", ["E0402"]),
        ("$.a[?(@.b)]", ["E0402"]),
        ("$.a[-1]", ["E0402"]),
        ("$$.Execution", ["E0402"]),
        ("$variable", ["E0402"]),
        ("a", ["E0402"]),
        ("States.UUID()", ["E0402"]),
        (5, ["E0105"]),
    ],
)
def test_result_paths(path: JSON, codes: list[str]) -> None:
    """ResultPath names one place in the state's input, or none (spec §5)."""
    assert rules(machine({"Type": "Pass", "ResultPath": path, "End": True})) == codes


@pytest.mark.parametrize(
    ("template", "codes"),
    [
        ({"a.$": "$.b", "c": [{"d.$": "$$.Execution.Id"}], "e": None}, []),
        ({"a.$": "States.Format('{}', $.b)"}, []),
        ({"a.$": "States.Format('{}', States.Array(1, $.c))  "}, []),
        ({"a.$": " States.UUID()"}, ["E0403"]),
        ({"a.$": "States.Nope()"}, ["E0403"]),
        ({"a.$": "States.MathAdd(1)"}, ["E0403"]),
        ({"a.$": "States.Format('x"}, ["E0403"]),
        ({"a.$": 5}, ["E0403"]),
        ({"a.$": {"b": 1}}, ["E0403"]),
        ({"a": 1, "a.$": "$.b"}, ["E0104"]),
        ({"deep": {"list": [[{"x.$": "bad"}]]}}, ["E0403"]),
        ({"a": "$.b"}, ["W0410"]),
        ({"a": "States.UUID()"}, ["W0410"]),
        ({"a": "$5 and more"}, []),
        ({"a": "{% $states.input %}"}, ["W0506"]),
        ("plain text", []),
        ("$.a", ["W0411"]),
    ],
)
def test_payload_templates(template: JSON, codes: list[str]) -> None:
    """`.$` fields hold paths or calls, names do not collide, literals that look dynamic are warned of (spec §5)."""
    assert rules(machine(task(Parameters=template))) == codes


def test_an_unknown_intrinsic_proposes_the_nearest() -> None:
    """A slip in a function's name is answered with the function."""
    (found,) = check(machine(task(Parameters={"a.$": "States.Formta('x')"})))
    assert found.hint == "did you mean 'States.Format'?"


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"Output": "{% $states.result %}", "Assign": {"x": "{% $states.result.y %}"}}, []),
        ({"Arguments": "{% $states.result %}"}, ["E0503"]),
        ({"Output": "{% $states.errorOutput %}"}, ["E0503"]),
        ({"Output": "{% $states.context.Execution.Id %}"}, []),
        ({"Output": "{% $states.nope %}"}, ["W0505"]),
        ({"Output": "{% $ %}"}, ["E0502"]),
        ({"Output": "{% $$ %}"}, ["E0502"]),
        ({"Output": "{% $states.input.items[price > 5].{'n': name} %}"}, []),
        ({"Output": "{% $map($states.input, function($v) { $v.x }) %}"}, []),
        ({"Output": "{% $eval('1') %}"}, ["W0509"]),
        ({"Output": " {% 1 %}"}, ["E0504"]),
        ({"Output": "{% 1 %} "}, ["E0504"]),
        ({"Output": "no expression"}, []),
        ({"Output": {"a": ["{% ( %}"]}}, ["E0501"]),
        ({"TimeoutSeconds": "{% 5 %}"}, []),
        ({"TimeoutSeconds": "5"}, ["E0508"]),
        ({"Retry": [{"ErrorEquals": ["A"], "IntervalSeconds": "{% 5 %}"}]}, ["E0105"]),
        ({"Credentials": {"RoleArn": "{% $states.input.role %}"}}, []),
        ({"Resource": "{% $states.input.arn %}"}, ["E0801"]),
        ({"Output": "$.a"}, ["W0510"]),
    ],
)
def test_jsonata_values(fields: dict[str, JSON], codes: list[str]) -> None:
    """Expressions parse, have no context item, and read `$states` members of their phase only (spec §7)."""
    assert rules(machine(task(**fields), QueryLanguage="JSONata")) == codes


def test_a_syntax_error_shows_where_the_parser_stopped() -> None:
    """The text before that place is enough to find it in a long expression."""
    (found,) = check(machine(task(Output="{% $map($states.input.items, 5 6) %}"), QueryLanguage="JSONata"))
    assert (found.rule, found.hint) == ("E0501", "the parser stopped behind '$states.input.items, 5 6'")


def test_catchers_read_the_error_output() -> None:
    """`$states.errorOutput` is there in a Catcher, `$states.result` is not."""
    catcher = {"ErrorEquals": ["A"], "Next": "S2", "Output": "{% $states.errorOutput %}"}
    assert rules(machine(task(Catch=[catcher]), END, QueryLanguage="JSONata")) == []
    catcher["Output"] = "{% $states.result %}"
    assert rules(machine(task(Catch=[catcher]), END, QueryLanguage="JSONata")) == ["E0503"]


@pytest.mark.parametrize(
    ("retrier", "codes"),
    [
        ({"ErrorEquals": ["A"], "IntervalSeconds": 1, "MaxAttempts": 0, "BackoffRate": 1, "MaxDelaySeconds": 1}, []),
        ({"ErrorEquals": ["A"], "JitterStrategy": "FULL", "Comment": "x"}, []),
        ({}, ["E0101"]),
        ({"ErrorEquals": "A"}, ["E0105"]),
        ({"ErrorEquals": [5]}, ["E0105"]),
        ({"ErrorEquals": ["A"], "IntervalSeconds": 0}, ["E0107"]),
        ({"ErrorEquals": ["A"], "MaxAttempts": 100_000_000}, ["E0107"]),
        ({"ErrorEquals": ["A"], "BackoffRate": 0.9}, ["E0107"]),
        ({"ErrorEquals": ["A"], "MaxDelaySeconds": 31_622_401}, ["E0107"]),
        ({"ErrorEquals": ["A"], "JitterStrategy": "full"}, ["E0106"]),
        ({"ErrorEquals": ["States.Http.StatusCode.404"]}, []),
        ({"ErrorEquals": ["A"], "Next": "S"}, ["E0102"]),
    ],
)
def test_retriers(retrier: JSON, codes: list[str]) -> None:
    """Every field of a retrier with its bounds (spec §15)."""
    assert rules(machine(task(Retry=[retrier]))) == codes


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        ({"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "CSV"}}}, []),
        ({"ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {}}}, ["E0101"]),
        ({"ItemReader": {"Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": {"Bucket.$": "$.b"}}}, []),
        ({"ItemReader": {"Resource": "arn:aws:states:::s3:putObject"}}, ["E0801"]),
        ({"ItemReader": {}}, ["E0101"]),
        (
            {
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "CSV", "MaxItems": 1, "MaxItemsPath": "$.n"},
                }
            },
            ["E0104"],
        ),
        (
            {
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "GIVEN"},
                }
            },
            ["E0101"],
        ),
        ({"ItemBatcher": {"MaxItemsPerBatch": 5, "BatchInput": {"a.$": "$.b"}}}, []),
        ({"ItemBatcher": {"BatchInput": {}}}, ["E0101"]),
        ({"ItemBatcher": {"MaxInputBytesPerBatch": 262_145}}, ["E0107"]),
        ({"ItemBatcher": {"MaxItemsPerBatchPath": "$$.x"}}, ["E0402"]),
        ({"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}}}, []),
        ({"ResultWriter": {"WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSONL"}}}, []),
        ({"ResultWriter": {}}, ["E0101"]),
        ({"ResultWriter": {"WriterConfig": {"OutputType": "CSV"}}}, ["E0106"]),
        ({"ItemsPath": "$$.Execution.Input.items"}, []),
        ({"ItemsPath": "$.items[*]"}, ["E0402"]),
        ({"ItemsPath": None}, ["E0105"]),
        ({"ItemSelector": {"a.$": "$$.Map.Item.Value"}, "Parameters": {}}, ["E0104"]),
        ({"ToleratedFailurePercentage": 12.5}, []),
        ({"ToleratedFailureCount": 0.5}, ["E0105"]),
        ({"Label": "a" * 40}, []),
        ({"Label": "a\u0007"}, ["E0701"]),
    ],
)
def test_distributed_maps(fields: dict[str, JSON], codes: list[str]) -> None:
    """Reader, batcher, writer and limits of a distributed Map (spec §14)."""
    assert rules(machine(map_state("DISTRIBUTED", **fields))) == codes


@pytest.mark.parametrize(
    ("resource", "codes"),
    [
        ("arn:aws:states:::dynamodb:query", ["E0801"]),
        ("arn:aws:states:::dynamodb:getItem.sync", ["E0803"]),
        ("arn:aws:states:::aws-sdk:dynamodb:Query", ["E0801"]),
        ("arn:aws:states:::aws-sdk:dynamodb:query.sync", ["E0803"]),
        ("arn:aws:states:::aws-sdk:sts:assumeRole", ["E0801"]),
        ("arn:aws:states:::aws-sdk:sfn:startExecution.waitForTaskToken", []),
        ("arn:aws:states:::s3:getObject", ["E0804"]),
        ("arn:aws:states:::unheard:of", ["W0802"]),
        ("arn:aws:lambda:us-east-1:123456789012:function:f:", ["E0801"]),
        ("arn:aws:lambda:us-east-1:123456789012:function:f:$*", ["E0801"]),
        ("arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST", []),
        ("arn:express:kafka:::produce", []),
        ("${Function.Arn}", []),
        ("module:function", ["W0802"]),
        ("", ["E0108"]),
        (None, ["E0105"]),
    ],
)
def test_resources(resource: JSON, codes: list[str]) -> None:
    """Known services take the actions and patterns they have; unknown names are another engine's (integrations.md)."""
    assert rules(machine(task(Resource=resource))) == codes


def test_placeholders_stand_for_anything_when_allowed() -> None:
    """A number, a list or a word may be a text that a deployment tool fills in, if the caller says so."""
    data = machine(
        {"Type": "Wait", "Seconds": "${Delay}", "Next": "S2"},
        task(Retry="${Retriers}", TimeoutSeconds="__tbd__"),
    )
    assert rules(data, placeholders=True) == []
    assert rules(data) == ["E0105", "E0105", "E0105"]


@pytest.mark.parametrize("data", [None, True, 3, "text", [], [{}]])
def test_a_definition_is_an_object(data: JSON) -> None:
    """Anything else is refused in AWS's words."""
    (found,) = check(data)
    assert (found.code, found.message) == ("SCHEMA_VALIDATION_FAILED", "Definition must be a valid JSON object")
