"""Compatibility: topics, configurations and the versions of every API, on both brokers."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from express.devbroker.apis import APIS, Api
from express.devbroker.codes import Code
from express.devbroker.messages.admin import (
    AlteredResource,
    ApiVersionsRequest,
    ConfigChange,
    CreatePartitionsRequest,
    DeleteTopicsRequest,
    DescribeConfigsRequest,
    IncrementalAlterConfigsRequest,
    MetadataRequest,
    MorePartitions,
    ReplicaAssignment,
)
from express.devbroker.messages.admin import ConfigResource as Resource
from tests.kafka.clients import admin, consumer, new_topic, producer, read_all, served
from tests.kafka.requests import (
    TOPIC,
    commit,
    committed,
    created,
    creating,
    sample,
    until,
)
from tests.kafka.wire import TRANSACTION, Wire, unique
from tests.patience import PATIENCE


async def test_topics_that_cannot_be_are_refused(address: str) -> None:
    """A name twice or with illegal characters, no partitions, more replicas than brokers: each has its code."""
    topic = await new_topic(address)
    async with Wire(address) as wire:
        codes = [
            await created(wire, creating(topic)),
            await created(wire, creating("no/slash")),
            await created(wire, creating("..")),
            await created(wire, creating("x" * 250)),
            await created(wire, creating(unique("none"), 0)),
            await created(wire, creating(unique("many"), replicas=99)),
        ]

    assert codes == [
        Code.TOPIC_ALREADY_EXISTS,
        *[Code.INVALID_TOPIC_EXCEPTION] * 3,
        Code.INVALID_PARTITIONS,
        Code.INVALID_REPLICATION_FACTOR,
    ]


async def test_validating_creates_nothing(address: str) -> None:
    """`validate_only` says whether it would work; the topic is not there afterwards."""
    name = unique("topic")
    async with Wire(address) as wire:
        assert await created(wire, creating(name, dry=True)) == Code.NONE
        metadata = await wire.call(MetadataRequest(topics=[name], allow_auto_topic_creation=True))

    assert metadata.topics[0].error == Code.UNKNOWN_TOPIC_OR_PARTITION


async def test_a_topic_by_assignment_or_default(address: str) -> None:
    """The number of partitions may come from an assignment, or be left to the broker."""
    by_hand, by_default = unique("hand"), unique("default")
    everywhere = [ReplicaAssignment(index=index, brokers=[1]) for index in range(3)]
    async with Wire(address) as wire:
        assert await created(wire, creating(by_hand, -1, replicas=-1, assignments=everywhere)) == Code.NONE
        assert await created(wire, creating(by_default, -1, replicas=-1)) == Code.NONE
    await served(address, by_hand, 3)
    await served(address, by_default, 1)


async def test_a_deleted_topic_is_gone(address: str) -> None:
    """With its records and the positions in it: a new topic of the same name starts empty."""
    topic, group = await new_topic(address), unique("group")
    where = TopicPartition(topic, 0)
    async with producer(address) as writer, Wire(address) as wire, admin(address) as client:
        await writer.send_and_wait(topic, b"old")
        await wire.find(group)
        assert await commit(wire, group, where, 1) == Code.NONE
        await client.delete_topics([topic])

        async def gone() -> bool:
            metadata = await wire.call(MetadataRequest(topics=[topic]))
            return bool(metadata.topics[0].error == Code.UNKNOWN_TOPIC_OR_PARTITION)

        await until(gone)
        await client.create_topics([NewTopic(topic, 1, 1)])
        await served(address, topic, 1)
        assert await committed(wire, group, where) == (-1, "")
        again = await wire.call(DeleteTopicsRequest(names=[unique("missing")], timeout_ms=1000))
    async with producer(address) as writer:
        assert (await writer.send_and_wait(topic, b"new")).offset == 0
    assert [record.value for record in await read_all(address, topic, 1)] == [b"new"]
    assert again.topics[0].error == Code.UNKNOWN_TOPIC_OR_PARTITION


async def test_a_topic_can_grow_but_not_shrink(address: str) -> None:
    """Partitions can be added, and are usable at once; fewer or as many as before are refused."""
    topic = await new_topic(address, 2)
    async with admin(address) as client:
        await client.create_partitions({topic: NewPartitions(total_count=5)})
    await served(address, topic, 5)
    async with producer(address) as writer, consumer(address, topic) as reader:
        await writer.send_and_wait(topic, b"x", partition=4)
        assert reader.partitions_for_topic(topic) == set(range(5))
    async with Wire(address) as wire:

        async def grown(name: str, count: int) -> int:
            more = MorePartitions(name=name, count=count, assignments=None)
            request = CreatePartitionsRequest(topics=[more], timeout_ms=1000, validate_only=False)
            return int((await wire.call(request)).topics[0].error)

        assert await grown(topic, 3) == await grown(topic, 5) == Code.INVALID_PARTITIONS
        assert await grown(unique("missing"), 3) == Code.UNKNOWN_TOPIC_OR_PARTITION


async def test_configurations_are_kept_and_told(address: str) -> None:
    """What was set at creation is told, marked as the topic's own; the rest as default. Unknown names are refused."""
    topic = await new_topic(address, **{"retention.bytes": "123456"})
    async with admin(address) as client:
        (response,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        bad = await client.create_topics([NewTopic(unique("topic"), 1, 1, topic_configs={"no.such": "1"})])
    values = {entry[0]: (entry[1], entry[3]) for entry in response.resources[0][4]}

    assert values["retention.bytes"] == ("123456", 1)
    assert values["cleanup.policy"] == ("delete", 5)
    assert values["max.message.bytes"] == ("1048588", 5)
    assert bad.topic_errors[0][1] == Code.INVALID_CONFIG


async def test_configurations_can_be_changed(address: str) -> None:
    """An entry can be set and deleted later; a value that is no number where one is needed is refused."""
    topic = await new_topic(address)
    async with Wire(address) as wire:

        async def change(operation: int, value: str | None) -> int:
            changes = [ConfigChange(name="max.message.bytes", operation=operation, value=value)]
            resource = AlteredResource(kind=TOPIC, name=topic, changes=changes)
            response = await wire.call(IncrementalAlterConfigsRequest(resources=[resource], validate_only=False))
            return int(response.resources[0].error)

        async def value() -> str:
            resource = Resource(kind=TOPIC, name=topic, keys=["max.message.bytes"])
            response = await wire.call(DescribeConfigsRequest(resources=[resource]))
            return str(response.resources[0].configs[0].value)

        assert await change(0, "5000") == Code.NONE
        await until(lambda: _is(value(), "5000"))
        assert await change(0, "many") == Code.INVALID_CONFIG
        assert await change(1, None) == Code.NONE
        await until(lambda: _is(value(), "1048588"))


async def _is(value: Any, expected: str) -> bool:
    return bool(await value == expected)


async def test_metadata_of_all_topics(address: str) -> None:
    """Null asks for all topics, an empty list for none; each partition names its leader among the brokers."""
    topic = await new_topic(address, 3)
    async with Wire(address) as wire:
        everything = await wire.call(MetadataRequest(topics=None))
        nothing = await wire.call(MetadataRequest(topics=[]))
    found = next(one for one in everything.topics if one.name == topic)

    assert nothing.topics == []
    assert {part.index: part.leader for part in found.partitions} == dict.fromkeys(
        range(3), everything.brokers[0].node_id
    )
    assert everything.controller_id == everything.brokers[0].node_id


async def test_too_new_a_greeting_is_answered(address: str) -> None:
    """ApiVersions in a version from the future is answered in version 0, with what is spoken (KIP-511)."""
    host, _, port = address.partition(":")

    def exchange() -> bytes:
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
            greeting = bytes.fromhex("0012 00ff 0000002a 0003 636c69 00 0278 0278 00")
            client.sendall(len(greeting).to_bytes(4) + greeting)
            size = int.from_bytes(client.recv(4))
            data = b""
            while len(data) < size:
                data += client.recv(size)
            return data

    data = await asyncio.to_thread(exchange)

    assert data[:6] == bytes.fromhex("0000002a 0023")
    assert int.from_bytes(data[6:10]) >= 1


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.request.__name__.removesuffix("Request"))
async def test_every_version_is_spoken_alike(address: str, api: Api) -> None:
    """Each version of each API that the development broker speaks is understood by a real Kafka in the same form.

    The answer is read with the same classes and must come out even.
    """
    topic = await new_topic(address)
    async with Wire(address) as wire:
        ranges = {one.key: one for one in (await wire.call(ApiVersionsRequest())).apis}
        await wire.find("versions")
        await wire.find("versions", TRANSACTION)
        for version in range(max(api.first, ranges[api.key].first), min(api.last, ranges[api.key].last) + 1):
            answer = await wire.settled(sample(api.request, topic), version)
            assert type(answer).__name__ == api.request.__name__.removesuffix("Request") + "Response"
