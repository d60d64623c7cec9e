"""Connections: whom an HTTP task may call, and how it shows who it is. Secrets are revealed here and nowhere else."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Sequence

import msgspec
from yarl import URL

from express.config import Connection, reveal
from express.integrations.http.addresses import Network
from express.integrations.masking import hideable, masked


class Row(msgspec.Struct, frozen=True):
    """One destination of the allow-list."""

    scheme: str
    host: str
    port: int
    path: str
    methods: frozenset[str]

    def permits(self, url: URL, method: str) -> bool:
        """Tell if a request may go there: all must be equal, and the path must begin with whole segments of ours."""
        if method not in self.methods or (url.scheme, url.host, url.port) != (self.scheme, self.host, self.port):
            return False
        return url.raw_path == self.path or url.raw_path.startswith(self.path.rstrip("/") + "/")


class Ready(msgspec.Struct, frozen=True):
    """A connection with its secrets revealed: never shown, never encoded."""

    name: str
    allow: tuple[Row, ...]
    networks: tuple[Network, ...]
    headers: dict[str, str]
    query: dict[str, str]
    body: dict[str, str]
    authorization: dict[str, str]
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Ready({self.name!r})"

    def hidden(self, text: str) -> str:
        """`text` with every secret of the connection taken out."""
        return masked(text, self.secrets)


def ready(name: str, connection: Connection) -> Ready:
    """Reveal the secrets of a connection. Raises ConfigError where one is missing."""
    authorization, secrets = _authorization(connection)
    return Ready(
        name=name,
        allow=tuple(_row(row.url, row.methods) for row in connection.allow),
        networks=tuple(ipaddress.ip_network(network) for network in connection.networks),
        headers=dict(connection.headers),
        query=dict(connection.query),
        body=dict(connection.body),
        authorization=authorization,
        secrets=hideable(secrets),
    )


def _row(url: str, methods: Sequence[str]) -> Row:
    parts = URL(url)
    assert parts.host is not None, "checked with the configuration"
    assert parts.port is not None, "http and https have one"
    return Row(parts.scheme, parts.host, parts.port, parts.raw_path, frozenset(methods))


def _authorization(connection: Connection) -> tuple[dict[str, str], list[str]]:
    """The header of every request, and all that must not be shown. OAuth's header comes later, with its token."""
    if connection.auth == "basic":
        password = str.__str__(reveal(connection.password))
        pair = base64.b64encode(f"{connection.username}:{password}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}, [pair, password]
    if connection.auth == "api_key":
        key = str.__str__(reveal(connection.key))
        return {connection.key_name: key}, [key]
    if connection.auth == "oauth":
        return {}, [str.__str__(reveal(connection.client_secret))]
    return {}, []


def connection_name(arn: object) -> str:
    """The name in a connection's ARN: `arn:aws:events:REGION:ACCOUNT:connection/NAME/ID`.

    >>> connection_name("arn:aws:events:us-east-1:123456789012:connection/shop/5d1f")
    'shop'
    """
    if not isinstance(arn, str) or ":connection/" not in arn:
        return ""
    return arn.partition(":connection/")[2].partition("/")[0]
