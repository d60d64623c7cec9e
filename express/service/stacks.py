"""CloudFormation's functions, worked out without a stack: what `Ref`, `Fn::GetAtt` and `Fn::Sub` come to here.

Names that only AWS could give (the id of a bucket made by a stack) are made as CloudFormation would be told to make
them: the name in the properties, or else the logical id. What can't be known is collected rather than guessed, so
that everything missing is told at once; a value from outside (`-s NAME=VALUE`) goes before everything here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from express.values import JSON

_VARIABLE = re.compile(r"\$\{(!?[^{}]+)\}")

ARNS = {
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::Serverless::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::StepFunctions::StateMachine": "states:{region}:{account}:stateMachine:{name}",
    "AWS::Serverless::StateMachine": "states:{region}:{account}:stateMachine:{name}",
    "AWS::StepFunctions::Activity": "states:{region}:{account}:activity:{name}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{name}",
    "AWS::Serverless::SimpleTable": "dynamodb:{region}:{account}:table/{name}",
    "AWS::Events::EventBus": "events:{region}:{account}:event-bus/{name}",
    "AWS::Events::Connection": "events:{region}:{account}:connection/{name}",
    "AWS::Logs::LogGroup": "logs:{region}:{account}:log-group:{name}:*",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::ECS::Cluster": "ecs:{region}:{account}:cluster/{name}",
}
"""Type of a resource → its ARN behind `arn:aws:`."""

NAMES = (
    "FunctionName",
    "StateMachineName",
    "QueueName",
    "TopicName",
    "TableName",
    "BucketName",
    "LogGroupName",
    "RoleName",
    "ClusterName",
    "Name",
)
"""Properties that name a resource."""

ARN_REFS = frozenset(
    {
        "AWS::StepFunctions::StateMachine",
        "AWS::Serverless::StateMachine",
        "AWS::StepFunctions::Activity",
        "AWS::SNS::Topic",
    }
)
"""Types whose `Ref` is the ARN; that of the others is the name."""


class Stack:
    """A template whose functions are worked out. `missing` collects what stays unknown."""

    def __init__(self, template: Mapping[str, Any], given: Mapping[str, str], region: str, account: str) -> None:
        self.missing: set[str] = set()
        self._given = given
        self._place = {"region": region, "account": account}
        self._parameters = template.get("Parameters") or {}
        self._resources = template.get("Resources") or {}
        self._mappings = template.get("Mappings") or {}
        self._pseudo = {
            "AWS::Region": region,
            "AWS::AccountId": account,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": "express",
            "AWS::NoValue": "",
        }

    def resolve(self, value: JSON) -> JSON:
        """A value of a template with every function in it worked out."""
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            work = _FUNCTIONS.get(name)
            if work is not None:
                return work(self, argument)
            if name.startswith("Fn::"):
                return self._unknown(name)
        return {key: self.resolve(item) for key, item in value.items()}

    def ref(self, name: str) -> JSON:
        """`Ref`: a parameter, a pseudo parameter or a resource."""
        if name in self._given:
            return self._given[name]
        if name in self._pseudo:
            return self._pseudo[name]
        if name in self._parameters:
            default = self._parameters[name].get("Default")
            return self._unknown(name) if default is None else default
        resource = self._resources.get(name)
        if resource is None:
            return self._unknown(name)
        if resource.get("Type") in ARN_REFS:
            return self._arn(name, resource)
        if resource.get("Type") == "AWS::SQS::Queue":
            place, queue = self._place, self._name(name, resource)
            return f"https://sqs.{place['region']}.amazonaws.com/{place['account']}/{queue}"
        return self._name(name, resource)

    def attribute(self, argument: JSON) -> JSON:
        """`Fn::GetAtt`, as a list or with a dot."""
        name, _, attribute = argument.partition(".") if isinstance(argument, str) else (argument[0], "", argument[1])
        dotted = f"{name}.{attribute}"
        if dotted in self._given:
            return self._given[dotted]
        resource = self._resources.get(name)
        if resource is None:
            return self._unknown(dotted)
        if attribute in ("Arn", "TopicArn") and resource.get("Type") in ARNS:
            return self._arn(name, resource)
        if attribute in ("Name", "QueueName", "TableName", "TopicName"):
            return self._name(name, resource)
        if attribute == "QueueUrl":
            return self.ref(name)
        return self._unknown(dotted)

    def sub(self, argument: JSON) -> JSON:
        """`Fn::Sub`: `${Name}`, `${Name.Attribute}`, own variables first; `${!Literal}` stays as `${Literal}`."""
        text, own = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])

        def value(match: re.Match[str]) -> str:
            name = match[1].strip()
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in own:
                return as_text(self.resolve(own[name]))
            return as_text(self.attribute(name) if "." in name and name not in self._given else self.ref(name))

        return _VARIABLE.sub(value, text)

    def join(self, argument: JSON) -> JSON:
        """`Fn::Join`."""
        separator, parts = argument
        return str(separator).join(as_text(part) for part in self.resolve(parts))

    def select(self, argument: JSON) -> JSON:
        """`Fn::Select`."""
        index, items = self.resolve(argument)
        return items[int(index)] if isinstance(items, list) and int(index) < len(items) else self._unknown("Fn::Select")

    def split(self, argument: JSON) -> JSON:
        """`Fn::Split`."""
        separator, text = argument
        return as_text(self.resolve(text)).split(separator)

    def find(self, argument: JSON) -> JSON:
        """`Fn::FindInMap`."""
        keys = [as_text(key) for key in self.resolve(argument)]
        found: Any = self._mappings
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return self._unknown(f"Fn::FindInMap {'.'.join(keys)}") if found is None else found

    def imported(self, argument: JSON) -> JSON:
        """`Fn::ImportValue`: another stack's, so it has to be given."""
        name = as_text(self.resolve(argument))
        return self._given[name] if name in self._given else self._unknown(name)

    def _name(self, logical_id: str, resource: Mapping[str, Any]) -> str:
        properties = resource.get("Properties") or {}
        named = next((properties[name] for name in NAMES if properties.get(name)), logical_id)
        return as_text(self.resolve(named))

    def _arn(self, logical_id: str, resource: Mapping[str, Any]) -> str:
        return "arn:aws:" + ARNS[resource["Type"]].format(name=self._name(logical_id, resource), **self._place)

    def _unknown(self, name: str) -> str:
        self.missing.add(name)
        return f"${{{name}}}"


def as_text(value: JSON) -> str:
    """A value as CloudFormation puts it into a text.

    >>> as_text(True), as_text(3), as_text("x")
    ('true', '3', 'x')
    """
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


_FUNCTIONS: dict[str, Callable[[Stack, JSON], JSON]] = {
    "Ref": Stack.ref,
    "Fn::GetAtt": Stack.attribute,
    "Fn::Sub": Stack.sub,
    "Fn::Join": Stack.join,
    "Fn::Select": Stack.select,
    "Fn::Split": Stack.split,
    "Fn::FindInMap": Stack.find,
    "Fn::ImportValue": Stack.imported,
}
