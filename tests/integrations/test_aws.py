"""AWS services called over the network, against moto's server; what moto never does, against a stub of its shape."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web

from express.asl.resources import parse_resource
from express.config import Aws, Config
from express.errors import StatesError
from express.integrations.aws import AwsCalls, shapes
from express.integrations.aws.names import client, folders
from express.values import JSON, dumps, loads
from tests.integrations.calling import CONTEXT, EXECUTION, STATES, machine, run, task
from tests.integrations.stub import Stub

pytest.importorskip("aiobotocore", reason="the extra aws is not installed")
moto = pytest.importorskip("moto.server", reason="moto's server is not installed")

PUT = {"TableName": "orders", "Item": {"id": {"S": "1"}}}
ONCE = {**PUT, "ConditionExpression": "attribute_not_exists(id)"}
TABLE = {
    "TableName": "orders",
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    """The URL of a moto server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-aws-secret-key")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)


def settings(url: str, **more: Any) -> Aws:
    return Aws(**{"allow": ["*:*"], "region": "us-east-1", "endpoint_url": url, **more})


@pytest.fixture
async def aws(emulator: str) -> AsyncIterator[AwsCalls]:
    calls = AwsCalls(settings(emulator))
    if await _has(calls):
        await calls.start(task("aws-sdk:dynamodb:deleteTable", {"TableName": "orders"}), CONTEXT)
    await calls.start(task("aws-sdk:dynamodb:createTable", TABLE), CONTEXT)
    yield calls
    await calls.close()


async def _has(calls: AwsCalls) -> bool:
    tables = await calls.start(task("aws-sdk:dynamodb:listTables", {}), CONTEXT)
    return "orders" in tables["TableNames"]


async def failure(calls: AwsCalls, resource: str, request: JSON) -> StatesError:
    with pytest.raises(StatesError) as raised:
        await calls.start(task(resource, request), CONTEXT)
    return raised.value


async def test_an_item_goes_in_and_comes_out(aws: AwsCalls, emulator: str) -> None:
    """DynamoDB from a workflow: the item, and the SDK's metadata around it; the sdk form has none."""
    await aws.start(task("dynamodb:putItem", PUT), CONTEXT)
    get = {"TableName": "orders", "Key": {"id": {"S": "1"}}}
    finish = await run(machine("dynamodb:getItem"), get, Config(aws=settings(emulator)))
    plain = await run(machine("aws-sdk:dynamodb:getItem"), get, Config(aws=settings(emulator)))

    assert finish.status == "SUCCEEDED"
    assert finish.output["Item"] == {"id": {"S": "1"}}
    assert finish.output["SdkHttpMetadata"]["HttpStatusCode"] == 200
    assert finish.output["SdkResponseMetadata"]["RequestId"]
    assert plain.output == {"Item": {"id": {"S": "1"}}}


async def test_service_errors_have_the_names_of_their_integration(aws: AwsCalls) -> None:
    """The optimized form names errors in the older style, the SDK form in the newer; causes differ with them."""
    await aws.start(task("dynamodb:putItem", PUT), CONTEXT)
    old = await failure(aws, "dynamodb:putItem", ONCE)
    new = await failure(aws, "aws-sdk:dynamodb:putItem", ONCE)

    assert old.error == "DynamoDB.ConditionalCheckFailedException"
    assert str(old.cause).startswith(
        "The conditional request failed (Service: AmazonDynamoDBv2; Status Code: 400; "
        "Error Code: ConditionalCheckFailedException; Request ID: "
    )
    assert str(old.cause).endswith("; Proxy: null)")
    assert new.error == "DynamoDb.ConditionalCheckFailedException"
    assert "(Service: DynamoDb, Status Code: 400, Request ID: " in str(new.cause)


@pytest.mark.parametrize(
    ("resource", "request_", "error"),
    [
        ("aws-sdk:s3:getObject", {"Bucket": "nobody", "Key": "k"}, "S3.NoSuchBucketException"),
        ("aws-sdk:secretsmanager:getSecretValue", {"SecretId": "x"}, "SecretsManager.ResourceNotFoundException"),
        ("aws-sdk:ssm:getParameter", {"Name": "x"}, "Ssm.ParameterNotFoundException"),
        ("aws-sdk:ec2:describeInstances", {"InstanceIds": ["i-1"]}, "Ec2.Ec2Exception"),
        ("aws-sdk:kms:describeKey", {"KeyId": "x"}, "Kms.NotFoundException"),
        ("aws-sdk:iam:getRole", {"RoleName": "x"}, "Iam.NoSuchEntityException"),
        ("glue:startJobRun", {"JobName": "x"}, "Glue.EntityNotFoundException"),
        ("aws-sdk:ecs:describeTasks", {"Cluster": "x", "Tasks": ["t"]}, "Ecs.ClusterNotFoundException"),
        (
            "states:startExecution",
            {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:x", "Input": {"a": 1}},
            "StepFunctions.StateMachineDoesNotExistException",
        ),
        (
            "aws-sdk:sfn:describeStateMachine",
            {"StateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:x"},
            "Sfn.StateMachineDoesNotExistException",
        ),
    ],
)
async def test_errors_of_many_services(aws: AwsCalls, resource: str, request_: JSON, error: str) -> None:
    """Whatever protocol a service speaks, its error is named as Step Functions names it."""
    assert (await failure(aws, resource, request_)).error == error


async def test_a_fifo_message_is_sent_once_over_replays(aws: AwsCalls) -> None:
    """The same step of the same record has the same deduplication id: the queue keeps one message."""
    queue = await aws.start(
        task("aws-sdk:sqs:createQueue", {"QueueName": "q.fifo", "Attributes": {"FifoQueue": "true"}}), CONTEXT
    )
    message = {"QueueUrl": queue["QueueUrl"], "MessageBody": {"order": 1}, "MessageGroupId": "g"}
    sent = [await aws.start(task("sqs:sendMessage", message, attempt=n), CONTEXT) for n in range(2)]
    received = await aws.start(
        task("aws-sdk:sqs:receiveMessage", {"QueueUrl": queue["QueueUrl"], "MaxNumberOfMessages": 10}), CONTEXT
    )

    assert [message["Body"] for message in received["Messages"]] == ['{"order":1}']
    assert sent[0]["MD5OfMessageBody"] == sent[1]["MD5OfMessageBody"]


async def test_topics_take_objects_and_refuse_strangers(aws: AwsCalls) -> None:
    """SNS: an object as message is its JSON text; an unknown topic is SNS.NotFoundException."""
    topic = await aws.start(task("aws-sdk:sns:createTopic", {"Name": "news"}), CONTEXT)
    sent = await aws.start(task("sns:publish", {"TopicArn": topic["TopicArn"], "Message": {"x": 1}}), CONTEXT)
    error = await failure(aws, "sns:publish", {"TopicArn": topic["TopicArn"] + "x", "Message": "m"})

    assert sent["MessageId"]
    assert error.error == "SNS.NotFoundException"
    assert "Service: AmazonSNS; Status Code: 404; Error Code: NotFound" in str(error.cause)


async def test_an_event_that_is_not_taken_fails_the_task(aws: AwsCalls) -> None:
    """EventBridge: an entry that failed is EventBridge.FailedEntry with the response as cause; no metadata else."""
    good = {"Source": "shop", "DetailType": "ordered", "Detail": {"id": 1}}
    sent = await aws.start(task("events:putEvents", {"Entries": [good]}), CONTEXT)
    error = await failure(aws, "events:putEvents", {"Entries": [good, {"Source": "shop", "Detail": {}}]})

    assert set(sent) == {"Entries", "FailedEntryCount"}
    assert error.error == "EventBridge.FailedEntry"
    assert loads(str(error.cause))["FailedEntryCount"] == 1


async def test_objects_are_stored_and_read(aws: AwsCalls) -> None:
    """S3: JSON in, text out, a missing key is S3.NoSuchKeyException."""
    await aws.start(task("aws-sdk:s3:createBucket", {"Bucket": "documents"}), CONTEXT)
    await aws.start(task("aws-sdk:s3:putObject", {"Bucket": "documents", "Key": "k", "Body": {"page": 1}}), CONTEXT)
    read = await aws.start(task("aws-sdk:s3:getObject", {"Bucket": "documents", "Key": "k"}), CONTEXT)
    error = await failure(aws, "aws-sdk:s3:getObject", {"Bucket": "documents", "Key": "none"})

    assert (read["Body"], read["ContentLength"], read["LastModified"][-1]) == ('{"page":1}', 10, "Z")
    assert error.error == "S3.NoSuchKeyException"


async def test_parameters_are_checked_before_anything_is_sent(aws: AwsCalls) -> None:
    """Wrong types, unknown and missing members are States.Runtime, all in one cause."""
    error = await failure(aws, "dynamodb:putItem", {"TableName": 5, "Filter": 1})

    assert error.error == "States.Runtime"
    assert error.cause == (
        'The Parameters \'{"TableName":5,"Filter":1}\' could not be used to start the Task: '
        "[The value for the field 'TableName' must be a STRING, "
        'The field "Filter" is not supported by Step Functions, The field "Item" is required but was missing]'
    )


async def test_sdk_calls_speak_the_java_sdks_names_both_ways(aws: AwsCalls) -> None:
    """DynamoDB takes and gives Bool and Nul; RDS takes DbInstanceIdentifier and gives DbInstances, DbInstanceArn."""
    flags = {"id": {"S": "9"}, "ok": {"Bool": True}, "gone": {"Nul": True}, "set": {"Ss": ["a"]}}
    await aws.start(task("aws-sdk:dynamodb:putItem", {"TableName": "orders", "Item": flags}), CONTEXT)
    key = {"TableName": "orders", "Key": {"id": {"S": "9"}}}
    read = await aws.start(task("aws-sdk:dynamodb:getItem", key), CONTEXT)
    optimized = await aws.start(task("dynamodb:getItem", key), CONTEXT)
    database = {"DbInstanceIdentifier": "d", "DbInstanceClass": "db.t3.micro", "Engine": "mysql", "AllocatedStorage": 5}
    await aws.start(task("aws-sdk:rds:createDBInstance", database), CONTEXT)
    found = await aws.start(task("aws-sdk:rds:describeDBInstances", {"DbInstanceIdentifier": "d"}), CONTEXT)
    error = await failure(aws, "aws-sdk:rds:describeDBInstances", {"DBInstanceIdentifier": "d"})

    assert read["Item"] == flags
    assert optimized["Item"]["ok"] == {"BOOL": True}
    assert found["DbInstances"][0]["DbInstanceArn"].endswith(":db:d")
    assert 'The field "DBInstanceIdentifier" is not supported by Step Functions' in str(error.cause)


async def test_clusters_of_emr(aws: AwsCalls) -> None:
    """EMR's simpler requests: a ClusterId, one step; the service's lists are made and taken apart here."""
    instances = {"MasterInstanceType": "m5.xlarge", "InstanceCount": 1, "KeepJobFlowAliveWhenNoSteps": True}
    request = {"Name": "c", "Instances": instances, "ServiceRole": "r", "JobFlowRole": "j", "ReleaseLabel": "emr-6.9.0"}
    cluster = await aws.start(task("elasticmapreduce:createCluster", request), CONTEXT)
    jar = {"Name": "s", "HadoopJarStep": {"Jar": "command-runner.jar"}}
    step = await aws.start(task("elasticmapreduce:addStep", {"ClusterId": cluster["ClusterId"], "Step": jar}), CONTEXT)
    for on in (True, False):
        protect = {"ClusterId": cluster["ClusterId"], "TerminationProtected": on}
        await aws.start(task("elasticmapreduce:setClusterTerminationProtection", protect), CONTEXT)
    await aws.start(task("elasticmapreduce:terminateCluster", {"ClusterId": cluster["ClusterId"]}), CONTEXT)
    state = await aws.start(task("aws-sdk:emr:describeCluster", {"ClusterId": cluster["ClusterId"]}), CONTEXT)

    assert cluster["ClusterId"].startswith("j-")
    assert step["StepId"].startswith("s-")
    assert state["Cluster"]["Status"]["State"] == "TERMINATED"


REQUEST_RESPONSE: list[tuple[str, JSON, str, JSON, str]] = [
    (
        "eks:createCluster",
        {"Name": "c", "RoleArn": "arn:aws:iam::123456789012:role/eks", "ResourcesVpcConfig": {}},
        "eks:deleteCluster",
        {"Name": "gone"},
        "EKS.ResourceNotFoundException",
    ),
    (
        "emr-serverless:createApplication",
        {"Name": "a", "ReleaseLabel": "emr-6.9.0", "Type": "SPARK"},
        "emr-serverless:startApplication",
        {"ApplicationId": "gone"},
        "EMRServerless.ResourceNotFoundException",
    ),
    (
        "batch:submitJob",
        {"JobName": "j", "JobQueue": "gone", "JobDefinition": "d"},
        "batch:submitJob",
        {"JobName": "j", "JobQueue": "gone", "JobDefinition": "d"},
        "Batch.ClientException",
    ),
    (
        "athena:startQueryExecution",
        {"QueryString": "select 1", "ResultConfiguration": {"OutputLocation": "s3://b/"}},
        "athena:getQueryResults",
        {"QueryExecutionId": 5},
        "States.Runtime",
    ),
    (
        "codebuild:startBuild",
        {"ProjectName": "gone"},
        "codebuild:startBuild",
        {"ProjectName": "gone"},
        "CodeBuild.ResourceNotFoundException",
    ),
    (
        "sagemaker:createModel",
        {"ModelName": "m", "ExecutionRoleArn": "arn:aws:iam::123456789012:role/SageMaker"},
        "sagemaker:createEndpoint",
        {"EndpointName": "e", "EndpointConfigName": "gone"},
        "SageMaker.AmazonSageMakerException",
    ),
    (
        "ecs:runTask",
        {"Cluster": "gone", "TaskDefinition": "t"},
        "ecs:runTask",
        {"Cluster": "gone", "TaskDefinition": "t"},
        "ECS.ClusterNotFoundException",
    ),
    (
        "databrew:startJobRun",
        {"Name": "gone"},
        "databrew:startJobRun",
        {"Name": "gone"},
        "DataBrew.AWSGlueDataBrewException",  # moto answers with a code that no model knows
    ),
]


@pytest.mark.parametrize(
    ("good", "request_", "bad", "wrong", "error"), REQUEST_RESPONSE, ids=[row[0] for row in REQUEST_RESPONSE]
)
async def test_services_that_run_jobs(
    aws: AwsCalls, good: str, request_: JSON, bad: str, wrong: JSON, error: str
) -> None:
    """Request-response: what the service answered at once, or its error by its name."""
    if request_ != wrong:
        answer = await aws.start(task(good, request_), CONTEXT)
        assert answer["SdkHttpMetadata"]["HttpStatusCode"] in (200, 201)
    assert (await failure(aws, bad, wrong)).error == error


async def test_throttling_is_retried_by_the_state(emulator: str) -> None:
    """A throttled call fails with the service's error name; Retry on it calls again (a stub: moto never throttles)."""

    async def throttled(request: web.Request) -> web.StreamResponse:
        if len(stub.requests) < 2:
            error = {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}
            return web.Response(status=400, body=dumps(error), content_type="application/x-amz-json-1.0")
        return web.Response(body=b"{}", content_type="application/x-amz-json-1.0")

    retry = {"ErrorEquals": ["DynamoDB.ProvisionedThroughputExceededException"], "IntervalSeconds": 1}
    async with Stub() as stub:
        stub.answer = throttled
        config = Config(aws=settings(stub.url))
        failed = await run(machine("dynamodb:putItem"), PUT, config)
        stub.requests.clear()
        finish = await run(machine("dynamodb:putItem", Retry=[retry]), PUT, config)

    assert failed.error == "DynamoDB.ProvisionedThroughputExceededException"
    assert (finish.status, len(stub.requests)) == ("SUCCEEDED", 2)


async def test_silence_ends_with_the_states_timeout() -> None:
    """A service that never answers: TimeoutSeconds ends the task, the transport's own limit names the client."""
    async with Stub() as stub:
        stub.answer = stub.silence
        timed_out = await run(machine("dynamodb:putItem", TimeoutSeconds=1), PUT, Config(aws=settings(stub.url)))
        error = await run(
            machine("sqs:sendMessage"),
            {"QueueUrl": f"{stub.url}/1/q", "MessageBody": "m"},
            Config(aws=settings(stub.url, read_timeout=0.2)),
        )

    assert timed_out.error == "States.Timeout"
    assert error.error == "SQS.SdkClientException"


async def test_nobody_listens() -> None:
    """A refused connection is SdkClientException of the service."""
    async with Stub() as stub:
        url = stub.url
    finish = await run(machine("aws-sdk:kms:listKeys"), {}, Config(aws=settings(url)))

    assert finish.error == "Kms.SdkClientException"
    assert str(finish.cause).startswith("Unable to execute HTTP request: ")


async def test_secrets_are_never_told(caplog: pytest.LogCaptureFixture) -> None:
    """Neither errors nor logs hold the secret key, and nothing of a payload decides where a call goes."""
    caplog.set_level(logging.DEBUG, logger="express")
    async with Stub() as stub:
        url = stub.url
    finish = await run(machine("dynamodb:putItem"), PUT, Config(aws=settings(url)))

    assert "canary-aws-secret-key" not in f"{finish}{caplog.text}"


async def test_roles_are_assumed_where_the_configuration_says(emulator: str) -> None:
    """A machine's row in aws.roles is assumed through STS; a state's Credentials only if aws.assume lists them."""
    role = "arn:aws:iam::123456789012:role/shop"
    who = machine("aws-sdk:sts:getCallerIdentity")
    mine = await run(who, {}, Config(aws=settings(emulator, roles={"shop": role})))
    states = machine("aws-sdk:sts:getCallerIdentity", Credentials={"RoleArn": role})
    refused = await run(states, {}, Config(aws=settings(emulator)))
    listed = await run(states, {}, Config(aws=settings(emulator, assume=[role])))

    assert mine.output["Arn"].endswith(":assumed-role/shop/express")
    assert (refused.error, role in str(refused.cause)) == ("States.TaskFailed", True)
    assert listed.output["Arn"].endswith(":assumed-role/shop/express")


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        ("dynamodb:query", "did you mean 'dynamodb:"),
        ("aws-sdk:dynamo:query", "did you mean 'dynamodb'?"),
        ("aws-sdk:dynamodb:qery", "did you mean 'query'?"),
        ("aws-sdk:kinesis:subscribeToShard", "event streams"),
        ("aws-sdk:glacier:getJobOutput", "a stream"),
        ("dynamodb:getItem.sync", "no job that could be waited for"),
        ("eks:call", "with http:invoke and a connection"),
        ("elasticmapreduce:modifyInstanceFleetByName", "aws-sdk:emr:modifyInstanceFleet"),
        ("sqs:sendMessage", 'put "sqs:sendMessage" into aws.allow'),
    ],
)
def test_what_cannot_be_called_is_refused_by_name(resource: str, said: str) -> None:
    """Each resource that is not there is refused before a run, with what there is or what would have to change."""
    aws = AwsCalls(Aws(allow=["dynamodb:*"], region="us-east-1"))

    assert said in str(aws.refusal(parse_resource(STATES + resource)))


def test_the_allow_list_is_by_service_and_action() -> None:
    """Patterns of aws.allow match without regard to case, as IAM's do; an empty list allows nothing."""
    resource = parse_resource(STATES + "aws-sdk:dynamodb:putItem")

    assert AwsCalls(Aws(allow=["dynamodb:PutItem"], region="us-east-1")).refusal(resource) is None
    assert AwsCalls(Aws(region="us-east-1")).refusal(resource) is not None


def test_tokens_and_names_of_the_sdk() -> None:
    """Every service folder of botocore has one name; some that no rule of thumb would give."""
    known = folders()

    assert len(known) > 400
    pairs = {"sfn": "stepfunctions", "cloudwatchlogs": "logs", "eventbridge": "events", "config": "config"}
    assert {name: known[name] for name in pairs} == pairs
    assert [client(i) for i in ("WAFV2", "EC2", "FSx")] == ["Wafv2", "Ec2", "FSx"]


def test_bytes_that_are_no_text_become_base64() -> None:
    """A blob is text where it is UTF-8, else Base64."""
    assert (shapes.blob("ä".encode()), shapes.blob(b"\xff\x00")) == ("ä", "/wA=")


async def test_idempotency_tokens_are_filled_in() -> None:
    """A request member that the model marks as idempotency token is derived from the step, the same every time."""

    async def runs(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b'{"QueryExecutionId":"q"}', content_type="application/x-amz-json-1.1")

    async with Stub() as stub:
        stub.answer = runs
        calls = AwsCalls(settings(stub.url))
        for attempt in range(2):
            await calls.start(task("athena:startQueryExecution", {"QueryString": "select 1"}, attempt=attempt), CONTEXT)
        await calls.close()

    first, second = (loads(body)["ClientRequestToken"] for _, body in stub.requests)
    assert first == second
    assert EXECUTION not in first
