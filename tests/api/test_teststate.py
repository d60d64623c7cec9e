"""TestState beyond the recorded cases: every stage, the items of a Map, what is refused, and HTTP exchanges."""

from __future__ import annotations

import json
from typing import Any

import pytest

from express.api import teststate
from express.api.teststate import schema
from express.engine.effects import StartTask
from express.engine.events import TaskFailed, TaskSucceeded
from express.errors import ApiError

ROLE = "arn:aws:iam::111111111111:role/r"
LAMBDA = "arn:aws:states:::lambda:invoke"


def ask(state: dict[str, Any], data: Any = None, level: str = "DEBUG", **more: Any) -> dict[str, Any]:
    """A TestState call; members of `inspectionData` that are JSON texts come back parsed."""
    perform = more.pop("perform", None)
    request = {"definition": json.dumps(state), "input": json.dumps(data), "inspectionLevel": level, **more}
    answer = teststate.test_state(request, perform)
    inspected = answer.get("inspectionData", {})
    answer["inspectionData"] = {k: json.loads(v) if isinstance(v, str) else v for k, v in inspected.items()}
    if "output" in answer:
        answer["output"] = json.loads(answer["output"])
    return answer


def refused(state: dict[str, Any], **more: Any) -> tuple[str, str]:
    """Code and message of a call that is refused."""
    with pytest.raises(ApiError) as caught:
        ask(state, **more)
    return caught.value.code, caught.value.message


def result(value: Any) -> dict[str, Any]:
    """A mocked result that is not checked against a model."""
    return {"result": json.dumps(value), "fieldValidationMode": "NONE"}


def items_map(**fields: Any) -> dict[str, Any]:
    """A distributed JSONPath Map over `$.xs`."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "A",
        "States": {"A": {"Type": "Pass", "End": True}},
    }
    return {"Type": "Map", "ItemsPath": "$.xs", "ItemProcessor": processor, "End": True, **fields}


READER = {"Resource": "arn:aws:states:::s3:getObject", "Parameters": {"Bucket": "b", "Key": "k"}}


def reader_map(config: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A distributed Map that reads its items."""
    state = items_map(ItemReader={**READER, "ReaderConfig": config}, **fields)
    del state["ItemsPath"]
    return state


# Stages -----------------------------------------------------------------------------------------------


def test_every_stage_of_a_task_is_shown() -> None:
    """Each JSONPath field has its stage, in the values that the output was made of."""
    state = {
        "Type": "Task",
        "Resource": LAMBDA,
        "InputPath": "$.in",
        "Parameters": {"FunctionName": "f", "Payload": {"id.$": "States.UUID()", "x.$": "$.x"}},
        "ResultSelector": {"r.$": "$.y"},
        "ResultPath": "$.out",
        "OutputPath": "$.out",
        "Assign": {"seen.$": "$.y"},
        "Next": "B",
    }

    answer = ask(state, {"in": {"x": 1}}, mock=result({"y": 2}))

    stages = answer["inspectionData"]
    assert stages["afterInputPath"] == {"x": 1}
    made = stages["afterParameters"]["Payload"]["id"]
    assert stages["afterParameters"] == {"FunctionName": "f", "Payload": {"id": made, "x": 1}}
    assert stages["result"] == {"y": 2}
    assert stages["afterResultSelector"] == {"r": 2}
    assert stages["afterResultPath"] == {"in": {"x": 1}, "out": {"r": 2}}
    assert stages["variables"] == {"seen": 2}
    assert (answer["output"], answer["nextState"], answer["status"]) == ({"r": 2}, "B", "SUCCEEDED")


def test_a_failure_shows_the_stages_before_it() -> None:
    """Where ResultSelector fails, the result is shown and nothing after it; the cause has no place in it."""
    state = {"Type": "Task", "Resource": LAMBDA, "ResultSelector": {"r.$": "$.none"}, "End": True}

    answer = ask(state, {}, mock=result({}))

    assert answer["status"] == "FAILED"
    assert answer["cause"].startswith("The JSONPath '$.none' specified for the field 'r.$'")
    assert set(answer["inspectionData"]) == {"input", "afterInputPath", "afterParameters", "result"}


def test_a_wait_is_over_at_once() -> None:
    """Nobody waits for the result of a test."""
    answer = ask({"Type": "Wait", "Seconds": 99_999, "Next": "B"}, {"a": 1})

    assert (answer["status"], answer["nextState"], answer["output"]) == ("SUCCEEDED", "B", {"a": 1})


def test_a_loop_to_itself_is_not_followed() -> None:
    """One state is tested, whatever it leads to."""
    answer = ask({"Type": "Pass", "Next": teststate.STATE}, {})

    assert answer["nextState"] == teststate.STATE


def test_a_fail_state_without_error_and_cause() -> None:
    """What the state does not say is absent."""
    answer = ask({"Type": "Fail"}, {}, level="INFO")

    assert {k: v for k, v in answer.items() if k != "inspectionData"} == {"status": "FAILED"}


def test_a_task_without_a_mock_is_performed() -> None:
    """The caller's integration gets the effective arguments, and its answer is the result."""
    calls: list[Any] = []

    def perform(task: StartTask) -> TaskSucceeded:
        calls.append((task.resource.arn, task.input))
        return TaskSucceeded(task.seq, 7)

    state = {"Type": "Task", "Resource": LAMBDA, "Parameters": {"Payload.$": "$.n"}, "End": True}
    answer = ask(state, {"n": 1}, roleArn=ROLE, perform=perform)

    assert calls == [(LAMBDA, {"Payload": 1})]
    assert answer["output"] == 7


def test_an_evaluation_error_can_be_caught() -> None:
    """States.QueryEvaluationError of Output goes to Catch, with the cause that TestState tells."""
    state = {
        "Type": "Task",
        "QueryLanguage": "JSONata",
        "Resource": LAMBDA,
        "Output": "{% $states.result.none %}",
        "Catch": [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "B"}],
        "End": True,
    }

    answer = ask(state, {}, mock=result({}))

    assert (answer["status"], answer["error"]) == ("CAUGHT_ERROR", "States.QueryEvaluationError")
    assert answer["cause"].startswith("The JSONata expression '$states.result.none' specified for the field 'Output'")
    assert answer["output"]["Cause"] == answer["cause"]


def test_a_used_up_retrier_leaves_the_error_to_catch() -> None:
    """Both handlers are told, and no backoff."""
    state = {
        "Type": "Task",
        "Resource": LAMBDA,
        "Retry": [{"ErrorEquals": ["A"]}, {"ErrorEquals": ["B"], "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}],
        "End": True,
    }

    answer = ask(state, {}, mock={"errorOutput": {"error": "B"}}, stateConfiguration={"retrierRetryCount": 1})

    assert (answer["status"], answer["nextState"]) == ("CAUGHT_ERROR", "C")
    assert answer["inspectionData"]["errorDetails"] == {"retryIndex": 1, "catchIndex": 0}


def test_a_real_failure_is_handled_like_a_mocked_one() -> None:
    """Retry sees the error of a performed task."""
    state = {"Type": "Task", "Resource": LAMBDA, "Retry": [{"ErrorEquals": ["Boom"]}], "End": True}

    answer = ask(state, {}, roleArn=ROLE, perform=lambda task: TaskFailed(task.seq, "Boom", "why"))

    assert (answer["status"], answer["error"], answer["cause"]) == ("RETRIABLE", "Boom", "why")


# Map --------------------------------------------------------------------------------------------------


def test_item_selector_and_batcher_show_what_iterations_get() -> None:
    """afterItemSelector is one input per item, afterItemBatcher one per child execution."""
    state = items_map(
        ItemSelector={"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "k.$": "$.k"},
        ItemBatcher={"MaxItemsPerBatch": 2, "BatchInput": {"b.$": "$.k"}},
    )

    stages = ask(state, {"xs": [5, 6, 7], "k": "K"}, mock=result([1, 2]))["inspectionData"]

    selected = [{"i": i, "v": v, "k": "K"} for i, v in enumerate([5, 6, 7])]
    assert stages["afterItemsPath"] == [5, 6, 7]
    assert stages["afterItemSelector"] == selected
    batches = [selected[:2], selected[2:]]
    assert stages["afterItemBatcher"] == [{"BatchInput": {"b": "K"}, "Items": items} for items in batches]


def test_batches_may_be_bounded_by_bytes() -> None:
    """MaxInputBytesPerBatch counts the JSON text of the whole batch; an item that is too large stands alone."""
    state = items_map(ItemBatcher={"MaxInputBytesPerBatch": 30})

    stages = ask(state, {"xs": ["a" * 8, "b" * 8, "c" * 40]}, mock=result([]))["inspectionData"]

    assert [len(batch["Items"]) for batch in stages["afterItemBatcher"]] == [1, 1, 1]


def test_an_object_is_a_list_of_members_for_a_distributed_map() -> None:
    """Key and Value are the item (asl.md §14)."""
    state = items_map(ItemSelector={"item.$": "$$.Map.Item.Value"})

    stages = ask(state, {"xs": {"a": 1}}, mock=result([1]))["inspectionData"]

    assert stages["afterItemsPath"] == {"a": 1}
    assert stages["afterItemSelector"] == [{"item": {"Key": "a", "Value": 1}}]


@pytest.mark.parametrize(
    ("config", "data", "items"),
    [
        ({"InputType": "JSON"}, '{"a":1}', [{"Key": "a", "Value": 1}]),
        ({"InputType": "JSON", "MaxItems": 1}, "[1,2]", [1]),
        ({"InputType": "JSONL"}, '{"a":1}\n\n{"a":2}\n', [{"a": 1}, {"a": 2}]),
        (
            {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            'a,b\n1,"x,y"\n2\n',
            [{"a": "1", "b": "x,y"}, {"a": "2", "b": ""}],
        ),
        (
            {"InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a"], "CSVDelimiter": "PIPE"},
            "1|9\n",
            [{"a": "1"}],
        ),
    ],
)
def test_reader_data_becomes_items(config: dict[str, Any], data: str, items: list[Any]) -> None:
    """mapItemReaderData is read as its source would be."""
    state = reader_map(config, ItemSelector={"item.$": "$$.Map.Item.Value"})

    stages = ask(state, {}, mock=result([]), stateConfiguration={"mapItemReaderData": data})["inspectionData"]

    assert stages["afterItemSelector"] == [{"item": item} for item in items]


def test_an_items_pointer_is_shown() -> None:
    """afterItemsPointer is the part of the file that the pointer names."""
    state = reader_map({"InputType": "JSON", "ItemsPointer": "/a~1b/0"})

    stages = ask(state, {}, mock=result([]), stateConfiguration={"mapItemReaderData": '{"a/b":[[1,2]]}'})

    assert stages["inspectionData"]["afterItemsPointer"] == [1, 2]


@pytest.mark.parametrize(
    ("config", "data", "cause"),
    [
        ({"InputType": "JSON"}, "1", "Attempting to map over non-iterable node."),
        ({"InputType": "JSON"}, "[", "Unexpected end-of-input"),
        ({"InputType": "JSON", "ItemsPointer": "/x"}, "{}", "The ItemsPointer /x does not point"),
        ({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}, "a,a\n", "CSV headers cannot contain duplicates."),
    ],
)
def test_unreadable_reader_data_fails_the_state(config: dict[str, Any], data: str, cause: str) -> None:
    """States.ItemReaderFailed, as an execution would."""
    answer = ask(reader_map(config), {}, mock=result([]), stateConfiguration={"mapItemReaderData": data})

    assert answer["error"] == "States.ItemReaderFailed"
    assert answer["cause"].startswith(cause)


def test_tolerated_percentage() -> None:
    """One of three is more than 30 % and no more than 34 %."""
    settings = {"mapIterationFailureCount": 1}

    statuses = [
        ask(
            items_map(ToleratedFailurePercentage=share),
            {"xs": [1, 2, 3]},
            mock=result([0, 1, 1]),
            stateConfiguration=settings,
        )["status"]
        for share in (30, 34)
    ]

    assert statuses == ["FAILED", "SUCCEEDED"]


@pytest.mark.parametrize(
    ("field", "value", "cause"),
    [
        ("ToleratedFailureCountPath", -1, "ToleratedFailureCount cannot be negative."),
        ("ToleratedFailurePercentagePath", 101, "ToleratedFailurePercentage must be between 0 and 100."),
    ],
)
def test_limits_out_of_range_fail_the_state(field: str, value: int, cause: str) -> None:
    """The texts of asl.md §13."""
    answer = ask(items_map(**{field: "$.n"}), {"xs": [], "n": value}, mock=result([]))

    assert (answer["error"], answer["cause"]) == ("States.Runtime", cause)


# Refusals ---------------------------------------------------------------------------------------------

PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": LAMBDA, "End": True}


@pytest.mark.parametrize(
    ("state", "more", "code", "message"),
    [
        (PASS, {"context": "{}"}, "ValidationException", "TestState does not support Context when a mock"),
        (PASS, {"variables": "[]"}, "ValidationException", "Variables must be a JSON object"),
        (PASS, {"input": "{"}, "InvalidExecutionInput", "Invalid State Machine Execution Input: 'Unexpected end-of-"),
        (PASS, {"input": ""}, "InvalidExecutionInput", "Invalid State Machine Execution Input: 'Invalid execution"),
        (TASK, {"mock": {}}, "ValidationException", "A test mock should have only one of the following fields"),
        (
            TASK,
            {"mock": {"result": "1", "errorOutput": {"error": "E"}}},
            "ValidationException",
            "A test mock should have only one",
        ),
        (
            TASK,
            {"stateConfiguration": {"retrierRetryCount": 1}},
            "ValidationException",
            "TestState does not support RetrierRetryCount when a mock is not specified.",
        ),
        (
            TASK,
            {"mock": result(1), "context": '{"State":{"RetryCount":"x"}}'},
            "ValidationException",
            "Invalid Context object provided: State.RetryCount must be a number",
        ),
        (
            {"Type": "Task", "Resource": LAMBDA + ".waitForTaskToken", "End": True},
            {},
            "InvalidDefinition",
            "TestState API does not support the '.waitForTaskToken' integration pattern",
        ),
        (
            {"Type": "Task", "Resource": "arn:aws:states:us-east-1:111111111111:activity:a", "End": True},
            {},
            "InvalidDefinition",
            "TestState API does not support Activity tasks",
        ),
        (
            {"Type": "Pass", "Typ": 1, "End": True},
            {},
            "InvalidDefinition",
            "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: Field 'Typ' is not supported at",
        ),
        (
            items_map(),
            {"mock": {"errorOutput": {"error": "E"}}, "stateConfiguration": {"errorCausedByState": "Z"}},
            "ValidationException",
            "State not found in definition",
        ),
        (
            reader_map({"InputType": "PARQUET"}),
            {"mock": result([]), "stateConfiguration": {"mapItemReaderData": "x"}},
            "ValidationException",
            "TestState does not support MapItemReaderData for the InputType PARQUET.",
        ),
    ],
)
def test_what_is_refused(state: dict[str, Any], more: dict[str, Any], code: str, message: str) -> None:
    """Each rule has its code and text."""
    assert refused(state, **more)[0] == code
    assert refused(state, **more)[1].startswith(message)


@pytest.mark.parametrize("text", ["", "[]", "not json", "{", '{"Type": "Pass", "End": true'])
def test_a_definition_that_is_none(text: str) -> None:
    """Whatever text comes, the answer is InvalidDefinition."""
    with pytest.raises(ApiError, match="InvalidDefinition"):
        teststate.test_state({"definition": text})


def test_a_machine_is_judged_whole() -> None:
    """With stateName, a dangling target elsewhere is an error; of a lone state nobody knows the neighbours."""
    machine = {"StartAt": "A", "States": {"A": PASS, "B": {"Type": "Pass", "Next": "Z"}}}

    assert refused(machine, stateName="A")[0] == "InvalidDefinition"
    assert ask({"Type": "Pass", "Next": "Z"}, {})["nextState"] == "Z"


# Mocks against API models -----------------------------------------------------------------------------


def test_a_payload_may_be_anything() -> None:
    """The optimized Lambda integration hands its payload over parsed."""
    answer = ask(TASK, {}, mock={"result": '{"StatusCode":200,"Payload":[1]}'})

    assert answer["output"] == {"StatusCode": 200, "Payload": [1]}


def test_an_integration_without_a_model_takes_any_mock() -> None:
    """API Gateway's answer has no shape."""
    answer = ask(
        {"Type": "Task", "Resource": "arn:aws:states:::apigateway:invoke", "End": True}, {}, mock={"result": "1"}
    )

    assert answer["output"] == 1


def test_without_botocore_a_wanted_check_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """STRICT and PRESENT name the extra; without a mode the mock is taken as it is."""
    monkeypatch.setattr(schema, "available", lambda: False)

    assert ask(TASK, {}, mock={"result": '{"StatusCode":"200"}'})["status"] == "SUCCEEDED"
    code, message = refused(TASK, mock={"result": "{}", "fieldValidationMode": "STRICT"})
    assert code == "ValidationException"
    assert "pip install 'express[aws]'" in message


# HTTP tasks -------------------------------------------------------------------------------------------

HTTP = {
    "Type": "Task",
    "Resource": "arn:aws:states:::http:invoke",
    "Parameters": {
        "ApiEndpoint": "https://api.example/x",
        "Method": "POST",
        "QueryParameters": {"a": "1 2"},
        "Headers": {"h": "v"},
        "RequestBody": {"b": 1},
    },
    "End": True,
}


def test_trace_shows_the_http_exchange() -> None:
    """Request and response in AWS's form, at TRACE only."""
    answer = {"StatusCode": 201, "StatusText": "Created", "Headers": {"k": ["v", "w"]}, "ResponseBody": {"r": 1}}

    request = {"definition": json.dumps(HTTP), "mock": result(answer)}
    traced = teststate.test_state({**request, "inspectionLevel": "TRACE"})["inspectionData"]
    debugged = teststate.test_state({**request, "inspectionLevel": "DEBUG"})["inspectionData"]

    assert traced["request"] == {
        "protocol": "https",
        "method": "POST",
        "url": "https://api.example/x?a=1+2",
        "headers": "[h: v]",
        "body": '{"b":1}',
    }
    assert traced["response"] == {
        "protocol": "https",
        "statusCode": "201",
        "statusMessage": "Created",
        "headers": "[k: v, w]",
        "body": '{"r":1}',
    }
    assert "request" not in debugged
