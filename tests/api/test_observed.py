"""The table of what AWS was observed to say, gone through row by row against the server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.api.observed import PASS, REFUSED, ROLE, one, text
from tests.api.observed_definitions import FINDINGS
from tests.api.observed_executions import FAILURES, OUTPUTS
from tests.api.observed_histories import DETAILS, HISTORIES
from tests.api.observed_states import MOCKED, REFUSED_STATES, STATES, reading
from tests.api.observed_texts import LEFT_OUT, SEQUENCES_LEFT_OUT, TEXTS
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


@pytest.mark.parametrize("row", [*REFUSED, *REFUSED_STATES], ids=label)
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


@pytest.mark.parametrize("row", OUTPUTS, ids=lambda row: str(row[2])[:60])
def test_executions_give_the_output_aws_gives(row: tuple[dict[str, Any], Any, Any], sfn: Any) -> None:
    """Functions and limits whose results were observed."""
    definition, data, output = row
    name = f"giving-{OUTPUTS.index(row)}"
    made = sfn.create_state_machine(name=name, roleArn=ROLE, definition=text(definition), type="EXPRESS")
    ended = sfn.start_sync_execution(stateMachineArn=made["stateMachineArn"], input=json.dumps(data))
    assert (ended["status"], json.loads(ended.get("output", "{}"))) == ("SUCCEEDED", output)


@pytest.mark.parametrize("row", HISTORIES, ids=lambda row: row[0])
def test_histories_have_the_events_aws_tells(row: tuple[str, dict[str, Any], Any, str], sfn: Any) -> None:
    """Types, ids and what each event follows."""
    name, definition, data, events = row
    told = history(sfn, f"telling-{name.replace(' ', '-')}", definition, data)
    assert " ".join(f"{event['type']}({event['id']},{event['previousEventId']})" for event in told) == events


@pytest.mark.parametrize("row", DETAILS, ids=lambda row: row[2])
def test_events_have_the_details_aws_tells(row: tuple[dict[str, Any], Any, str, dict[str, Any]], sfn: Any) -> None:
    """Every member, and no other."""
    definition, data, kind, details = row
    told = history(sfn, f"detailing-{DETAILS.index(row)}", definition, data)
    found = next(event for event in told if event["type"] == kind)
    assert found.get(f"{kind[0].lower()}{kind[1:]}EventDetails", {}) == details


def history(sfn: Any, name: str, definition: dict[str, Any], data: Any) -> list[dict[str, Any]]:
    """The events of an asynchronous execution that has ended."""
    made = sfn.create_state_machine(name=name, roleArn=ROLE, definition=text(definition), type="EXPRESS")
    arn = sfn.start_execution(stateMachineArn=made["stateMachineArn"], input=json.dumps(data))["executionArn"]
    while sfn.describe_execution(executionArn=arn)["status"] == "RUNNING":
        pass
    return list(sfn.get_execution_history(executionArn=arn)["events"])


@pytest.mark.parametrize("row", STATES, ids=lambda row: row[4][:60])
def test_states_under_test_fail_with_aws_error_and_cause(
    row: tuple[dict[str, Any], Any, dict[str, Any], str, str], running: Running
) -> None:
    """TestState tells the cause without the place."""
    state, data, more, error, cause = row
    status, answer = running.post("TestState", {"definition": text(state), "input": json.dumps(data), **more})
    assert (status, answer.get("error"), answer.get("cause")) == (200, error, cause)


def said() -> list[str]:
    """Every text of the rows."""
    return [
        *(row[3] for row in [*REFUSED, *REFUSED_STATES]),
        *(row[3] for row in FINDINGS),
        *(row[3] for row in FAILURES if row[3] is not None),
        *(row[4] for row in STATES),
    ]


@pytest.mark.parametrize("pattern", TEXTS)
def test_each_text_has_a_row_or_a_reason_to_have_none(pattern: str) -> None:
    """No observed text is forgotten, and none that a row has counts as left out."""
    in_a_row = any(re.fullmatch(pattern, text) for text in said())
    assert in_a_row != (pattern in LEFT_OUT)


def test_each_row_has_a_text_of_the_list() -> None:
    """The list of texts is whole, and leaves out nothing but what it names."""
    assert not [text for text in said() if not any(re.match(pattern, text) for pattern in TEXTS)]
    assert set(LEFT_OUT) < set(TEXTS)


def test_what_is_left_out_has_a_reason() -> None:
    """Each reason names what the server does not have yet; what it has becomes a row."""
    told = [" ".join(re.sub(r"\(.*?\)", "", row[3]).split()) for row in HISTORIES]
    assert not [sequence for sequence in SEQUENCES_LEFT_OUT if any(sequence in events for events in told)]


def test_an_execution_that_timed_out_is_described_without_error_and_cause(sfn: Any) -> None:
    """Its status and its last event tell it, both at its limit exactly; a failed one is described with both."""
    limited = {**one(Type="Wait", Seconds=60, End=True), "TimeoutSeconds": 1}
    failed = one(Type="Fail", Error="E", Cause="c")
    described = []
    for name, definition in (("limited", limited), ("failed", failed)):
        made = sfn.create_state_machine(name=name, roleArn=ROLE, definition=text(definition), type="EXPRESS")
        arn = sfn.start_execution(stateMachineArn=made["stateMachineArn"])["executionArn"]
        while (told := sfn.describe_execution(executionArn=arn))["status"] == "RUNNING":
            pass
        described.append((told["status"], told.get("error"), told.get("cause")))
        if name == "limited":
            events = sfn.get_execution_history(executionArn=arn)["events"]
            assert told["stopDate"] - told["startDate"] == timedelta(seconds=1)
            assert events[-1]["timestamp"] - events[0]["timestamp"] == timedelta(seconds=1)
    assert described == [("TIMED_OUT", None, None), ("FAILED", "E", "c")]


def test_a_stopped_execution_ends_with_execution_aborted(sfn: Any) -> None:
    """It follows no event, has no details where none were given, and the Wait is not told to be aborted."""
    definition = text(one(Type="Wait", Seconds=60, End=True))
    made = sfn.create_state_machine(name="stopped", roleArn=ROLE, definition=definition, type="EXPRESS")
    arn = sfn.start_execution(stateMachineArn=made["stateMachineArn"])["executionArn"]
    while len(sfn.get_execution_history(executionArn=arn)["events"]) < 2:
        pass
    sfn.stop_execution(executionArn=arn)
    last = sfn.get_execution_history(executionArn=arn)["events"][2:]
    assert [(event["type"], event["previousEventId"]) for event in last] == [("ExecutionAborted", 0)]
    assert last[0].get("executionAbortedEventDetails") == {}
    told = sfn.describe_execution(executionArn=arn)
    assert (told["status"], "error" in told, "cause" in told) == ("ABORTED", False, False)


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


@pytest.mark.parametrize(("most", "let_through"), [(0, 3), (2, 2), (5, 3)])
def test_a_mocked_map_reads_as_many_items_as_its_max_items_path_says(
    most: int, let_through: int, running: Running
) -> None:
    """As many as there are iterations may be said to have failed, and not one more; 0 lets all items through."""
    request = {"definition": text(reading("JSON", MaxItemsPath="$.n")), "input": json.dumps({"n": most}), **MOCKED}

    def status(failures: int) -> int:
        given = {"mapItemReaderData": "[1, 2, 3]", "mapIterationFailureCount": failures}
        return running.post("TestState", {**request, "stateConfiguration": given})[0]

    assert (status(let_through), status(let_through + 1)) == (200, 400)
