"""The first knock at a cluster: does it let us in, and what does it allow.

What would fail again and again (a wrong password, a certificate nobody trusts) is a mistake in a configuration, and
is told as one. A cluster that does not answer is none: it may come up later.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Collection, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest

from express.errors import ConfigError
from express.kafka import CLOSE_SECONDS, explain, refuses, repair_connections, within

KNOCK_SECONDS = 5.0
"""Seconds that a broker may take to answer."""

APPEAR_SECONDS = (0.0, 0.2, 1.0)
"""Pauses before a topic that is not there is asked for again."""

METADATA_BYTES = "offset.metadata.max.bytes"

log = logging.getLogger(__name__)


async def knock(properties: Mapping[str, Any]) -> bool:
    """Return whether any of the brokers to begin with lets us in; False, and a warning, if none answers.

    Raises ConfigError if one of them refuses us, or we do not trust it, and none lets us in.
    """
    repair_connections()
    refusals: list[str] = []
    silences: list[str] = []
    for host, port, _ in collect_hosts(properties["bootstrap_servers"]):
        try:
            async with asyncio.timeout(KNOCK_SECONDS):
                await _greet(host, port, properties)
            return True
        except (KafkaError, OSError, TimeoutError) as error:
            (refusals if refuses(error) else silences).append(f"{host}:{port}: {explain(error)}")
    if refusals:
        raise ConfigError(f"Kafka can't be used: {'; '.join(refusals)}")
    log.warning("no broker can be reached yet: %s", "; ".join(silences))
    return False


async def _greet(host: str, port: int, properties: Mapping[str, Any]) -> None:
    """Connect, log in, and ask for something: a certificate that is missing shows only then."""
    connection: AIOKafkaConnection = await create_conn(host, port, **known(create_conn, properties))
    try:
        await connection.send(MetadataRequest([]))
    finally:
        await within(CLOSE_SECONDS, connection.close())


async def metadata_limit(properties: Mapping[str, Any]) -> int | None:
    """Return how many bytes the brokers keep with a commit; None where they don't say, or won't to us."""
    admin = AIOKafkaAdminClient(**known(AIOKafkaAdminClient, properties))
    try:
        async with asyncio.timeout(KNOCK_SECONDS):
            await admin.start()
            cluster = await admin.describe_cluster()
            brokers = [ConfigResource(ConfigResourceType.BROKER, str(b["node_id"])) for b in cluster["brokers"]]
            responses = await admin.describe_configs(brokers)
    except (KafkaError, OSError, TimeoutError):
        return None
    finally:
        await within(CLOSE_SECONDS, admin.close())
    entries = [entry for response in responses for *_, found in response.resources for entry in found]
    return min((int(entry[1]) for entry in entries if entry[0] == METADATA_BYTES and entry[1]), default=None)


async def missing_topics(properties: Mapping[str, Any], topics: Collection[str]) -> list[str]:
    """Which of `topics` do not exist, after brokers that create what they are asked for had the time to.

    None is where the cluster does not answer.
    """
    admin = AIOKafkaAdminClient(**known(AIOKafkaAdminClient, properties))
    missing = list(topics)
    try:
        async with asyncio.timeout(KNOCK_SECONDS):
            await admin.start()
            for pause in APPEAR_SECONDS:
                await asyncio.sleep(pause)
                described = await admin.describe_topics(missing)
                missing = [topic["topic"] for topic in described if topic["error_code"]]
                if not missing:
                    break
    except (KafkaError, OSError, TimeoutError):
        return []
    finally:
        await within(CLOSE_SECONDS, admin.close())
    return missing


def known(client: Any, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that a client takes."""
    names = inspect.signature(client).parameters
    return {name: value for name, value in properties.items() if name in names}
