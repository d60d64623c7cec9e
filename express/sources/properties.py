"""Client properties as users paste them → keyword arguments of aiokafka's clients.

Names are aiokafka's, or librdkafka's dotted ones. A property that only the consumer, or only the producer, knows
goes to that one. TLS is verified, always; there is no property to switch that off.
"""

from __future__ import annotations

import difflib
import inspect
import ssl
from collections.abc import Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from express.config import Kafka, flat_properties, property_name, reveal
from express.config.cluster import PROTOCOLS
from express.config.quantities import is_reference
from express.errors import ConfigError

RENAMED = {
    "sasl.mechanisms": "sasl_mechanism",
    "sasl.username": "sasl_plain_username",
    "sasl.password": "sasl_plain_password",
    "fetch.wait.max.ms": "fetch_max_wait_ms",
    "compression.codec": "compression_type",
    "batch.size": "max_batch_size",
    "message.max.bytes": "max_request_size",
    "topic.metadata.refresh.interval.ms": "metadata_max_age_ms",
    "isolation.level": "isolation_level",
}
"""librdkafka's (or Java's) name → aiokafka's, where that is more than dots for underscores."""

TLS = {
    "ssl.ca.location": "cafile",
    "ssl.cafile": "cafile",
    "ssl.certificate.location": "certfile",
    "ssl.certfile": "certfile",
    "ssl.key.location": "keyfile",
    "ssl.keyfile": "keyfile",
    "ssl.key.password": "password",
    "ssl.password": "password",
}
"""What becomes the TLS context."""

OBJECTS = {
    *("self", "loop", "topics", "ssl_context", "sasl_oauth_token_provider", "partition_assignment_strategy"),
    *("key_serializer", "value_serializer", "key_deserializer", "value_deserializer", "partitioner", "api_version"),
}
"""Arguments that no configuration can write."""


class ClientProperties(msgspec.Struct, frozen=True):
    """Keyword arguments for both clients: what they share, and what only one of them takes."""

    consumer: dict[str, Any]
    producer: dict[str, Any]


def client_properties(kafka: Kafka) -> ClientProperties:
    """The arguments that `[kafka]` and `[kafka.client]` ask for, secrets revealed, the TLS context made.

    Raises ConfigError for a property that neither client knows, with the nearest one.
    """
    shared: dict[str, Any] = {"bootstrap_servers": kafka.bootstrap_servers}
    tls: dict[str, Any] = {}
    for path, value in flat_properties(kafka.client):
        name = property_name(path)
        plain = reveal(value) if is_reference(value) else value
        if name in TLS:
            tls[TLS[name]] = plain
        else:
            shared[RENAMED.get(name, name.replace(".", "_"))] = plain
    consumer, producer = _arguments(AIOKafkaConsumer), _arguments(AIOKafkaProducer)
    for name in shared:
        if name not in consumer and name not in producer:
            raise ConfigError(f"kafka.client: no client knows the property {name!r}{_hint(name, consumer | producer)}")
    _add_tls(shared, tls)
    consumer, producer = consumer | {"ssl_context"}, producer | {"ssl_context"}
    return ClientProperties(
        {name: value for name, value in shared.items() if name in consumer},
        {name: value for name, value in shared.items() if name in producer},
    )


def _add_tls(shared: dict[str, Any], tls: Mapping[str, Any]) -> None:
    protocol = str(shared.get("security_protocol", "PLAINTEXT")).upper()
    if "security_protocol" in shared:
        shared["security_protocol"] = protocol
    if protocol.startswith("SASL"):
        shared.setdefault("sasl_mechanism", "PLAIN")
    if protocol not in PROTOCOLS:
        raise ConfigError(f"kafka.client: security_protocol {protocol!r} is none of {', '.join(PROTOCOLS)}")
    if not protocol.endswith("SSL"):
        if tls:
            raise ConfigError(f"kafka.client: certificates are given, but security_protocol is {protocol}")
        return
    try:
        context = ssl.create_default_context(cafile=tls.get("cafile"))
        if "certfile" in tls:
            # Without a password the key has none; OpenSSL would ask for it on the terminal, and wait.
            password = tls.get("password", "")
            context.load_cert_chain(tls["certfile"], tls.get("keyfile"), lambda: password)
    except (OSError, ssl.SSLError) as error:
        names = ", ".join(str(tls[name]) for name in ("cafile", "certfile", "keyfile") if name in tls)
        raise ConfigError(f"kafka.client: {names} can't be loaded: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    shared["ssl_context"] = context


def _arguments(client: type) -> set[str]:
    return set(inspect.signature(client.__init__).parameters) - OBJECTS  # type: ignore[misc]


def _hint(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
