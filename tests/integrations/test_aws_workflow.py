"""An order, from end to end: local functions, DynamoDB, SQS, SNS and S3 in one workflow, against moto."""

from __future__ import annotations

from typing import Any

from express.config import Config, Function
from express.integrations.aws import AwsCalls
from express.values import JSON, loads
from tests.integrations.calling import CONTEXT, run, task
from tests.integrations.test_aws import _credentials, aws, emulator, settings

__all__ = ["_credentials", "aws", "emulator"]  # fixtures

ECHO = {"check": Function(handler="tests.integrations.handlers:echo", mode="inline")}


def call(resource: str, parameters: dict[str, JSON], following: str | None, **more: Any) -> dict[str, JSON]:
    """A Task that keeps its state's input."""
    after: dict[str, JSON] = {"Next": following} if following else {"End": True}
    made = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": parameters, **after}
    return {**made, "ResultPath": None, **more}


def order(queue: str, topic: str) -> dict[str, JSON]:
    """Check, store once, file the receipt, queue the delivery, tell the customer; an order that is known ends early."""
    known = {"ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"], "Next": "Known", "ResultPath": None}
    item = {"id": {"S.$": "$.id"}, "total": {"N.$": "States.Format('{}', $.total)"}}
    store = {"TableName": "orders", "Item": item, "ConditionExpression": "attribute_not_exists(id)"}
    receipt = {"Bucket": "receipts", "Key.$": "$.id", "Body.$": "$"}
    return {
        "StartAt": "Check",
        "States": {
            "Check": {
                "Type": "Task",
                "Resource": "arn:aws:lambda:us-east-1:123456789012:function:check",
                "Next": "Put",
            },
            "Put": call("dynamodb:putItem", store, "Receipt", Catch=[known]),
            "Receipt": call("aws-sdk:s3:putObject", receipt, "Queue"),
            "Queue": call("sqs:sendMessage", {"QueueUrl": queue, "MessageBody.$": "$"}, "Tell"),
            "Tell": call("sns:publish", {"TopicArn": topic, "Message.$": "$.id"}, None),
            "Known": {"Type": "Pass", "Result": "known", "End": True},
        },
    }


async def test_an_order_goes_through_five_services(aws: AwsCalls, emulator: str) -> None:
    """Every service holds what the workflow gave it, and the same order again changes nothing."""

    async def do(resource: str, request: JSON) -> JSON:
        return await aws.start(task(f"aws-sdk:{resource}", request), CONTEXT)

    await do("s3:createBucket", {"Bucket": "receipts"})
    queue = (await do("sqs:createQueue", {"QueueName": "deliveries"}))["QueueUrl"]
    topic = (await do("sns:createTopic", {"Name": "customers"}))["TopicArn"]
    config = Config(aws=settings(emulator), functions=dict(ECHO))
    first = await run(order(queue, topic), {"id": "o-1", "total": 12}, config)
    again = await run(order(queue, topic), {"id": "o-1", "total": 12}, config)
    stored = await do("dynamodb:scan", {"TableName": "orders"})
    receipt = await do("s3:getObject", {"Bucket": "receipts", "Key": "o-1"})
    queued = await do("sqs:receiveMessage", {"QueueUrl": queue, "MaxNumberOfMessages": 10})

    assert (first.status, first.output) == ("SUCCEEDED", {"id": "o-1", "total": 12})
    assert (again.status, again.output) == ("SUCCEEDED", "known")
    assert stored["Items"] == [{"id": {"S": "o-1"}, "total": {"N": "12"}}]
    assert loads(receipt["Body"]) == {"id": "o-1", "total": 12}
    assert [loads(message["Body"]) for message in queued["Messages"]] == [{"id": "o-1", "total": 12}]
