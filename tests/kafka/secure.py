"""A real Kafka behind TLS and passwords: one broker with a listener for each way in, and certificates made for it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.kafka.certificates import Authority
from tests.kafka.jars import DEFAULT_VERSION
from tests.kafka.real import RealKafka, _free_ports

USER, PASSWORD = "worker", "correct horse 电池"
"""Who may come in. Not only ASCII: passwords are UTF-8 on the wire."""

KEY_PASSWORD = "of the key"

LISTENERS = {
    "TLS": "SSL",
    "MUTUAL": "SSL",
    "ELSEWHERE": "SSL",
    "LOGIN": "SASL_SSL",
    "CLEAR": "SASL_PLAINTEXT",
}
"""Listener → protocol. MUTUAL wants a certificate of the client, ELSEWHERE shows one for another host."""

_MODULES = "org.apache.kafka.common.security"


class SecureKafka(RealKafka):
    """A broker with every listener of `LISTENERS`, and the plain one that the tests' own clients use."""

    def __init__(self, version: str = DEFAULT_VERSION) -> None:
        super().__init__(1, version)
        self._ways = dict(zip(LISTENERS, _free_ports(len(LISTENERS)), strict=True))
        self._secrets = tempfile.TemporaryDirectory(prefix="express-kafka-tls-")
        self.secrets = Path(self._secrets.name)
        self._authority = Authority(self.secrets)
        self.ca = str(self._authority.file)
        self.other_ca = str(Authority(self.secrets, "stranger").file)
        self.certificate, self.key = map(str, self._authority.issue("client", password=KEY_PASSWORD))
        self.password_file = self.secret("password", PASSWORD)
        self.key_password_file = self.secret("key-password", KEY_PASSWORD)
        self._stores = {name: self._store(name, host) for name, host in _HOSTS.items()}

    def at(self, listener: str) -> str:
        """The bootstrap address of a listener."""
        return f"127.0.0.1:{self._ways[listener]}"

    def client(self, listener: str, **more: Any) -> dict[str, Any]:
        """`[kafka.client]` for a listener, as a user writes it."""
        protocol = LISTENERS[listener]
        found: dict[str, Any] = {"security.protocol": protocol}
        if protocol.endswith("SSL"):
            found["ssl.ca.location"] = self.ca
        if listener == "MUTUAL":
            found["ssl.certificate.location"] = self.certificate
            found["ssl.key.location"] = self.key
            found["ssl.key.password"] = f"file:{self.key_password_file}"
        if protocol.startswith("SASL"):
            found["sasl.mechanism"] = "PLAIN"
            found["sasl.username"] = USER
            found["sasl.password"] = f"file:{self.password_file}"
        return {**found, **more}

    def secret(self, name: str, text: str) -> Path:
        """A file that holds a secret."""
        path = self.secrets / name
        path.write_text(text + "\n", encoding="utf-8")
        path.chmod(0o600)
        return path

    def _store(self, name: str, host: str) -> Path:
        """A broker's key and certificate in one file, as Kafka wants PEM."""
        certificate, key = self._authority.issue(f"broker-{name}", host)
        path = self.secrets / f"broker-{name}.pem"
        path.write_bytes(key.read_bytes() + certificate.read_bytes())
        return path

    def _format_options(self) -> list[str]:
        # A password may not hold a comma or a bracket here, which ends it.
        return [
            option
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
            for option in ("--add-scram", f"{mechanism}=[name={USER},password={PASSWORD}]")
        ]

    def _config(self, node: int) -> str:
        lines = dict(line.split("=", 1) for line in super()._config(node).splitlines())
        listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in self._ways.items())
        lines["listeners"] += f",{listeners}"
        lines["advertised.listeners"] += f",{listeners}"
        lines["listener.security.protocol.map"] += "".join(f",{name}:{kind}" for name, kind in LISTENERS.items())
        for name, protocol in LISTENERS.items():
            lines.update(self._listener(f"listener.name.{name.lower()}.", name, protocol))
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def _listener(self, prefix: str, name: str, protocol: str) -> dict[str, str]:
        found = {}
        if protocol.endswith("SSL"):
            found[f"{prefix}ssl.keystore.type"] = "PEM"
            found[f"{prefix}ssl.keystore.location"] = str(self._stores.get(name, self._stores["TLS"]))
            found[f"{prefix}ssl.truststore.type"] = "PEM"
            found[f"{prefix}ssl.truststore.location"] = self.ca
            found[f"{prefix}ssl.client.auth"] = "required" if name == "MUTUAL" else "none"
        if protocol.startswith("SASL"):
            found[f"{prefix}sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512"
            login = f'{_MODULES}.plain.PlainLoginModule required user_{USER}="{_escaped(PASSWORD)}";'
            found[f"{prefix}plain.sasl.jaas.config"] = login
            for mechanism in ("scram-sha-256", "scram-sha-512"):
                found[f"{prefix}{mechanism}.sasl.jaas.config"] = f"{_MODULES}.scram.ScramLoginModule required;"
        return found

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._secrets.cleanup()


_HOSTS = {"TLS": "127.0.0.1", "ELSEWHERE": "elsewhere.example"}


def _escaped(text: str) -> str:
    """As Java's properties files have it: ASCII, with the rest as `\\uXXXX`."""
    return "".join(char if ord(char) < 128 else f"\\u{ord(char):04x}" for char in text)
