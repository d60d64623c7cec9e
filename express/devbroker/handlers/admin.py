"""Metadata, and the life of topics."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from express.devbroker.call import Answer, Call
from express.devbroker.codes import Code, RefusedError
from express.devbroker.messages.admin import (
    AlteredResource,
    AlterResult,
    ConfigResource,
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreateTopicsRequest,
    CreateTopicsResponse,
    DeletedTopicName,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    DescribedConfig,
    DescribedResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
    MetadataBroker,
    MetadataPartition,
    MetadataRequest,
    MetadataResponse,
    MetadataTopic,
    NewTopic,
    TopicResult,
)
from express.devbroker.node import CLUSTER_ID, NODE_ID, Node
from express.devbroker.topics import CONFIGS, Topic

TOPIC, BROKER = 2, 4
OWN, DEFAULT = 1, 5  # sources of a configuration value
SET, DELETE = 0, 1


def metadata(node: Node, request: MetadataRequest, call: Call) -> Answer:
    """The one broker, and the topics asked for."""
    everything = request.topics is None or (call.version == 0 and not request.topics)
    names = [topic.name for topic in node.topics] if everything else request.topics
    create = node.settings.auto_create and request.allow_auto_topic_creation
    return MetadataResponse(
        brokers=[MetadataBroker(node_id=NODE_ID, host=node.host, port=node.port)],
        cluster_id=CLUSTER_ID,
        controller_id=NODE_ID,
        topics=[_metadata(node, name, create) for name in names or ()],
    )


def _metadata(node: Node, name: str, create: bool) -> MetadataTopic:
    try:
        topic = _found(node, name, create)
    except RefusedError as refused:
        return MetadataTopic(name=name, error=refused.code)
    partitions = [
        MetadataPartition(index=index, leader=NODE_ID, replicas=[NODE_ID], in_sync=[NODE_ID])
        for index in range(len(topic.partitions))
    ]
    return MetadataTopic(name=name, partitions=partitions)


def _found(node: Node, name: str, create: bool) -> Topic:
    try:
        return node.topics.find(name)
    except RefusedError as refused:
        if not create or refused.code is not Code.UNKNOWN_TOPIC_OR_PARTITION:
            raise
        node.topics.create(name, node.settings.partitions, {})
        return node.topics.find(name)


def create_topics(node: Node, request: CreateTopicsRequest, call: Call) -> Answer:
    """Create topics, each by itself."""
    return CreateTopicsResponse(
        topics=[_result(new.name, partial(_create, node, new, request.validate_only)) for new in request.topics]
    )


def _create(node: Node, new: NewTopic, dry: bool) -> None:
    if new.replication_factor not in (-1, 1) and not new.assignments:
        raise RefusedError(
            Code.INVALID_REPLICATION_FACTOR, f"replication factor {new.replication_factor}; there is one node"
        )
    count = len(new.assignments) or (node.settings.partitions if new.partitions == -1 else new.partitions)
    configs = {config.name: config.value for config in new.configs if config.value is not None}
    node.topics.create(new.name, count, configs, dry=dry)


def _result(name: str, do: Callable[[], None]) -> TopicResult:
    try:
        do()
    except RefusedError as refused:
        return TopicResult(name=name, error=refused.code, message=refused.message)
    return TopicResult(name=name)


def delete_topics(node: Node, request: DeleteTopicsRequest, call: Call) -> Answer:
    """Delete topics, their records and the positions in them."""
    return DeleteTopicsResponse(topics=[_deleted(node, name) for name in request.names])


def _deleted(node: Node, name: str) -> DeletedTopicName:
    try:
        node.topics.delete(name)
    except RefusedError as refused:
        return DeletedTopicName(name=name, error=refused.code)
    node.groups.forget_topic(name)
    return DeletedTopicName(name=name)


def create_partitions(node: Node, request: CreatePartitionsRequest, call: Call) -> Answer:
    """Give topics more partitions."""
    return CreatePartitionsResponse(
        topics=[
            _result(more.name, partial(node.topics.grow, more.name, more.count, dry=request.validate_only))
            for more in request.topics
        ]
    )


def describe_configs(node: Node, request: DescribeConfigsRequest, call: Call) -> Answer:
    """Return what is configured for topics; the broker itself has nothing to tell but the defaults."""
    return DescribeConfigsResponse(resources=[_described(node, asked) for asked in request.resources])


def _described(node: Node, asked: ConfigResource) -> DescribedResource:
    try:
        own = _configs(node, asked.kind, asked.name)
    except RefusedError as refused:
        return DescribedResource(kind=asked.kind, name=asked.name, error=refused.code, message=refused.message)
    configs = [
        DescribedConfig(
            name=name,
            value=own.get(name, default),
            is_default=name not in own,
            source=OWN if name in own else DEFAULT,
        )
        for name, default in CONFIGS.items()
        if asked.keys is None or name in asked.keys
    ]
    return DescribedResource(kind=asked.kind, name=asked.name, configs=configs)


def _configs(node: Node, kind: int, name: str) -> dict[str, str]:
    if kind == TOPIC:
        return node.topics.find(name).configs
    if kind == BROKER and name in ("", str(NODE_ID)):
        return {}
    raise RefusedError(Code.INVALID_REQUEST, f"no resource {name!r} of type {kind}")


def alter_configs(node: Node, request: IncrementalAlterConfigsRequest, call: Call) -> Answer:
    """Change what is configured for topics."""
    return IncrementalAlterConfigsResponse(
        resources=[_altered(node, resource, request.validate_only) for resource in request.resources]
    )


def _altered(node: Node, resource: AlteredResource, dry: bool) -> AlterResult:
    try:
        if resource.kind != TOPIC:
            raise RefusedError(Code.INVALID_REQUEST, "only topics can be configured")
        configs = dict(node.topics.find(resource.name).configs)
        for change in resource.changes:
            if change.operation == SET and change.value is not None:
                configs[change.name] = change.value
            elif change.operation == DELETE:
                configs.pop(change.name, None)
            else:
                raise RefusedError(Code.INVALID_REQUEST, f"{change.name} can be set or deleted, nothing else")
        node.topics.configure(resource.name, configs, dry=dry)
    except RefusedError as refused:
        return AlterResult(kind=resource.kind, name=resource.name, error=refused.code, message=refused.message)
    return AlterResult(kind=resource.kind, name=resource.name)
