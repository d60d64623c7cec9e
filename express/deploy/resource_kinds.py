"""Values of `Ref` and `Fn::GetAtt` by the type of a resource.

From "Return values" on the page of each type in the AWS CloudFormation Template Reference Guide, and for
`AWS::Serverless` in the AWS SAM Developer Guide. A type whose `Ref` is an id that AWS draws (`AWS::EC2::Subnet`,
`AWS::ApiGateway::RestApi`, `AWS::KMS::Key`) is not here: what it gives can't be known before there is a stack.
"""

from __future__ import annotations

from typing import Literal, NamedTuple


class Kind(NamedTuple):
    """A type: the property that names its resources, their ARN behind `arn:aws:`, and what `Ref` gives.

    `attributes`: names of Fn::GetAtt beside `Arn` (and `Name`, where there is one) → what it gives.
    """

    name: str
    arn: str = ""
    ref: Literal["name", "arn", "url"] = "name"
    attributes: dict[str, str] = {}  # noqa: RUF012 # never changed


_HERE = "{region}:{account}"
_FUNCTION = Kind("FunctionName", f"lambda:{_HERE}:function:{{name}}")
_MACHINE = Kind("StateMachineName", f"states:{_HERE}:stateMachine:{{name}}", "arn", {"Name": "name"})
_TABLE = Kind("TableName", f"dynamodb:{_HERE}:table/{{name}}")

KINDS: dict[str, Kind] = {
    "AWS::ApiGateway::Stage": Kind("StageName"),
    "AWS::Athena::DataCatalog": Kind("Name"),
    "AWS::Athena::WorkGroup": Kind("Name"),
    "AWS::Batch::ComputeEnvironment": Kind(
        "ComputeEnvironmentName",
        f"batch:{_HERE}:compute-environment/{{name}}",
        "arn",
        {"ComputeEnvironmentArn": "arn"},
    ),
    "AWS::Batch::JobDefinition": Kind(
        "JobDefinitionName", f"batch:{_HERE}:job-definition/{{name}}:1", "arn", {"JobDefinitionArn": "arn"}
    ),
    "AWS::Batch::JobQueue": Kind("JobQueueName", f"batch:{_HERE}:job-queue/{{name}}", "arn", {"JobQueueArn": "arn"}),
    "AWS::Batch::SchedulingPolicy": Kind("Name", f"batch:{_HERE}:scheduling-policy/{{name}}", "arn"),
    "AWS::CloudWatch::Alarm": Kind("AlarmName", f"cloudwatch:{_HERE}:alarm:{{name}}"),
    "AWS::CodeBuild::Project": Kind("Name", f"codebuild:{_HERE}:project/{{name}}"),
    "AWS::DynamoDB::GlobalTable": _TABLE,
    "AWS::DynamoDB::Table": _TABLE,
    "AWS::ECR::Repository": Kind("RepositoryName", f"ecr:{_HERE}:repository/{{name}}"),
    "AWS::ECS::Cluster": Kind("ClusterName", f"ecs:{_HERE}:cluster/{{name}}"),
    "AWS::ECS::Service": Kind(
        "ServiceName", f"ecs:{_HERE}:service/{{name}}", "arn", {"Name": "name", "ServiceArn": "arn"}
    ),
    "AWS::ECS::TaskDefinition": Kind(
        "Family", f"ecs:{_HERE}:task-definition/{{name}}:1", "arn", {"TaskDefinitionArn": "arn"}
    ),
    "AWS::EKS::Cluster": Kind("Name", f"eks:{_HERE}:cluster/{{name}}"),
    "AWS::Events::ApiDestination": Kind("Name", f"events:{_HERE}:api-destination/{{name}}"),
    "AWS::Events::Connection": Kind("Name", f"events:{_HERE}:connection/{{name}}"),
    "AWS::Events::EventBus": Kind("Name", f"events:{_HERE}:event-bus/{{name}}", "name", {"Name": "name"}),
    "AWS::Events::Rule": Kind("Name", f"events:{_HERE}:rule/{{name}}"),
    "AWS::Glue::Connection": Kind("ConnectionInput.Name"),
    "AWS::Glue::Crawler": Kind("Name"),
    "AWS::Glue::Database": Kind("DatabaseInput.Name"),
    "AWS::Glue::Job": Kind("Name"),
    "AWS::Glue::Table": Kind("TableInput.Name"),
    "AWS::Glue::Trigger": Kind("Name"),
    "AWS::Glue::Workflow": Kind("Name"),
    "AWS::IAM::Group": Kind("GroupName", "iam::{account}:group{path}{name}"),
    "AWS::IAM::InstanceProfile": Kind("InstanceProfileName", "iam::{account}:instance-profile{path}{name}"),
    "AWS::IAM::ManagedPolicy": Kind(
        "ManagedPolicyName", "iam::{account}:policy{path}{name}", "arn", {"PolicyArn": "arn"}
    ),
    "AWS::IAM::Role": Kind("RoleName", "iam::{account}:role{path}{name}"),
    "AWS::IAM::User": Kind("UserName", "iam::{account}:user{path}{name}"),
    "AWS::KMS::Alias": Kind("AliasName"),
    "AWS::Kinesis::Stream": Kind("Name", f"kinesis:{_HERE}:stream/{{name}}"),
    "AWS::KinesisFirehose::DeliveryStream": Kind("DeliveryStreamName", f"firehose:{_HERE}:deliverystream/{{name}}"),
    "AWS::Lambda::Alias": Kind("Name", f"lambda:{_HERE}:function:{{of}}:{{name}}", "arn", {"AliasArn": "arn"}),
    "AWS::Lambda::Function": _FUNCTION,
    "AWS::Lambda::LayerVersion": Kind(
        "LayerName", f"lambda:{_HERE}:layer:{{name}}:1", "arn", {"LayerVersionArn": "arn"}
    ),
    "AWS::Lambda::Version": Kind(
        "", f"lambda:{_HERE}:function:{{of}}:1", "arn", {"FunctionArn": "arn", "Version": "1"}
    ),
    "AWS::Logs::LogGroup": Kind("LogGroupName", f"logs:{_HERE}:log-group:{{name}}:*"),
    "AWS::MediaConvert::JobTemplate": Kind("Name", f"mediaconvert:{_HERE}:jobTemplates/{{name}}"),
    "AWS::MediaConvert::Queue": Kind("Name", f"mediaconvert:{_HERE}:queues/{{name}}"),
    "AWS::OpenSearchService::Domain": Kind("DomainName", f"es:{_HERE}:domain/{{name}}", "name", {"DomainArn": "arn"}),
    "AWS::Pipes::Pipe": Kind("Name", f"pipes:{_HERE}:pipe/{{name}}"),
    "AWS::RDS::DBCluster": Kind(
        "DBClusterIdentifier", f"rds:{_HERE}:cluster:{{name}}", "name", {"DBClusterArn": "arn"}
    ),
    "AWS::RDS::DBInstance": Kind("DBInstanceIdentifier", f"rds:{_HERE}:db:{{name}}", "name", {"DBInstanceArn": "arn"}),
    "AWS::Redshift::Cluster": Kind("ClusterIdentifier"),
    "AWS::RedshiftServerless::Namespace": Kind("NamespaceName"),
    "AWS::RedshiftServerless::Workgroup": Kind("WorkgroupName"),
    "AWS::S3::Bucket": Kind("BucketName", "s3:::{name}", "name", {"DomainName": "{name}.s3.amazonaws.com"}),
    "AWS::SNS::Topic": Kind("TopicName", f"sns:{_HERE}:{{name}}", "arn", {"TopicArn": "arn", "TopicName": "name"}),
    "AWS::SQS::Queue": Kind("QueueName", f"sqs:{_HERE}:{{name}}", "url", {"QueueName": "name", "QueueUrl": "url"}),
    "AWS::SSM::Parameter": Kind("Name"),
    "AWS::SageMaker::Endpoint": Kind(
        "EndpointName", f"sagemaker:{_HERE}:endpoint/{{name}}", "arn", {"EndpointName": "name"}
    ),
    "AWS::SageMaker::EndpointConfig": Kind(
        "EndpointConfigName", f"sagemaker:{_HERE}:endpoint-config/{{name}}", "arn", {"EndpointConfigName": "name"}
    ),
    "AWS::SageMaker::Model": Kind("ModelName", f"sagemaker:{_HERE}:model/{{name}}", "arn", {"ModelName": "name"}),
    "AWS::Scheduler::Schedule": Kind("Name", f"scheduler:{_HERE}:schedule/{{group}}/{{name}}"),
    "AWS::Scheduler::ScheduleGroup": Kind("Name", f"scheduler:{_HERE}:schedule-group/{{name}}"),
    "AWS::SecretsManager::Secret": Kind("Name", f"secretsmanager:{_HERE}:secret:{{name}}", "arn", {"Id": "arn"}),
    "AWS::Serverless::Function": _FUNCTION,
    "AWS::Serverless::LayerVersion": Kind("LayerName", f"lambda:{_HERE}:layer:{{name}}:1", "arn"),
    "AWS::Serverless::SimpleTable": _TABLE,
    "AWS::Serverless::StateMachine": _MACHINE._replace(name="Name"),
    "AWS::StepFunctions::Activity": Kind("Name", f"states:{_HERE}:activity:{{name}}", "arn", {"Name": "name"}),
    "AWS::StepFunctions::StateMachine": _MACHINE,
    "AWS::StepFunctions::StateMachineAlias": Kind("Name", "{of}:{name}", "arn"),
    "AWS::StepFunctions::StateMachineVersion": Kind("", "{of}:1", "arn"),
}
"""Type of a resource → what it gives. `{of}` in an ARN is the function or machine that it belongs to."""
