"""E08: Resource and Credentials. E09: what EXPRESS refuses."""

from express.asl.lint.rules.rule import Rule

_TASK = '{{"Type": "Task", "Resource": "{}", "End": true}}'
_CALL = '{{"Type": "Task", "Resource": "{}", "Parameters": {}, "End": true}}'
_MAP = (
    '{{"Type": "Map", "ItemProcessor": {{"ProcessorConfig": {{"Mode": {}}}, "StartAt": "A", '
    '"States": {{"A": {{"Type": "Succeed"}}}}}}, "End": true}}'
)

RESOURCES: dict[str, Rule] = {
    "E0801": Rule(
        title="Resource not known",
        cause="The service is known, but it has no such action, or a part of the ARN is malformed. Optimized "
        "integrations offer a few actions each; everything else is an SDK call, aws-sdk:SERVICE:ACTION.",
        bad=_TASK.format("arn:aws:states:::dynamodb:query"),
        good=_TASK.format("arn:aws:states:::aws-sdk:dynamodb:query"),
        spec="Developer Guide, Integrating services with Step Functions; integrations.md §2–3",
    ),
    "W0802": Rule(
        title="Resource unknown to AWS",
        code="INVALID_RESOURCE",
        severity="WARNING",
        cause="The name is legal in the States Language, but no ARN of AWS, nor of express. It runs only where the "
        "host has registered it.",
        bad=_TASK.format("my-function"),
        good=_TASK.format("arn:aws:lambda:us-east-1:123456789012:function:my-function"),
        spec="Amazon States Language, Task State; integrations.md §2",
    ),
    "E0803": Rule(
        title="Pattern not offered",
        cause="Not every action has .sync (run a job and wait for it) or .waitForTaskToken (wait for a callback).",
        bad=_TASK.format("arn:aws:states:::dynamodb:getItem.sync"),
        good=_TASK.format("arn:aws:states:::dynamodb:getItem"),
        spec="Developer Guide, Discover service integration patterns; integrations.md §3",
    ),
    "E0804": Rule(
        title="Resource of ItemReader or ResultWriter in a Task",
        cause="s3:getObject, s3:listObjectsV2 and s3:putObject without aws-sdk stand only in a distributed Map's "
        "ItemReader and ResultWriter.",
        bad=_TASK.format("arn:aws:states:::s3:getObject"),
        good=_TASK.format("arn:aws:states:::aws-sdk:s3:getObject"),
        spec="integrations.md §2",
    ),
    "E0805": Rule(
        title="Credentials without RoleArn",
        cause="Credentials names the role that the task takes on, as RoleArn, RoleArn.$ or a JSONata expression.",
        bad='{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Credentials": {}, "End": true}',
        good='{"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", '
        '"Credentials": {"RoleArn": "arn:aws:iam::123456789012:role/caller"}, "End": true}',
        spec="asl.md §11",
    ),
    "E0806": Rule(
        title="Parameter that the resource does not take",
        cause="The service's API has no such member. Optimized integrations name members as the API does; SDK calls "
        "(aws-sdk:…) as the Java SDK does, with a capital: an acronym at the beginning is one word "
        "(DbInstanceIdentifier, SsekmsKeyId, Bool). Names are compared with the models of botocore, the extra `aws`; "
        "without it they are not.",
        bad=_CALL.format("arn:aws:states:::http:invoke", '{"ApiEndpoint": "https://example.com", "Verb": "GET"}'),
        good=_CALL.format("arn:aws:states:::http:invoke", '{"ApiEndpoint": "https://example.com", "Method": "GET"}'),
        spec="Developer Guide, Learning to use AWS service SDK integrations in Step Functions",
    ),
}

EXPRESS: dict[str, Rule] = {
    "E0901": Rule(
        title=".sync in an EXPRESS machine",
        type="EXPRESS",
        cause="An Express workflow can't wait for jobs. Start the job and leave it, call an Express workflow with "
        "aws-sdk:sfn:startSyncExecution, or use a STANDARD machine.",
        bad=_TASK.format("arn:aws:states:::states:startExecution.sync"),
        good=_TASK.format("arn:aws:states:::states:startExecution"),
        spec="Developer Guide, Choosing workflow type in Step Functions; express.md §2",
    ),
    "E0902": Rule(
        title=".waitForTaskToken in an EXPRESS machine",
        type="EXPRESS",
        cause="An Express workflow can't wait for callbacks; a STANDARD machine can.",
        bad=_TASK.format("arn:aws:states:::sqs:sendMessage.waitForTaskToken"),
        good=_TASK.format("arn:aws:states:::sqs:sendMessage"),
        spec="Developer Guide, Choosing workflow type in Step Functions; express.md §2",
    ),
    "E0903": Rule(
        title="Activity in an EXPRESS machine",
        type="EXPRESS",
        cause="Activities need a STANDARD machine.",
        bad=_TASK.format("arn:aws:states:us-east-1:123456789012:activity:approve"),
        good=_TASK.format("arn:aws:lambda:us-east-1:123456789012:function:approve"),
        spec="Developer Guide, Choosing workflow type in Step Functions; express.md §2",
    ),
    "E0904": Rule(
        title="Distributed Map in an EXPRESS machine",
        type="EXPRESS",
        cause="A distributed Map starts child executions and keeps track of them, which needs a STANDARD parent. The "
        "children may be EXPRESS.",
        bad=_MAP.format('"DISTRIBUTED", "ExecutionType": "EXPRESS"'),
        good=_MAP.format('"INLINE"'),
        spec="Developer Guide, Using Map state in Distributed mode; express.md §2",
    ),
}
