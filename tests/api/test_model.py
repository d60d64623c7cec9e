"""Every action of AWS's model: known, constrained as AWS does, and answered with the model's shapes or errors."""

from __future__ import annotations

import json
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError

from express.api import constraints
from express.api.actions import ACTIONS

from .server import PREFIX, Running, serving

MODEL = botocore.session.get_session().get_service_model("stepfunctions")
OPERATIONS = list(MODEL.operation_names)

COMMON = {"ValidationException", "ThrottlingException", "AccessDeniedException"}
"""Codes that any action of any AWS service may answer with."""

MISSING = {
    "stateMachineArn": f"{PREFIX}:stateMachine:none",
    "executionArn": f"{PREFIX}:express:none:e:u",
    "stateMachineAliasArn": f"{PREFIX}:stateMachine:none:PROD",
    "stateMachineVersionArn": f"{PREFIX}:stateMachine:none:1",
    "activityArn": f"{PREFIX}:activity:none",
    "mapRunArn": f"{PREFIX}:mapRun:none/label:u",
    "resourceArn": f"{PREFIX}:stateMachine:none",
}
DEFINITION = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})


def test_every_action_of_the_model_is_answered() -> None:
    """All of AWS's, and no other."""
    assert set(ACTIONS) == set(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_shape_of_each_request_is_the_models(operation: str) -> None:
    """Members, lengths, ranges, patterns, enums and what is required, all the way down."""
    wanted = MODEL.operation_model(operation).input_shape

    assert described(ACTIONS[operation].request) == model_shape(wanted)


def described(shape: Any) -> Any:
    """Our shape in words that can be compared."""
    match shape:
        case constraints.Object():
            members = {name: described(part) for name, part in shape.members.items()}
            return {"required": set(shape.required), "members": members}
        case constraints.Many():
            return ["list", shape.low, shape.high, described(shape.item)]
        case constraints.Text():
            return ["string", shape.low, shape.high, shape.pattern, shape.secret]
        case constraints.Enum():
            return ["enum", *shape.words]
        case constraints.Whole():
            return ["whole", shape.low, shape.high]
        case constraints.Decimal():
            return ["decimal", shape.low, shape.high]
        case constraints.Flag():
            return ["flag"]
    raise AssertionError(shape)


def model_shape(shape: Any) -> Any:
    """botocore's shape in the same words."""
    data = shape.metadata
    match shape.type_name:
        case "structure":
            members = {name: model_shape(part) for name, part in shape.members.items()}
            return {"required": set(shape.required_members), "members": members}
        case "list":
            return ["list", data.get("min", 0), data.get("max"), model_shape(shape.member)]
        case "string" if shape.enum:
            return ["enum", *shape.enum]
        case "string":
            return [
                "string",
                data.get("min", 0),
                data.get("max"),
                data.get("pattern", ""),
                data.get("sensitive", False),
            ]
        case "integer" | "long":
            return ["whole", data.get("min"), data.get("max")]
        case "float":
            return ["decimal", data.get("min"), data.get("max")]
        case "boolean":
            return ["flag"]
    raise AssertionError(shape)


def sample(shape: Any, name: str = "") -> Any:
    """A value that the model allows, with every member set."""
    match shape.type_name:
        case "structure":
            return {key: sample(part, key) for key, part in shape.members.items() if key not in ("nextToken",)}
        case "list":
            return [sample(shape.member)]
        case "string":
            if shape.enum:
                return "AWS_OWNED_KEY" if "AWS_OWNED_KEY" in shape.enum else shape.enum[-1]
            return {**MISSING, "definition": DEFINITION, "input": "{}", "output": "{}"}.get(name, "x")
        case "boolean":
            return False
        case "integer" | "long":
            return shape.metadata.get("min") or 0
        case "float":
            return 0.0
    raise AssertionError(shape)


@pytest.fixture(scope="module")
def quick() -> Any:
    """A client of a server that holds no worker back, with boto3's own checks of requests off."""
    with serving() as server:
        yield server.client(config={"parameter_validation": False})


def call(client: Any, operation: str, request: dict[str, Any]) -> str:
    """Call an operation: "" or the code of its error."""
    method = "".join(f"_{c.lower()}" if c.isupper() else c for c in operation).lstrip("_")
    try:
        answer = getattr(client, method)(**request)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    required = getattr(MODEL.operation_model(operation).output_shape, "required_members", [])
    assert set(required) <= set(answer)
    return ""


def modelled(operation: str) -> set[str]:
    """Codes that the model allows."""
    return COMMON | {shape.name for shape in MODEL.operation_model(operation).error_shapes}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_action_answers_a_full_request(quick: Any, operation: str) -> None:
    """A request with every member set gets an answer or a modelled error, never a parse error."""
    assert call(quick, operation, sample(MODEL.operation_model(operation).input_shape)) in {"", *modelled(operation)}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_action_answers_a_bare_request(quick: Any, operation: str) -> None:
    """The same with only the required members."""
    shape = MODEL.operation_model(operation).input_shape
    request = {name: sample(shape.members[name], name) for name in shape.required_members}

    assert call(quick, operation, request) in {"", *modelled(operation)}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_is_missing_is_told(quick: Any, operation: str) -> None:
    """An empty request names each required member."""
    required = MODEL.operation_model(operation).input_shape.required_members
    code = call(quick, operation, {})

    assert (code == "ValidationException") if required else (code in {"", *modelled(operation)})


@pytest.mark.parametrize("operation", OPERATIONS)
def test_members_of_the_wrong_type_are_refused(running: Running, operation: str) -> None:
    """Each member in turn, with a value that no model would take."""
    shape = MODEL.operation_model(operation).input_shape
    for name, part in shape.members.items():
        wrong = "x" if part.type_name == "list" else [1]
        status, answer = running.post(operation, {name: wrong})
        assert (status, answer["__type"].rpartition("#")[2]) == (400, "SerializationException")


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b'"x"', b"null", b"\xff", b'{"a":"\\ud800"}', b"{}" * 2])
def test_a_body_that_is_no_object_is_refused(running: Running, body: bytes) -> None:
    """Whatever comes, it is a modelled kind of error and never a crash."""
    status, answer = running.post("ListExecutions", body)

    assert (status, answer["__type"].rpartition("#")[2]) == (400, "SerializationException")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_malformed_arns_are_refused(quick: Any, operation: str) -> None:
    """Any member that is an ARN."""
    shape = MODEL.operation_model(operation).input_shape
    arns = [name for name in shape.members if name in MISSING]
    for name in arns:
        request = {key: sample(shape.members[key], key) for key in shape.required_members}
        assert call(quick, operation, {**request, name: "not an arn"}) in ("InvalidArn", "ValidationException")


def test_several_violations_are_told_together(running: Running) -> None:
    """AWS's text, with every violation."""
    client = running.client(config={"parameter_validation": False})
    with pytest.raises(ClientError) as caught:
        client.list_executions(stateMachineArn="", maxResults=1001, statusFilter="X", nextToken="t" * 3097)

    message = caught.value.response["Error"]["Message"]
    assert message.startswith("4 validation errors detected: ")
    assert (
        "Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal"
        in message
    )
    assert (
        "at 'statusFilter' failed to satisfy constraint: Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, "
        in message
    )


def test_secrets_are_not_repeated(running: Running) -> None:
    """Values of sensitive members stay out of messages."""
    client = running.client(config={"parameter_validation": False})
    with pytest.raises(ClientError) as caught:
        client.send_task_failure(taskToken="t" * 2049, error="SECRET" * 100)

    message = caught.value.response["Error"]["Message"]
    assert "SECRET" not in message
    assert message.startswith("2 validation errors detected: Value at 'taskToken' failed to satisfy constraint")
