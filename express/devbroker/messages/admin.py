"""ApiVersions, Metadata, and the messages that create, delete and describe topics."""

from __future__ import annotations

from typing import Annotated

from msgspec import field

from express.devbroker.wire import Int8, Int16, Int32, Message, since, until


class ApiVersionsRequest(Message, kw_only=True):
    """ApiVersions, key 18."""


class ApiRange(Message, kw_only=True):
    """The versions spoken of one API."""

    key: Int16
    first: Int16
    last: Int16


class ApiVersionsResponse(Message, kw_only=True):
    """ApiVersions, key 18."""

    error: Int16 = 0
    apis: list[ApiRange]
    throttle_ms: Annotated[Int32, since(1)] = 0


class MetadataRequest(Message, kw_only=True):
    """Metadata, key 3. No topics (null; in version 0 an empty list) asks for all."""

    topics: list[str] | None
    allow_auto_topic_creation: Annotated[bool, since(4)] = True


class MetadataBroker(Message, kw_only=True):
    """A broker of the cluster: here always the one."""

    node_id: Int32
    host: str
    port: Int32
    rack: Annotated[str | None, since(1)] = None


class MetadataPartition(Message, kw_only=True):
    """The leader of a partition."""

    error: Int16 = 0
    index: Int32
    leader: Int32
    replicas: list[Int32]
    in_sync: list[Int32]
    offline: Annotated[list[Int32], since(5)] = field(default_factory=list)


class MetadataTopic(Message, kw_only=True):
    """A topic and its partitions."""

    error: Int16 = 0
    name: str
    is_internal: Annotated[bool, since(1)] = False
    partitions: list[MetadataPartition] = field(default_factory=list)


class MetadataResponse(Message, kw_only=True):
    """Metadata, key 3."""

    throttle_ms: Annotated[Int32, since(3)] = 0
    brokers: list[MetadataBroker]
    cluster_id: Annotated[str | None, since(2)] = None
    controller_id: Annotated[Int32, since(1)] = -1
    topics: list[MetadataTopic]


class ReplicaAssignment(Message, kw_only=True):
    """A partition's replicas, named by hand."""

    index: Int32
    brokers: list[Int32]


class ConfigValue(Message, kw_only=True):
    """A configuration entry to set."""

    name: str
    value: str | None


class NewTopic(Message, kw_only=True):
    """A topic to create; -1 partitions means the broker's default."""

    name: str
    partitions: Int32
    replication_factor: Int16
    assignments: list[ReplicaAssignment]
    configs: list[ConfigValue]


class CreateTopicsRequest(Message, kw_only=True):
    """CreateTopics, key 19."""

    topics: list[NewTopic]
    timeout_ms: Int32
    validate_only: bool


class TopicResult(Message, kw_only=True):
    """Outcome of a topic's creation."""

    name: str
    error: Int16 = 0
    message: str | None = None


class CreateTopicsResponse(Message, kw_only=True):
    """CreateTopics, key 19."""

    throttle_ms: Int32 = 0
    topics: list[TopicResult]


class DeleteTopicsRequest(Message, kw_only=True):
    """DeleteTopics, key 20."""

    names: list[str]
    timeout_ms: Int32


class DeletedTopicName(Message, kw_only=True):
    """Outcome of a topic's deletion."""

    name: str
    error: Int16 = 0


class DeleteTopicsResponse(Message, kw_only=True):
    """DeleteTopics, key 20."""

    throttle_ms: Int32 = 0
    topics: list[DeletedTopicName]


class MorePartitions(Message, kw_only=True):
    """The new number of partitions of a topic, and where their replicas go (null: anywhere)."""

    name: str
    count: Int32
    assignments: list[list[Int32]] | None


class CreatePartitionsRequest(Message, kw_only=True):
    """CreatePartitions, key 37."""

    topics: list[MorePartitions]
    timeout_ms: Int32
    validate_only: bool


class CreatePartitionsResponse(Message, kw_only=True):
    """CreatePartitions, key 37."""

    throttle_ms: Int32 = 0
    topics: list[TopicResult]


class ConfigResource(Message, kw_only=True):
    """Whose configuration is asked for: type 2 a topic, 4 a broker. No keys (null) asks for all."""

    kind: Int8
    name: str
    keys: list[str] | None


class DescribeConfigsRequest(Message, kw_only=True):
    """DescribeConfigs, key 32."""

    resources: list[ConfigResource]
    include_synonyms: Annotated[bool, since(1)] = False


class ConfigSynonym(Message, kw_only=True):
    """The origin of a value; always empty here."""

    name: str
    value: str | None
    source: Int8


class DescribedConfig(Message, kw_only=True):
    """A configuration entry. Source 1 is the topic's own, 5 the default."""

    name: str
    value: str | None
    read_only: bool = False
    is_default: Annotated[bool, until(0)] = False
    source: Annotated[Int8, since(1)] = 5
    is_sensitive: bool = False
    synonyms: Annotated[list[ConfigSynonym], since(1)] = field(default_factory=list)


class DescribedResource(Message, kw_only=True):
    """The configuration of a topic or of the broker."""

    error: Int16 = 0
    message: str | None = None
    kind: Int8
    name: str
    configs: list[DescribedConfig] = field(default_factory=list)


class DescribeConfigsResponse(Message, kw_only=True):
    """DescribeConfigs, key 32."""

    throttle_ms: Int32 = 0
    resources: list[DescribedResource]


class ConfigChange(Message, kw_only=True):
    """A change of one entry: operation 0 sets, 1 deletes (back to the default)."""

    name: str
    operation: Int8
    value: str | None


class AlteredResource(Message, kw_only=True):
    """The changes of one resource."""

    kind: Int8
    name: str
    changes: list[ConfigChange]


class IncrementalAlterConfigsRequest(Message, kw_only=True):
    """IncrementalAlterConfigs, key 44."""

    resources: list[AlteredResource]
    validate_only: bool


class AlterResult(Message, kw_only=True):
    """Outcome of the changes of one resource."""

    error: Int16 = 0
    message: str | None = None
    kind: Int8
    name: str


class IncrementalAlterConfigsResponse(Message, kw_only=True):
    """IncrementalAlterConfigs, key 44."""

    throttle_ms: Int32 = 0
    resources: list[AlterResult]
