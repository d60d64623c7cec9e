"""Rules of `[kafka]`: how the cluster is reached, and times that have to fit each other."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from express.config.lines import KeyPath
from express.config.model import Config
from express.config.validate import Problem

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")

MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
"""Mechanisms of a login with user and password."""

GROUP_MS = {
    # Kafka's own; aiokafka's 10 s are one long pause away from a rebalance.
    "session_timeout_ms": 45_000,
    "heartbeat_interval_ms": 3_000,
    # What a member may take to finish what it runs; aiokafka's default is the session timeout.
    "rebalance_timeout_ms": 60_000,
    # Twice the longest execution: aiokafka's default equals the five-minute cap.
    "max_poll_interval_ms": 600_000,
}
"""Times of the consumer group, unless `[kafka.client]` has others."""

COMMIT_SECONDS = 5.0
"""Seconds that a commit may take once the time for draining is over."""

USER, PASSWORD = ("sasl.username", "sasl.plain.username"), ("sasl.password", "sasl.plain.password")
"""Librdkafka's name, and aiokafka's."""

JAVA = {
    "ssl.truststore.location": "ssl.ca.location, a PEM file",
    "ssl.truststore.certificates": "ssl.ca.location, a PEM file",
    "ssl.keystore.location": "ssl.certificate.location and ssl.key.location, PEM files",
    "ssl.keystore.certificate.chain": "ssl.certificate.location, a PEM file",
    "sasl.jaas.config": "sasl.username and sasl.password",
}
"""Properties of Java's client that stand for files and plain properties here."""

VERIFYING = ("enable.ssl.certificate.verification", "ssl.endpoint.identification.algorithm", "ssl.check.hostname")
"""Properties that would switch off the verification of certificates."""


def cluster_problems(config: Config, properties: Mapping[str, Any], places: Mapping[str, KeyPath]) -> Iterator[Problem]:
    """Every broken rule; `properties` in librdkafka's spelling, and where each stands."""
    for name, instead in JAVA.items():
        if name in properties:
            yield Problem(places[name], f"is of Java's client: set {instead}")
    for name in VERIFYING:
        if name in properties:
            yield Problem(places[name], "is not set here: certificates and host names are verified, always")
    yield from _transport_problems(config, properties)
    yield from _time_problems(config, properties, places)


def _transport_problems(config: Config, properties: Mapping[str, Any]) -> Iterator[Problem]:
    path: KeyPath = ("kafka", "client")
    protocol = str(properties.get("security.protocol", "PLAINTEXT")).upper()
    if protocol not in PROTOCOLS:
        close = difflib.get_close_matches(protocol, PROTOCOLS, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        yield Problem(path, f"security_protocol {protocol!r} is none of {', '.join(PROTOCOLS)}{meant}")
        return
    logs_in = protocol.startswith("SASL")
    has_login = any(name.startswith("sasl.") for name in properties)
    if (logs_in or has_login) and not protocol.endswith("SSL") and not config.kafka.allow_plaintext_password:
        yield Problem(
            path,
            f'{protocol} would send the login in the clear: set security_protocol = "SASL_SSL", '
            "or kafka.allow_plaintext_password = true",
        )
    elif has_login and not logs_in:
        yield Problem(
            path, f"there is a login, but security_protocol = {protocol!r} never logs in: SASL_{protocol} does"
        )
    if logs_in:
        yield from _login_problems(properties, path)


def _login_problems(properties: Mapping[str, Any], path: KeyPath) -> Iterator[Problem]:
    mechanism = properties.get("sasl.mechanism", properties.get("sasl.mechanisms", "PLAIN"))
    if mechanism not in MECHANISMS:
        yield Problem(path, f"sasl.mechanism {mechanism!r} is none of {', '.join(MECHANISMS)}")
    for names in (USER, PASSWORD):
        if not any(name in properties for name in names):
            yield Problem(path, f"{properties.get('security.protocol')} needs {names[0]}")


def _time_problems(config: Config, properties: Mapping[str, Any], places: Mapping[str, KeyPath]) -> Iterator[Problem]:
    times: dict[str, float] = {}
    for key, default in GROUP_MS.items():
        name = key.replace("_", ".")
        value = properties.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            yield Problem(places[name], f"must be a number of milliseconds above 0, not {value!r}")
            return
        times[key] = value / 1000
    if times["heartbeat_interval_ms"] >= times["session_timeout_ms"]:
        place = places.get("heartbeat.interval.ms") or places["session.timeout.ms"]
        yield Problem(place, "heartbeat_interval_ms has to be less than session_timeout_ms, a third of it say")
    needed = config.workers.rebalance_drain + COMMIT_SECONDS
    for key in ("rebalance_timeout_ms", "max_poll_interval_ms"):
        if needed >= times[key]:
            place = places.get(key.replace("_", "."), ("workers", "rebalance_drain"))
            yield Problem(
                place,
                f"workers.rebalance_drain of {config.workers.rebalance_drain:g}s and {COMMIT_SECONDS:g}s to commit "
                f"have to be less than kafka.client.{key}, {times[key]:g}s: later the group goes on without this "
                "member, and what it drained is done again",
            )
