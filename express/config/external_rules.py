"""Rules of `[aws]`, `[http]` and `[connections]`: what tasks may reach, and where secrets may stand."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from express.config.lines import KeyPath
from express.config.model import Aws, Config, Connection
from express.config.quantities import is_reference
from express.config.validate import Problem

MAX_SECONDS = 60.0
MAX_RESPONSE = 262_144

NEEDED = {
    "none": (),
    "basic": ("username", "password"),
    "api_key": ("key_name", "key"),
    "oauth": ("client_id", "client_secret", "token_url"),
}
"""Keys that each way of authorizing needs."""

SECRETS = ("password", "key", "client_secret")


def outside_problems(config: Config) -> Iterator[Problem]:
    """Every broken rule about what tasks reach."""
    yield from _aws_problems(config.aws)
    if not 0 < config.http.timeout <= MAX_SECONDS:
        yield Problem(("http", "timeout"), "must be more than 0 and at most 60s")
    if not 0 < config.http.response_limit <= MAX_RESPONSE:
        yield Problem(("http", "response_limit"), "must be more than 0 and at most 256KiB")
    for name, connection in config.connections.items():
        yield from _connection_problems(connection, ("connections", name))


def _aws_problems(aws: Aws) -> Iterator[Problem]:
    for index, pattern in enumerate(aws.allow):
        if pattern.count(":") != 1:
            yield Problem(("aws", "allow", index), f'{pattern!r} is no "service:action" pattern')
    urls: list[tuple[KeyPath, str]] = [(("aws", "endpoint_url"), aws.endpoint_url)]
    urls += [(("aws", "endpoints", name), url) for name, url in aws.endpoints.items()]
    urls += [(("aws", "functions", name), url) for name, url in aws.functions.items() if url != "aws"]
    for path, url in urls:
        if url and not _is_url(url):
            yield Problem(path, f"{url!r} is no http or https URL")


def _connection_problems(connection: Connection, path: KeyPath) -> Iterator[Problem]:
    for field in NEEDED[connection.auth]:
        if not getattr(connection, field):
            yield Problem(path, f"auth {connection.auth!r} needs {field}")
    for field in SECRETS:
        value = getattr(connection, field)
        if value and not is_reference(value):
            yield Problem((*path, field), 'holds a secret: write where it is kept, "env:NAME" or "file:/path"')
    for index, row in enumerate(connection.allow):
        if not _is_url(row.url):
            yield Problem((*path, "allow", index, "url"), f"{row.url!r} is no http or https URL")
    if connection.token_url and not _is_url(connection.token_url):
        yield Problem((*path, "token_url"), f"{connection.token_url!r} is no http or https URL")
    for index, network in enumerate(connection.networks):
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield Problem((*path, "networks", index), str(error))


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and parts.port != 0
    except ValueError:
        return False
