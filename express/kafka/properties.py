"""Client properties as users paste them → keyword arguments of aiokafka's clients.

Names are aiokafka's, or librdkafka's dotted ones. A property that only the consumer, or only the producer, knows
goes to that one. TLS is verified, always; there is no property to switch that off.
"""

from __future__ import annotations

import inspect
import ssl
from collections.abc import Mapping
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from express.config import Kafka, flat_properties, property_name, reveal
from express.config.client import TLS, USED, client_name, client_problems
from express.config.cluster import PROTOCOLS
from express.config.lines import dotted
from express.config.quantities import is_reference
from express.errors import ConfigError

NO_COMPRESSION = "compression_type", "none"
"""The property by which Kafka's other clients write what is None in aiokafka."""


class ClientProperties(msgspec.Struct, frozen=True):
    """Keyword arguments for both clients: what they share, and what only one of them takes."""

    consumer: dict[str, Any]
    producer: dict[str, Any]


def client_properties(kafka: Kafka) -> ClientProperties:
    """The arguments that `[kafka]` and `[kafka.client]` ask for, secrets revealed, the TLS context made.

    Raises ConfigError for a property that neither client knows or that is not the user's (`config.client`).
    """
    shared: dict[str, Any] = {"bootstrap_servers": kafka.bootstrap_servers}
    tls: dict[str, Any] = {}
    given = {property_name(path): value for path, value in flat_properties(kafka.client)}
    places = {property_name(path): ("kafka", "client", *path) for path, _ in flat_properties(kafka.client)}
    for problem in client_problems(given, places):
        raise ConfigError(f"{dotted(problem.path)}: {problem.message}")
    for dotted_name, value in given.items():
        plain = reveal(value) if is_reference(value) else value
        name = client_name(dotted_name)
        if dotted_name in TLS:
            tls[TLS[dotted_name]] = plain
        elif name in USED and (name, plain) != NO_COMPRESSION:
            shared[name] = plain
    _add_tls(shared, tls)
    consumer, producer = _arguments(AIOKafkaConsumer), _arguments(AIOKafkaProducer)
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
    return set(inspect.signature(client.__init__).parameters)  # type: ignore[misc]
