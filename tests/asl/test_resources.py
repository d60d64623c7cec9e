"""Resources: what a Task names, and how history events show it."""

from __future__ import annotations

import pytest

from express.asl.resources import OPTIMIZED, parse_resource


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:lambda:us-east-1:123456789012:function:f", ("lambda", "lambda", "invoke", "", "f", "")),
        ("arn:aws:lambda:us-east-1:123456789012:function:f:PROD", ("lambda", "lambda", "invoke", "", "f", "PROD")),
        ("arn:aws:states:us-east-1:123456789012:activity:a", ("activity", "states", "", "", "a", "")),
        ("arn:aws:states:::dynamodb:getItem", ("optimized", "dynamodb", "getItem", "", "", "")),
        ("arn:aws-cn:states:::ecs:runTask.sync", ("optimized", "ecs", "runTask", "sync", "", "")),
        ("arn:aws:states:::states:startExecution.sync:2", ("optimized", "states", "startExecution", "sync:2", "", "")),
        ("arn:aws:states:::aws-sdk:s3:getObject", ("sdk", "s3", "getObject", "", "", "")),
        (
            "arn:aws:states:us-east-1:123456789012:aws-sdk:sqs:sendMessage.waitForTaskToken",
            ("sdk", "sqs", "sendMessage", "waitForTaskToken", "", ""),
        ),
        ("arn:aws:states:::http:invoke", ("http", "http", "invoke", "", "", "")),
        ("arn:express:kafka:::produce", ("express", "kafka", "produce", "", "", "")),
        ("arn:${AWS::Partition}:states:::sns:publish", ("optimized", "sns", "publish", "", "", "")),
        ("my-function", ("other", "", "", "", "", "")),
        ("arn:aws:swf:us-east-1:123456789012:task:X", ("other", "", "", "", "", "")),
        ("arn:aws:states:::sqs:sendMessage.async", ("optimized", "sqs", "sendMessage.async", "", "", "")),
        ("", ("other", "", "", "", "", "")),
    ],
)
def test_forms(arn: str, expected: tuple[str, ...]) -> None:
    """Every form of integrations.md §2 gives its parts; anything else is kind `other`, never an error."""
    r = parse_resource(arn)
    assert (r.kind, r.service, r.action, r.pattern, r.name, r.qualifier) == expected
    assert r.arn == arn


@pytest.mark.parametrize(
    ("arn", "shown"),
    [
        ("arn:aws:states:::lambda:invoke", ("lambda", "invoke")),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", ("sqs", "sendMessage.waitForTaskToken")),
        ("arn:aws:states:::states:startExecution.sync:2", ("states", "startExecution.sync:2")),
        ("arn:aws:states:::aws-sdk:s3:listObjectsV2", ("aws-sdk:s3", "listObjectsV2")),
        ("arn:aws:states:::http:invoke", ("http", "invoke")),
    ],
)
def test_as_history_events_show_it(arn: str, shown: tuple[str, str]) -> None:
    """`resourceType` is the service, `resource` the action with its suffix (api.md §7)."""
    r = parse_resource(arn)
    assert (r.resource_type, r.resource) == shown


def test_region_and_account_are_kept() -> None:
    """An ARN that names region, account and partition gives them back."""
    r = parse_resource("arn:aws-us-gov:lambda:us-gov-east-1:123456789012:function:f")
    assert (r.partition, r.region, r.account) == ("aws-us-gov", "us-gov-east-1", "123456789012")


def test_the_table_of_integrations_offers_request_response_everywhere() -> None:
    """Every optimized action can be called plainly, and patterns are those that a resource can spell."""
    patterns = [found for actions in OPTIMIZED.values() for found in actions.values()]
    assert all("" in found for found in patterns)
    assert set().union(*patterns) == {"", "sync", "sync:2", "waitForTaskToken"}


def test_a_text_of_a_megabyte_is_no_resource() -> None:
    """A long text is not taken apart, nor kept."""
    assert parse_resource("arn:aws:lambda:" + ":" * 1_000_000).kind == "other"
