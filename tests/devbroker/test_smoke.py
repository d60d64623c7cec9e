from __future__ import annotations

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def test_a_client_can_create_a_topic_and_produce(devbroker: str) -> None:
    """The fixture's broker takes a topic and a record."""
    admin = AIOKafkaAdminClient(bootstrap_servers=devbroker)
    await admin.start()
    await admin.create_topics([NewTopic("t", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=devbroker) as producer:
        sent = await producer.send_and_wait("t", b"value")

    assert sent.offset == 0
