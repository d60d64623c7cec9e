"""Names of parameters: of the Java SDK for SDK calls, of the API for optimized integrations; refused before a run."""

from __future__ import annotations

from typing import Any

import pytest

from express.asl.lint import lint
from express.asl.resources import parse_resource
from express.errors import Diagnostic
from express.integrations.aws.names import optimized_member, sdk_member
from express.integrations.parameters import unknown_members
from express.values import JSON

pytest.importorskip("botocore", reason="the extra aws is not installed")

JAVA = [
    ("stateMachineArn", "StateMachineArn"),
    ("DBInstanceIdentifier", "DbInstanceIdentifier"),
    ("DBInstances", "DbInstances"),
    ("KMSKeyArn", "KmsKeyArn"),
    ("SSEKMSKeyId", "SsekmsKeyId"),
    ("TTL", "Ttl"),
    ("BOOL", "Bool"),
    ("SS", "Ss"),
    ("S", "S"),
    ("VPCZoneIdentifier", "VpcZoneIdentifier"),
    ("MD5OfMessageBody", "Md5OfMessageBody"),
    ("IPv6CIDRBlock", "IPv6CIDRBlock"),
    ("IAMInstanceProfile", "IamInstanceProfile"),
    ("EnableIAMDatabaseAuthentication", "EnableIAMDatabaseAuthentication"),
    ("RoleARN", "RoleARN"),
    ("TemplateURL", "TemplateURL"),
    ("ID", "Id"),
    ("Equals", "EqualsValue"),
    ("Default", "DefaultValue"),
    ("public", "PublicValue"),
    ("ToString", "ToStringValue"),
]


@pytest.mark.parametrize(("name", "spelt"), JAVA)
def test_members_of_sdk_calls_are_named_as_the_java_sdk_names_them(name: str, spelt: str) -> None:
    """The first word of a member loses its capitals but one; Java's own words get Value behind them."""
    assert sdk_member("Shape", name) == spelt


def test_renamed_members_are_a_table() -> None:
    """DynamoDB's NULL is Nul, in attribute values only."""
    assert (sdk_member("AttributeValue", "NULL"), sdk_member("Other", "NULL")) == ("Nul", "NullValue")


def test_optimized_integrations_name_members_as_the_api_does() -> None:
    """DynamoDB's optimized integration takes BOOL."""
    assert [optimized_member("AttributeValue", name) for name in ("BOOL", "NULL", "ss")] == ["BOOL", "NULL", "Ss"]


def test_no_two_members_of_a_shape_share_a_name() -> None:
    """The spelling of SDK calls keeps all members of every shape of large services apart."""
    from express.integrations.aws.clients import service_model

    for service in ("rds", "s3", "dynamodb", "iam", "ec2", "glue", "wafv2"):
        model = service_model(service)
        for name in model.shape_names:
            shape = model.shape_for(name)
            if shape.type_name == "structure":
                spelt = {sdk_member(name, member) for member in shape.members}
                assert len(spelt) == len(shape.members), name


def _unknown(resource: str, parameters: JSON) -> list[tuple[str, str]]:
    found = unknown_members(parse_resource(f"arn:aws:states:::{resource}"), parameters)
    return [(pointer, name) for pointer, name, _ in found]


TEMPLATES: list[tuple[str, JSON, list[tuple[str, str]]]] = [
    ("aws-sdk:rds:describeDBInstances", {"DBInstanceIdentifier": "a"}, [("", "DBInstanceIdentifier")]),
    ("aws-sdk:rds:describeDBInstances", {"DbInstanceIdentifier.$": "$.id", "MaxRecords": 20}, []),
    (
        "aws-sdk:dynamodb:putItem",
        {"TableName": "t", "Item": {"ok.$": "$.a", "flag": {"BOOL": True}, "gone": {"Nul": True}, "n": {"N.$": "$.n"}}},
        [("/Item/flag", "BOOL")],
    ),
    (
        "dynamodb:putItem",
        {"TableName": "t", "Item": {"flag": {"BOOL": True}, "x": {"Bool": True}}},
        [("/Item/x", "Bool")],
    ),
    ("aws-sdk:ec2:describeInstances", {"Filter": [{"Name": "a"}]}, [("", "Filter")]),
    (
        "aws-sdk:ec2:describeInstances",
        {"Filters": [{"Name": "a", "Values": ["b"]}, {"Nam": "a"}]},
        [("/Filters[1]", "Nam")],
    ),
    (
        "batch:submitJob.sync",
        {"JobName": "j", "JobQueue": "q", "JobDefinition": "d", "RetryStrategy": {"attempts": 5}},
        [],
    ),
    ("sqs:sendMessage", {"QueueUrl": "u", "MessageBody": {"any": {"thing": 1}}, "Body": 1}, [("", "Body")]),
    ("lambda:invoke", {"FunctionName": "f", "Payload": {"any": 1}, "Paylod": 1}, [("", "Paylod")]),
    ("elasticmapreduce:addStep", {"ClusterId": "c", "Step": {"Name": "s"}, "Steps": []}, []),
    ("bedrock:invokeModel", {"ModelId": "m", "Input": {"S3Uri": "s3://b/k"}}, []),
    ("http:invoke", {"ApiEndpoint": "e", "Method": "GET", "Authentication": {}, "Verb": 1}, [("", "Verb")]),
    ("apigateway:invoke", {"ApiEndpoint": "e", "Method": "GET", "Url": 1}, [("", "Url")]),
    ("states:startExecution", {"StateMachineArn": "a", "Input": {"x": 1}, "Machine": 1}, [("", "Machine")]),
    ("aws-sdk:sfn:startSyncExecution", {"StateMachineArn": "a", "Input": {"x": 1}}, []),
    ("aws-sdk:nosuchservice:doIt", {"x": 1}, []),
]


@pytest.mark.parametrize(("resource", "parameters", "found"), TEMPLATES)
def test_names_that_a_resource_does_not_take(resource: str, parameters: JSON, found: list[tuple[str, str]]) -> None:
    """Every level of objects, lists and maps is looked at; documents and dynamic values are not."""
    assert _unknown(resource, parameters) == found


def test_a_function_takes_any_object() -> None:
    """A Lambda function's ARN has no members: its parameters are the event."""
    resource = parse_resource("arn:aws:lambda:us-east-1:123456789012:function:f")

    assert list(unknown_members(resource, {"any": 1})) == []


def _lint(task: dict[str, Any], **more: Any) -> list[Diagnostic]:
    state = {"Type": "Task", "End": True, **task}
    return lint({"StartAt": "A", "States": {"A": state}, **more}, members=unknown_members)


def test_a_wrong_name_is_a_finding_with_its_place_and_the_nearest_name() -> None:
    """AWS's text, the pointer of the object, the field itself, and what was probably meant."""
    resource = "arn:aws:states:::aws-sdk:rds:describeDBInstances"
    (found,) = _lint({"Resource": resource, "Parameters": {"DBInstanceIdentifier.$": "$.id"}})

    assert found.message == 'The field "DBInstanceIdentifier" is not supported by Step Functions'
    assert (found.code, found.location) == ("SCHEMA_VALIDATION_FAILED", "/States/A/Parameters")
    assert found.at == "/States/A/Parameters/DBInstanceIdentifier.$"
    assert found.hint == "did you mean 'DbInstanceIdentifier'?"


def test_arguments_of_jsonata_are_checked_too() -> None:
    """Objects in Arguments are looked at; an expression for all of them is not."""
    resource = "arn:aws:states:::aws-sdk:s3:putObject"
    whole = _lint({"Resource": resource, "Arguments": "{% $states.input %}"}, QueryLanguage="JSONata")
    (found,) = _lint(
        {"Resource": resource, "Arguments": {"Bucket": "b", "Key": "{% 'k' %}", "SSEKMSKeyId": "k"}},
        QueryLanguage="JSONata",
    )

    assert whole == []
    assert (found.message, found.hint) == (
        'The field "SSEKMSKeyId" is not supported by Step Functions',
        "did you mean 'SsekmsKeyId'?",
    )
