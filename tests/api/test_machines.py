"""State machines, versions, aliases and tags with an unmodified boto3 client, error by error."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .server import PREFIX, ROLE, Running, serving

PASS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}


def definition(**fields: Any) -> str:
    """A machine of one Pass state."""
    return json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True, **fields}}})


def unique(prefix: str = "m") -> str:
    """A name that no other test uses."""
    return f"{prefix}-{uuid.uuid4()}"


def create(sfn: Any, **members: Any) -> str:
    """Create an Express machine; its ARN."""
    request = {"name": unique(), "definition": definition(), "roleArn": ROLE, "type": "EXPRESS", **members}
    arn: str = sfn.create_state_machine(**request)["stateMachineArn"]
    return arn


def refusal(call: Any, **members: Any) -> tuple[str, str]:
    """Code and message of a refused call."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# State machines ---------------------------------------------------------------------------------------


def test_create_is_idempotent_but_for_role_and_tags(sfn: Any) -> None:
    """The same request gives the same machine; another definition, type or setting is a conflict."""
    name = unique()
    arn = create(sfn, name=name)
    before = sfn.describe_state_machine(stateMachineArn=arn)

    assert create(sfn, name=name, roleArn=f"{ROLE}2", tags=[{"key": "k", "value": "v"}]) == arn
    assert sfn.describe_state_machine(stateMachineArn=arn)["roleArn"] == before["roleArn"]
    assert sfn.list_tags_for_resource(resourceArn=arn)["tags"] == []
    for change in (
        {"definition": definition(Comment="x")},
        {"type": "STANDARD"},
        {"publish": True},
        {"tracingConfiguration": {"enabled": True}},
        {"loggingConfiguration": {"level": "OFF", "includeExecutionData": True}},
    ):
        request = {"name": name, "definition": definition(), "roleArn": ROLE, "type": "EXPRESS", **change}
        assert refusal(sfn.create_state_machine, **request) == (
            "StateMachineAlreadyExists",
            f"State Machine Already Exists: '{arn}'",
        )


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"name": "a b"}, "InvalidName", "Invalid Name: 'a b'"),
        ({"name": "a/b"}, "InvalidName", "Invalid Name: 'a/b'"),
        (
            {"versionDescription": "x"},
            "ValidationException",
            "Version description can only be set when publish is true",
        ),
        (
            {"definition": json.dumps({"StartAt": "A"})},
            "InvalidDefinition",
            "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /'",
        ),
        (
            {"loggingConfiguration": {"level": "ALL"}},
            "InvalidLoggingConfiguration",
            "Invalid Logging Configuration: Must specify exactly one Log Destination.",
        ),
        (
            {
                "loggingConfiguration": {
                    "level": "ALL",
                    "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": "x"}}],
                }
            },
            "InvalidLoggingConfiguration",
            "Invalid Logging Configuration: Log Destination not found.",
        ),
        (
            {"encryptionConfiguration": {"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": "k"}},
            "InvalidEncryptionConfiguration",
            "Invalid Encryption Configuration: customer managed keys are not supported here.",
        ),
        ({"tags": [{"key": "aws:x", "value": ""}]}, "ValidationException", "Tag keys must not begin with 'aws:'"),
        ({"tags": [{"key": str(i), "value": ""} for i in range(51)]}, "TooManyTags", "Too many tags"),
    ],
)
def test_what_create_refuses(sfn: Any, change: dict[str, Any], code: str, message: str) -> None:
    """Each rule with its code and text."""
    request = {"name": unique(), "definition": definition(), "roleArn": ROLE, "type": "EXPRESS", **change}
    refused = refusal(sfn.create_state_machine, **request)

    assert refused[0] == code
    assert refused[1].startswith(message)


def test_describe_tells_awss_defaults(sfn: Any) -> None:
    """What was not set is told as AWS does; nothing has been updated yet."""
    machine = sfn.describe_state_machine(stateMachineArn=create(sfn))

    assert machine["status"] == "ACTIVE"
    assert machine["loggingConfiguration"] == {"level": "OFF", "includeExecutionData": False}
    assert machine["tracingConfiguration"] == {"enabled": False}
    assert machine["encryptionConfiguration"] == {"type": "AWS_OWNED_KEY"}
    assert "revisionId" not in machine
    assert "variableReferences" not in machine


def test_describe_lists_variables_and_can_hide_the_definition(sfn: Any) -> None:
    """variableReferences by state; METADATA_ONLY gives `{}` for a definition."""
    states = {
        "A": {"Type": "Pass", "Assign": {"v": 1}, "Next": "B"},
        "B": {"Type": "Pass", "Parameters": {"x.$": "$v"}, "End": True},
    }
    arn = create(sfn, definition=json.dumps({"StartAt": "A", "States": states}))

    assert sfn.describe_state_machine(stateMachineArn=arn)["variableReferences"] == {"B": ["v"]}
    hidden = sfn.describe_state_machine(stateMachineArn=arn, includedData="METADATA_ONLY")
    assert hidden["definition"] == "{}"
    assert "variableReferences" not in hidden


def test_an_update_changes_what_it_names(sfn: Any) -> None:
    """The rest stays; each update has a revision of its own."""
    arn = create(sfn)
    first = sfn.update_state_machine(stateMachineArn=arn, definition=definition(Comment="2"))
    second = sfn.update_state_machine(stateMachineArn=arn, roleArn=f"{ROLE}2")
    machine = sfn.describe_state_machine(stateMachineArn=arn)

    assert json.loads(machine["definition"])["States"]["A"]["Comment"] == "2"
    assert machine["roleArn"] == f"{ROLE}2"
    assert machine["revisionId"] == second["revisionId"] != first["revisionId"]


def test_what_update_refuses(sfn: Any) -> None:
    """Nothing to change, a version, a machine that is not there, a bad definition."""
    arn = create(sfn, publish=True)
    text = (
        "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified"
    )

    assert refusal(sfn.update_state_machine, stateMachineArn=arn) == ("MissingRequiredParameter", text)
    assert refusal(sfn.update_state_machine, stateMachineArn=f"{arn}:1", roleArn=ROLE) == (
        "StateMachineDoesNotExist",
        f"State Machine Does Not Exist: '{arn}:1'",
    )
    assert refusal(sfn.update_state_machine, stateMachineArn=f"{arn}x", roleArn=ROLE)[0] == "StateMachineDoesNotExist"
    assert refusal(sfn.update_state_machine, stateMachineArn=arn, definition="{")[0] == "InvalidDefinition"


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("x", "Invalid Arn: 'Invalid ARN prefix: x'"),
        ("arn:aws:s3:::b:c:d", "Invalid Arn: 'Invalid ARN prefix: arn:aws:s3:::b:c:d'"),
        (f"{PREFIX}:activity:a", "Invalid Arn: 'Resource type not valid in this context: activity'"),
        (f"{PREFIX}:nonsense:a", f"Invalid Arn: 'Invalid ARN prefix: {PREFIX}:nonsense:a'"),
    ],
)
def test_bad_arns(sfn: Any, arn: str, message: str) -> None:
    """Malformed, and of the wrong kind."""
    assert refusal(sfn.describe_state_machine, stateMachineArn=arn) == ("InvalidArn", message)


@pytest.mark.parametrize("ending", ["", ":7", ":NONE", ":1:2", "/label", ":0", ":01"])
def test_machines_that_are_not_there(sfn: Any, ending: str) -> None:
    """Unknown names, versions, aliases and Map labels."""
    arn = create(sfn, publish=True) + (ending or "x")

    assert refusal(sfn.describe_state_machine, stateMachineArn=arn) == (
        "StateMachineDoesNotExist",
        f"State Machine Does Not Exist: '{arn}'",
    )


def test_delete_forgets_and_is_silent_the_second_time(sfn: Any) -> None:
    """A deleted machine's name may be used anew."""
    name = unique()
    arn = create(sfn, name=name, publish=True)
    for _ in range(2):
        sfn.delete_state_machine(stateMachineArn=arn)

    assert refusal(sfn.describe_state_machine, stateMachineArn=arn)[0] == "StateMachineDoesNotExist"
    assert create(sfn, name=name, definition=definition(Comment="new")) == arn
    assert refusal(sfn.delete_state_machine, stateMachineArn=f"{arn}/l")[0] == "ValidationException"


def test_lists_are_paged_newest_first() -> None:
    """Each machine once, maxResults at a time; a token is for its own list and caller only."""
    with serving() as server:
        sfn = server.client()
        arns = [create(sfn) for _ in range(7)]
        seen: list[str] = []
        page: dict[str, Any] = {}
        while not seen or "nextToken" in page:
            more = {"nextToken": page["nextToken"]} if "nextToken" in page else {}
            page = sfn.list_state_machines(maxResults=3, **more)
            seen += [machine["stateMachineArn"] for machine in page["stateMachines"]]
        token = sfn.list_state_machines(maxResults=3)["nextToken"]

        assert sorted(seen) == sorted(arns)
        assert refusal(sfn.list_activities, nextToken=token) == ("InvalidToken", "Invalid Token: 'Invalid token'")
        for broken in (token[:-2] + "AA", "x", "ü", token + "x"):
            assert refusal(sfn.list_state_machines, nextToken=broken)[0] == "InvalidToken"


def test_a_machine_survives_the_server(tmp_path: Any) -> None:
    """Machine, version, alias and tags are there after a restart."""
    store = str(tmp_path / "s.db")
    with serving(store=store) as server:
        sfn = server.client()
        arn = create(sfn, publish=True, tags=[{"key": "k", "value": "v"}])
        routes = [{"stateMachineVersionArn": f"{arn}:1", "weight": 100}]
        sfn.create_state_machine_alias(name="PROD", routingConfiguration=routes)
    with serving(store=store) as server:
        sfn = server.client()
        assert sfn.start_sync_execution(stateMachineArn=f"{arn}:PROD", input="[1]")["output"] == "[1]"
        assert sfn.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "k", "value": "v"}]


# Versions ---------------------------------------------------------------------------------------------


def test_versions_count_up_and_are_never_reused(sfn: Any) -> None:
    """Publishing twice gives one version; a deleted number does not come back; the list is highest first."""
    arn = create(sfn, publish=True, versionDescription="one")
    again = sfn.publish_state_machine_version(stateMachineArn=arn, description="other")
    sfn.update_state_machine(stateMachineArn=arn, definition=definition(Comment="2"))
    second = sfn.publish_state_machine_version(stateMachineArn=arn)
    sfn.delete_state_machine_version(stateMachineVersionArn=f"{arn}:2")
    third = sfn.update_state_machine(stateMachineArn=arn, definition=definition(Comment="3"), publish=True)
    listed = sfn.list_state_machine_versions(stateMachineArn=arn)["stateMachineVersions"]

    assert again["stateMachineVersionArn"] == f"{arn}:1"
    assert second["stateMachineVersionArn"] == f"{arn}:2"
    assert third["stateMachineVersionArn"] == f"{arn}:3"
    assert [v["stateMachineVersionArn"] for v in listed] == [f"{arn}:3", f"{arn}:1"]
    described = sfn.describe_state_machine(stateMachineArn=f"{arn}:1")
    assert (described["stateMachineArn"], described["description"]) == (f"{arn}:1", "one")
    assert "Comment" not in json.loads(described["definition"])["States"]["A"]


def test_a_version_is_only_published_of_the_revision_that_was_meant(sfn: Any) -> None:
    """INITIAL is the revision of a machine that was never updated."""
    arn = create(sfn)
    sfn.publish_state_machine_version(stateMachineArn=arn, revisionId="INITIAL")
    revision = sfn.update_state_machine(stateMachineArn=arn, roleArn=f"{ROLE}2")["revisionId"]

    assert refusal(sfn.publish_state_machine_version, stateMachineArn=arn, revisionId="INITIAL") == (
        "ConflictException",
        "Failed to publish the State Machine version for revision INITIAL. "
        f"The current State Machine revision is {revision}.",
    )


def test_deleting_versions(sfn: Any) -> None:
    """One that an alias uses stays; one that is not there is gone already; a machine is none."""
    arn = create(sfn, publish=True)
    routes = [{"stateMachineVersionArn": f"{arn}:1", "weight": 100}]
    sfn.create_state_machine_alias(name="PROD", routingConfiguration=routes)

    assert refusal(sfn.delete_state_machine_version, stateMachineVersionArn=f"{arn}:1") == (
        "ConflictException",
        "Version to be deleted must not be referenced by an alias. "
        "Current list of aliases referencing this version: [PROD]",
    )
    assert refusal(sfn.delete_state_machine_version, stateMachineVersionArn=arn)[0] == "InvalidArn"
    sfn.delete_state_machine_version(stateMachineVersionArn=f"{arn}:9")
    assert sfn.list_state_machine_versions(stateMachineArn=f"{arn}x")["stateMachineVersions"] == []


# Aliases ----------------------------------------------------------------------------------------------


@pytest.fixture
def two(sfn: Any) -> str:
    """A machine with versions 1 and 2, which answer with their numbers."""
    arn = create(sfn, definition=definition(Result=1), publish=True)
    sfn.update_state_machine(stateMachineArn=arn, definition=definition(Result=2), publish=True)
    return arn


def routes(arn: str, *weights: int) -> list[dict[str, Any]]:
    """Routes to versions 1, 2 …"""
    return [{"stateMachineVersionArn": f"{arn}:{i}", "weight": weight} for i, weight in enumerate(weights, 1)]


def test_an_alias_routes_by_weight(sfn: Any, two: str) -> None:
    """About nine of ten executions run on the version with weight 90."""
    created = sfn.create_state_machine_alias(name="PROD", routingConfiguration=routes(two, 90, 10))
    arn = created["stateMachineAliasArn"]
    outputs = Counter(sfn.start_sync_execution(stateMachineArn=arn)["output"] for _ in range(200))

    assert arn == f"{two}:PROD"
    assert set(outputs) == {"1", "2"}
    assert 150 <= outputs["1"] <= 198


def test_an_alias_is_created_once_and_can_be_changed(sfn: Any, two: str) -> None:
    """The same request again changes nothing; another one is a conflict; update moves it."""
    first = sfn.create_state_machine_alias(name="A", routingConfiguration=routes(two, 100))
    again = sfn.create_state_machine_alias(name="A", routingConfiguration=routes(two, 100))
    arn = first["stateMachineAliasArn"]

    assert again["creationDate"] == first["creationDate"]
    other = {"name": "A", "routingConfiguration": routes(two, 50, 50)}
    assert refusal(sfn.create_state_machine_alias, **other) == (
        "ConflictException",
        "Failed to create alias because an alias with the same name and a different routing configuration already "
        "exists.",
    )
    sfn.update_state_machine_alias(stateMachineAliasArn=arn, description="d", routingConfiguration=routes(two, 0, 100))
    described = sfn.describe_state_machine_alias(stateMachineAliasArn=arn)
    assert (described["description"], described["routingConfiguration"]) == ("d", routes(two, 0, 100))
    assert sfn.start_sync_execution(stateMachineArn=arn)["output"] == "2"
    assert refusal(sfn.update_state_machine_alias, stateMachineAliasArn=arn)[0] == "ValidationException"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda arn: [{"stateMachineVersionArn": arn, "weight": 100}],
            "Routing configuration must contain state machine version ARNs. Received: [{arn}]",
        ),
        (lambda arn: routes(arn, 50, 40), "Sum of routing configuration weights must equal 100. Received: [50, 40]"),
        (
            lambda arn: routes(arn, 50) * 2,
            "Routing configuration must contain distinct state machine version ARNs. Received: [{arn}:1, {arn}:1]",
        ),
    ],
)
def test_routing_that_is_refused(sfn: Any, two: str, make: Any, message: str) -> None:
    """Each with the reason that the model has for it."""
    with pytest.raises(ClientError) as caught:
        sfn.create_state_machine_alias(name="A", routingConfiguration=make(two))

    assert caught.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": message.format(arn=two),
    }
    assert caught.value.response["reason"] == "INVALID_ROUTING_CONFIGURATION"


def test_aliases_of_a_machine_and_of_a_version(sfn: Any, two: str) -> None:
    """A version's list has only those that lead to it; what is not there is ResourceNotFound."""
    for name, given in (("ONE", routes(two, 100)), ("BOTH", routes(two, 1, 99))):
        sfn.create_state_machine_alias(name=name, routingConfiguration=given)

    def listed(arn: str) -> set[str]:
        aliases = sfn.list_state_machine_aliases(stateMachineArn=arn)["stateMachineAliases"]
        return {alias["stateMachineAliasArn"].rpartition(":")[2] for alias in aliases}

    assert listed(two) == {"ONE", "BOTH"}
    assert listed(f"{two}:2") == {"BOTH"}
    sfn.delete_state_machine_alias(stateMachineAliasArn=f"{two}:ONE")
    assert listed(two) == {"BOTH"}
    missing = ("ResourceNotFound", "Request references a resource that does not exist.")
    assert refusal(sfn.delete_state_machine_alias, stateMachineAliasArn=f"{two}:ONE") == missing
    assert refusal(sfn.describe_state_machine_alias, stateMachineAliasArn=f"{two}:ONE") == missing
    assert refusal(sfn.create_state_machine_alias, name="C", routingConfiguration=[
        {"stateMachineVersionArn": f"{two}:9", "weight": 100}
    ])[0] == "ResourceNotFound"  # fmt: skip


def test_an_alias_name_is_not_a_number(sfn: Any, two: str) -> None:
    """The model's pattern."""
    code, message = refusal(sfn.create_state_machine_alias, name="12", routingConfiguration=routes(two, 100))

    assert code == "ValidationException"
    assert message.startswith("1 validation error detected: Value '12' at 'name' failed to satisfy constraint")


# Tags and activities ----------------------------------------------------------------------------------


def test_tags_are_added_overwritten_and_taken_away(sfn: Any) -> None:
    """Of machines and activities; a version has none."""
    machine = create(sfn, publish=True, tags=[{"key": "a", "value": "1"}])
    activity = sfn.create_activity(name=unique("a"))["activityArn"]
    for arn in (machine, activity):
        sfn.tag_resource(resourceArn=arn, tags=[{"key": "a", "value": "2"}, {"key": "b", "value": "3"}])
        sfn.untag_resource(resourceArn=arn, tagKeys=["b", "zzz"])
        assert sfn.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "a", "value": "2"}]

    missing = ("ResourceNotFound", f"Resource not found: '{machine}:1'")
    assert refusal(sfn.tag_resource, resourceArn=f"{machine}:1", tags=[]) == missing
    many = [{"key": str(i), "value": ""} for i in range(50)]
    assert refusal(sfn.tag_resource, resourceArn=machine, tags=many)[0] == "TooManyTags"


def test_activities_can_be_registered(sfn: Any) -> None:
    """Idempotent on the name; deleting is silent; one that is not there is told."""
    name = unique("a")
    first, again = sfn.create_activity(name=name), sfn.create_activity(name=name)
    arn = first["activityArn"]

    assert first["creationDate"] == again["creationDate"]
    assert sfn.describe_activity(activityArn=arn)["name"] == name
    assert arn in {a["activityArn"] for a in sfn.list_activities()["activities"]}
    for _ in range(2):
        sfn.delete_activity(activityArn=arn)
    assert refusal(sfn.describe_activity, activityArn=arn) == (
        "ActivityDoesNotExist",
        f"Activity Does Not Exist: '{arn}'",
    )


def test_there_are_no_task_tokens(sfn: Any) -> None:
    """An output that is no JSON is told first."""
    invalid = ("InvalidToken", "Invalid Token: 'Invalid token'")

    assert refusal(sfn.send_task_success, taskToken="t", output="{}") == invalid
    assert refusal(sfn.send_task_failure, taskToken="t") == invalid
    assert refusal(sfn.send_task_heartbeat, taskToken="t") == invalid
    assert refusal(sfn.send_task_success, taskToken="t", output="{")[0] == "InvalidOutput"


# Validation -------------------------------------------------------------------------------------------


def test_validation_creates_nothing(sfn: Any, running: Running) -> None:
    """Diagnostics with AWS's codes; no machine is there afterwards."""
    before = len(sfn.list_state_machines(maxResults=1000)["stateMachines"])
    answer = sfn.validate_state_machine_definition(definition=json.dumps({"StartAt": "A"}))

    assert answer["result"] == "FAIL"
    assert answer["diagnostics"][0]["code"] == "SCHEMA_VALIDATION_FAILED"
    assert answer["diagnostics"][0]["location"] == "/"
    assert len(sfn.list_state_machines(maxResults=1000)["stateMachines"]) == before


def test_a_large_definition_holds_nobody_up(running: Running) -> None:
    """A megabyte is judged beside other requests."""
    states = {f"S{i}": {"Type": "Pass", "Next": f"S{i + 1}"} for i in range(15_000)}
    states["S15000"] = {"Type": "Pass", "End": True}
    text = json.dumps({"StartAt": "S0", "States": states})

    answer = running.client().validate_state_machine_definition(definition=text[:1_048_576])

    assert answer["result"] == "OK"
