"""The table of what AWS was observed to say, gone through row by row against the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.observed import FAILURES, FINDINGS, PASS, REFUSED, ROLE, one, text
from tests.api.server import Running, serving


@pytest.fixture(scope="module")
def strict() -> Iterator[Running]:
    """A server that hides Express executions, as AWS does."""
    with serving(strict=True) as server:
        yield server


@pytest.fixture(scope="module")
def made(strict: Running) -> dict[str, str]:
    """What the rows speak of: a machine of each type, two versions and an alias."""
    sfn = strict.client()

    def create(name: str, type_: str) -> str:
        made = sfn.create_state_machine(name=name, roleArn=ROLE, definition=text(one(**PASS)), type=type_)
        return str(made["stateMachineArn"])

    names = {"standard": create("standard", "STANDARD"), "express": create("express", "EXPRESS")}
    other = create("versioned", "STANDARD")
    names["version"] = sfn.publish_state_machine_version(stateMachineArn=other)["stateMachineVersionArn"]
    sfn.update_state_machine(stateMachineArn=other, definition=text(one(Type="Succeed")))
    names["second"] = sfn.publish_state_machine_version(stateMachineArn=other)["stateMachineVersionArn"]
    route = [{"stateMachineVersionArn": names["version"], "weight": 100}]
    sfn.create_state_machine_alias(name="LIVE", routingConfiguration=route)
    return names


def filled(value: Any, made: dict[str, str]) -> Any:
    """A row with the ARNs of what was made."""
    if isinstance(value, dict):
        return {key: filled(item, made) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, made) for item in value]
    if isinstance(value, str):
        for name, arn in made.items():
            value = value.replace(f"{{{name}}}", arn)
    return value


def label(row: tuple[Any, ...]) -> str:
    """What a failing row is called."""
    return f"{row[0]}-{row[2]}" if isinstance(row[0], str) else str(row[-1])[-60:]


@pytest.mark.parametrize("row", REFUSED, ids=label)
def test_requests_are_refused_with_aws_code_and_message(
    row: tuple[str, dict[str, Any], str, str], strict: Running, made: dict[str, str]
) -> None:
    """Code and message of every refusal that was observed."""
    action, request, code, message = row
    status, answer = strict.post(action, filled(request, made))
    assert (status, answer["__type"].rpartition("#")[2]) == (400, code)
    assert answer["message"].startswith(filled(message, made))


@pytest.mark.parametrize("row", FINDINGS, ids=lambda row: f"{row[2]}-{row[3][:40]}")
def test_definitions_are_judged_with_aws_code_message_and_place(
    row: tuple[Any, str, str, str, str], running: Running
) -> None:
    """ValidateStateMachineDefinition and CreateStateMachine say the same of a definition."""
    definition, type_, code, message, location = row
    name = {"name": "judged", "roleArn": ROLE}
    request = {"definition": text(definition), "type": type_}
    refused = running.post("CreateStateMachine", {**name, **request})[1]
    if not request["definition"]:  # the model wants a character
        request["definition"] = " "
    found = running.post("ValidateStateMachineDefinition", request)[1]["diagnostics"]
    told = [(item["code"], item["message"]) for item in found]
    assert (code, message) in told
    places = [item.get("location", "") for item in found if (item["code"], item["message"]) == (code, message)]
    assert any(place.startswith(location.rstrip("/")) for place in places)
    if refused["__type"].endswith("InvalidDefinition"):
        assert f"{code}: {message}" in refused["message"]


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: str(row[3])[-60:])
def test_executions_fail_with_aws_error_and_cause(row: tuple[dict[str, Any], Any, str, str | None], sfn: Any) -> None:
    """The same text whether somebody asks for a synchronous execution or for a history."""
    definition, data, error, cause = row
    name = f"failing-{abs(hash(json.dumps(row[:2])))}"
    made = sfn.create_state_machine(name=name, roleArn=ROLE, definition=text(definition), type="EXPRESS")
    ended = sfn.start_sync_execution(stateMachineArn=made["stateMachineArn"], input=json.dumps(data))
    assert (ended.get("error"), ended.get("cause")) == (error, cause)
    assert "output" not in ended
    assert ended["outputDetails"] == {"included": True}


def test_an_empty_assign_tells_no_variables(sfn: Any) -> None:
    """`Assign: {}` leaves no assignedVariables in the history, in either query language."""
    for language in ("JSONPath", "JSONata"):
        definition = {**one(**PASS, Assign={}), "QueryLanguage": language}
        made = sfn.create_state_machine(
            name=f"assign-{language}", roleArn=ROLE, definition=text(definition), type="EXPRESS"
        )
        arn = sfn.start_execution(stateMachineArn=made["stateMachineArn"])["executionArn"]
        while sfn.describe_execution(executionArn=arn)["status"] == "RUNNING":
            pass
        events = sfn.get_execution_history(executionArn=arn)["events"]
        exited = next(event["stateExitedEventDetails"] for event in events if event["type"] == "PassStateExited")
        assert "assignedVariables" not in exited


def test_a_mocked_parallel_takes_a_result_per_branch(running: Running) -> None:
    """As many items as branches."""
    branches = [{"StartAt": "A", "States": {"A": PASS}}]
    definition = text({"Type": "Parallel", "Branches": branches, "End": True})
    status, answer = running.post("TestState", {"definition": definition, "mock": {"result": "[1]"}})
    assert (status, answer["status"], answer["output"]) == (200, "SUCCEEDED", "[1]")
