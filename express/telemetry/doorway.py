"""Refusals of the HTTP servers before they look at anything else, and their logging of strangers.

A server on loopback is reachable by every web page its user opens, under a name of the page's own choosing (DNS
rebinding); only the `Host` header tells. And a header may hold any bytes, but text is what is expected of it.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable, Sequence

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

_THEIRS = (HttpProcessingError, RequestPayloadError)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def host_name(header: str) -> str:
    """The name in a `Host` header, without port.

    >>> host_name("LocalHost.:80"), host_name("[::1]:80")
    ('localhost', '::1')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower().rstrip(".")


def is_ours(name: str, hosts: Iterable[str]) -> bool:
    """Return whether a server may be called by that name: one of loopback, or one of `hosts`."""
    return name in _LOOPBACK or name.endswith(".localhost") or name in hosts


def is_address(name: str) -> bool:
    """Return whether a name is an IP address, which nobody can rebind."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def unreadable(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """The name of the first header that is not UTF-8; None if all are."""
    for name, value in headers:
        if not (name.isascii() and value.isascii()):
            try:
                name.decode()
                value.decode()
            except UnicodeDecodeError:
                return name.decode(errors="backslashreplace")
    return None


def http_log(name: str) -> logging.Logger:
    """The web library's log without what strangers make it say: a request that can't be read is not our error."""
    log = logging.getLogger(name)
    if not log.filters:
        log.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], _THEIRS)))
    return log
