"""`[kafka.client]`: every property of aiokafka's clients, and what becomes of it.

Each one is used, or refused with the reason; none is taken and ignored. A test holds the table against the clients.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from express.config.lines import KeyPath
from express.config.validate import Problem

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
"""Properties that become the TLS context."""

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
"""Codecs for results."""

MOST = 2**31 - 1
"""The highest number that a request or a timer can hold."""


class Kind(NamedTuple):
    """The kind of a property's values."""

    allows: Callable[[Any], bool]
    text: str


def _at_least(low: int, unit: str) -> Kind:
    return Kind(lambda value: type(value) is int and low <= value <= MOST, f"a number of {unit} from {low} to {MOST}")


_MS, _WAIT = _at_least(1, "milliseconds"), _at_least(0, "milliseconds")
_BYTES = _at_least(1, "bytes")
_TEXT = Kind(lambda value: isinstance(value, str) and value != "", "text")
_SWITCH = Kind(lambda value: type(value) is bool, "true or false")
_CODEC = Kind(lambda value: value in CODECS, f"one of {', '.join(CODECS)}")
_ANY = Kind(lambda value: True, "anything")

USED: dict[str, Kind] = {
    **dict.fromkeys(("client_id", "group_instance_id", "client_rack"), _TEXT),
    **dict.fromkeys(("request_timeout_ms", "metadata_max_age_ms", "connections_max_idle_ms"), _MS),
    **dict.fromkeys(("retry_backoff_ms", "consumer_timeout_ms"), _MS),
    **dict.fromkeys(("linger_ms", "fetch_max_wait_ms"), _WAIT),
    **dict.fromkeys(("fetch_max_bytes", "fetch_min_bytes", "max_partition_fetch_bytes"), _BYTES),
    **dict.fromkeys(("max_batch_size", "max_request_size"), _BYTES),
    "check_crcs": _SWITCH,
    "compression_type": _CODEC,
    # Rules of their own: `express.config.cluster`.
    **dict.fromkeys(("session_timeout_ms", "heartbeat_interval_ms", "rebalance_timeout_ms"), _ANY),
    **dict.fromkeys(("max_poll_interval_ms", "security_protocol", "sasl_mechanism"), _ANY),
    **dict.fromkeys(("sasl_plain_username", "sasl_plain_password"), _ANY),
}
"""Properties that do something, by aiokafka's names."""

REFUSED = {
    "bootstrap_servers": "kafka.bootstrap_servers decides it",
    "group_id": "kafka.group decides it",
    "enable_auto_commit": "the offset rules of express decide it",
    "auto_commit_interval_ms": "the offset rules of express decide it",
    "acks": "the delivery of the pipeline decides it",
    "enable_idempotence": "the delivery of the pipeline decides it",
    "transactional_id": "the delivery of the pipeline decides it",
    "isolation_level": "the delivery of the pipeline decides it",
    "transaction_timeout_ms": "a transaction holds results that are there already, and has 10 s for them",
    "auto_offset_reset": "it is always earliest: with another one, records that came before the first commit are lost",
    "max_poll_records": "a poll takes at most 500 records; pipelines.concurrency bounds what runs at once",
    "exclude_internal_topics": "it is about patterns of topics, and express has none",
    "partition_assignment_strategy": "it is always sticky, so that partitions stay where they are",
    "partitioner": "results keep the partition of their record, or go by key as Java's client has it",
    "sasl_kerberos_service_name": "logins are by PLAIN or SCRAM",
    "sasl_kerberos_domain_name": "logins are by PLAIN or SCRAM",
    "sasl_oauth_token_provider": "logins are by PLAIN or SCRAM",
    "ssl_context": "it is made of the properties ssl.*",
    "api_version": "it is asked from the brokers",
    **dict.fromkeys(
        ("key_serializer", "value_serializer", "key_deserializer", "value_deserializer"),
        "records are bytes, and results JSON",
    ),
}
"""Properties that are not the user's, and why."""

SAFE = {"auto_offset_reset": "earliest"}
"""The value that a refused property may have all the same: it says what is so."""


def client_name(dotted: str) -> str:
    """Aiokafka's name of a property in librdkafka's spelling.

    >>> client_name("sasl.username"), client_name("linger.ms")
    ('sasl_plain_username', 'linger_ms')
    """
    return RENAMED.get(dotted, dotted.replace(".", "_"))


def client_problems(properties: Mapping[str, Any], places: Mapping[str, KeyPath]) -> Iterator[Problem]:
    """Every property that is unknown, refused, of a wrong kind, or given twice; names in librdkafka's spelling."""
    given: dict[str, str] = {}
    for dotted, value in properties.items():
        name, place = client_name(dotted), places[dotted]
        first = given.setdefault(TLS.get(dotted, name), dotted)
        if first != dotted:
            yield Problem(place, f"is the same as {first}, which is given too")
        elif name in REFUSED:
            if SAFE.get(name) != value:
                yield Problem(place, f"is not set here: {REFUSED[name]}")
        elif name in USED:
            if not USED[name].allows(value):
                yield Problem(place, f"must be {USED[name].text}, not {value!r}")
        elif dotted not in TLS:
            yield Problem(place, f"no client knows the property {name!r}{_hint(name)}")


def _hint(name: str) -> str:
    close = difflib.get_close_matches(name, {*USED, *REFUSED}, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
