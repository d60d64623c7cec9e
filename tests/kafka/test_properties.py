"""Client properties: any spelling, secrets revealed, TLS always verified, typos refused."""

from __future__ import annotations

import inspect
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from express.config import Kafka, Secret
from express.config.client import REFUSED, SAFE, USED
from express.errors import ConfigError
from express.kafka.properties import client_properties
from tests.kafka.certificates import Authority


def kafka(**client: Any) -> Kafka:
    return Kafka(client=client)


def test_both_spellings() -> None:
    """Dotted names and aiokafka's come to the same; each client gets what it knows."""
    dotted = client_properties(kafka(**{"session": {"timeout": {"ms": 9}}, "linger.ms": 5, "fetch.wait.max.ms": 7}))
    plain = client_properties(kafka(session_timeout_ms=9, linger_ms=5, fetch_max_wait_ms=7))

    assert dotted == plain
    assert dotted.consumer == {
        "bootstrap_servers": "127.0.0.1:9092",
        "session_timeout_ms": 9,
        "fetch_max_wait_ms": 7,
    }
    assert dotted.producer == {"bootstrap_servers": "127.0.0.1:9092", "linger_ms": 5}


def test_a_pasted_confluent_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Confluent's pages show works as it is, but for the secret, which is a reference."""
    monkeypatch.setenv("KAFKA_SECRET", "hunter2")
    found = client_properties(
        kafka(
            **{
                "security.protocol": "SASL_SSL",
                "sasl.mechanisms": "PLAIN",
                "sasl.username": "key",
                "sasl.password": "env:KAFKA_SECRET",
                "client.id": "lab",
            }
        )
    )
    for arguments in (found.consumer, found.producer):
        assert arguments["sasl_mechanism"] == "PLAIN"
        assert arguments["sasl_plain_username"] == "key"
        assert isinstance(arguments["sasl_plain_password"], Secret)
        assert arguments["sasl_plain_password"].encode() == b"hunter2"
        assert arguments["client_id"] == "lab"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize("protocol", ["SSL", "SASL_SSL"])
def test_tls_is_verified(protocol: str) -> None:
    """Certificates and host names are checked, and nothing older than TLS 1.2 is spoken."""
    context = client_properties(kafka(security_protocol=protocol)).consumer["ssl_context"]

    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("client", "message"),
    [
        ({"sesion.timeout.ms": 1}, "did you mean 'session_timeout_ms'"),
        ({"security_protocol": "TLS"}, "is none of PLAINTEXT"),
        ({"ssl.ca.location": "/ca.pem"}, "security_protocol is PLAINTEXT"),
        ({"security_protocol": "SSL", "ssl_cafile": "/nowhere/ca.pem"}, "can't be loaded"),
        ({"ssl_context": "x"}, "it is made of the properties ssl"),
        ({"key_deserializer": "json"}, "records are bytes"),
        ({"enable.ssl.certificate.verification": False}, "no client knows"),
    ],
)
def test_what_makes_no_sense_is_refused(client: dict[str, Any], message: str) -> None:
    """A property that nobody knows, or that would be without effect, is an error before anything connects."""
    with pytest.raises(ConfigError, match=message):
        client_properties(kafka(**client))


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """`file:` reads the secret as it was mounted."""
    mounted = tmp_path / "password"
    mounted.write_text("s3cret\n")
    mounted.chmod(0o400)
    found = client_properties(kafka(sasl_plain_password=f"file:{mounted}", security_protocol="SASL_SSL"))

    assert found.producer["sasl_plain_password"].encode() == b"s3cret"


def test_an_encrypted_key_without_its_password_is_an_error(tmp_path: Path) -> None:
    """OpenSSL would ask on the terminal and wait there."""
    certificate, key = Authority(tmp_path).issue("client", password="open sesame")
    (tmp_path / "password").write_text("open sesame\n")
    (tmp_path / "password").chmod(0o600)
    files = {"security_protocol": "ssl", "ssl_certfile": str(certificate), "ssl_keyfile": str(key)}

    assert client_properties(kafka(**files, ssl_password=f"file:{tmp_path}/password")).consumer["ssl_context"]
    with pytest.raises(ConfigError, match=rf"{certificate}, {key} can't be loaded"):
        client_properties(kafka(**files))


OBJECTS = {"self", "loop", "topics"}
"""Arguments that are no properties."""


def test_no_property_of_a_client_is_taken_and_ignored() -> None:
    """Each argument of aiokafka's clients is used, or refused with the reason: one that comes anew fails here."""
    arguments = {*inspect.signature(AIOKafkaConsumer).parameters, *inspect.signature(AIOKafkaProducer).parameters}

    assert arguments - OBJECTS == USED.keys() | REFUSED.keys()
    assert not USED.keys() & REFUSED.keys()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_property_that_is_not_the_users_is_refused_with_the_reason(name: str) -> None:
    """Whatever its value, but for the one that says what is so anyway."""
    with pytest.raises(ConfigError, match=r"is not set here: .{15}"):
        client_properties(kafka(**{name: "latest"}))
    if name in SAFE:
        found = client_properties(kafka(**{name: SAFE[name]}))
        assert name not in found.consumer | found.producer


@pytest.mark.parametrize(
    ("client", "message"),
    [
        ({"linger_ms": "soon"}, "must be a number of milliseconds from 0"),
        ({"request.timeout.ms": 0}, "must be a number of milliseconds from 1"),
        ({"fetch_max_bytes": 2**31}, "must be a number of bytes"),
        ({"retry_backoff_ms": True}, "must be a number"),
        ({"check_crcs": 1}, "must be true or false"),
        ({"compression_type": "brotli"}, "must be one of none, gzip"),
        ({"client_id": 7}, "must be text"),
        ({"batch.size": 1, "max_batch_size": 2}, "is the same as"),
    ],
)
def test_a_value_that_a_client_would_break_at_is_refused(client: dict[str, Any], message: str) -> None:
    """aiokafka would raise where nobody expects it, or go on with nonsense."""
    with pytest.raises(ConfigError, match=message):
        client_properties(kafka(**client))


def test_no_compression_has_a_name() -> None:
    """`none`, as Kafka's other clients have it."""
    assert "compression_type" not in client_properties(kafka(compression_type="none")).producer
