"""Topics that are ours alone: those of others are refused, whoever made them and whenever."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from express.errors import ConfigError, SourceError
from express.kafka.topics import create_topics, ends
from tests.kafka.real import RealKafka
from tests.kafka.wire import unique

MARK = ("retention.ms", "86400717")
AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}


@pytest.fixture(scope="module")
def guarded(kafka_jars: None) -> Iterator[str]:
    """The address of a broker with access control, which allows what no rule is about."""
    with RealKafka(configs=AUTHORIZER) as cluster:
        yield cluster.address


async def test_topics_with_the_mark_are_used_again(address: str) -> None:
    """On both brokers: made once, taken the second time."""
    topics = [unique("t"), unique("t")]
    for _ in range(2):
        await create_topics({"bootstrap_servers": address}, topics, 2, MARK)
    assert len(await ends({"bootstrap_servers": address}, topics)) == 4


async def test_a_topic_of_others_is_refused(address: str) -> None:
    """On both brokers, before anything is made."""
    properties = {"bootstrap_servers": address}
    foreign, own = unique("foreign"), unique("own")
    await create_topics(properties, [foreign], 1)
    with pytest.raises(ConfigError, match=f"the topic {foreign} is there already and does not have retention.ms="):
        await create_topics(properties, [own, foreign], 1, MARK)
    with pytest.raises(SourceError, match="there is no topic"):
        await ends(properties, [own])


async def test_a_topic_that_others_make_meanwhile_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the creation: it is theirs, although it was not there when we looked."""
    properties = {"bootstrap_servers": address}
    foreign = unique("foreign")
    create = AIOKafkaAdminClient.create_topics

    async def late(self: AIOKafkaAdminClient, *arguments: Any, **more: Any) -> Any:
        monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", create)
        await create_topics(properties, [foreign], 1)
        return await self.create_topics(*arguments, **more)

    monkeypatch.setattr(AIOKafkaAdminClient, "create_topics", late)
    with pytest.raises(ConfigError, match=f"the topic {foreign} is there already"):
        await create_topics(properties, [foreign], 1, MARK)


async def test_two_that_make_the_same_topics_at_once_share_them(address: str) -> None:
    """Both have the mark, so either may be first with each."""
    topics = [unique("t") for _ in range(5)]
    both = [create_topics({"bootstrap_servers": address}, names, 1, MARK) for names in (topics, topics[::-1])]
    await asyncio.gather(*both)


@pytest.mark.kafka
async def test_a_topic_that_may_not_be_asked_for_is_refused_by_that_name(guarded: str) -> None:
    """Where DescribeConfigs is denied nobody can tell whose it is, and the sentence says that."""
    properties = {"bootstrap_servers": guarded}
    topic = unique("t")
    await create_topics(properties, [topic], 1, MARK)
    rule = (ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*")
    rules = [
        AclBinding(*rule, AclOperation.ALL, AclPermissionType.ALLOW),
        AclBinding(*rule, AclOperation.DESCRIBE_CONFIGS, AclPermissionType.DENY),
    ]
    admin = AdminClient({"bootstrap.servers": guarded})
    for made in admin.create_acls(rules).values():
        await asyncio.to_thread(made.result)
    with pytest.raises(ConfigError) as refused:
        await create_topics(properties, [topic], 1, MARK)

    assert str(refused.value) == (
        f"the topic {topic} is there already, and the brokers do not tell who has made it "
        "(TopicAuthorizationFailedError): allow DescribeConfigs on it, or use another Kafka"
    )
