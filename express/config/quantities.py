"""Durations, sizes and secrets as a configuration writes them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from express.errors import ConfigError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)\Z")
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB|kB|MB|GB)?\Z")

LONGEST = 10 * 366 * 86_400.0
"""Seconds of the longest duration."""

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


class Duration(float):
    """Seconds, written as text with a unit: "250ms", "30s", "5m", "1h"."""

    @classmethod
    def parse(cls, text: object) -> Duration:
        """The duration that `text` writes.

        >>> Duration.parse("250ms"), Duration.parse("5m")
        (0.25, 300.0)

        Raises ValueError for anything else, bare numbers too: nobody should guess a unit.
        """
        match = _DURATION.match(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f'expected a duration with a unit such as "250ms", "30s" or "5m", got {text!r}')
        seconds = float(match[1]) * SECONDS[match[2]]
        if seconds > LONGEST:
            raise ValueError(f"expected a duration of ten years at most, got {match[0][:40]!r}")
        return cls(seconds)


class Size(int):
    """Bytes, written as a number or as text with a unit: 1024, "256KiB", "64MB"."""

    @classmethod
    def parse(cls, text: object) -> Size:
        """The size that `text` writes.

        >>> Size.parse("256KiB"), Size.parse(512)
        (262144, 512)

        Raises ValueError for anything else.
        """
        match = _SIZE.match(str(text)) if type(text) in (str, int) else None
        if match is None:
            raise ValueError(f'expected a size such as 262144, "256KiB" or "64MB", got {text!r}')
        if len(match[1]) > 18:
            raise ValueError(f"expected a size of less than an exabyte, got {str(text)[:40]!r}")
        return cls(int(match[1]) * BYTES[match[2] or "B"])


class Secret(str):
    """A revealed secret: the text itself to a client library, `***` wherever it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("***", spec)


def is_reference(text: object) -> bool:
    """Return whether `text` names where a secret is kept: `env:NAME` or `file:PATH`."""
    return isinstance(text, str) and text.startswith(("env:", "file:"))


def reveal(reference: str, environ: Mapping[str, str] = os.environ) -> Secret:
    """The secret that `env:NAME` or `file:PATH` refers to.

    Raises ConfigError where it is missing, or where others than its owner and group may read the file.
    """
    kind, _, place = reference.partition(":")
    if kind == "env":
        if place not in environ:
            raise ConfigError(f"the secret {reference!r} is not set: export {place}")
        return Secret(environ[place])
    path = Path(place)
    try:
        if path.stat().st_mode & 0o007:
            raise ConfigError(f"the secret file {place} is open to everybody: chmod 600 {place}")
        return Secret(path.read_text(encoding="utf-8").rstrip("\r\n"))
    except OSError as error:
        raise ConfigError(f"the secret {reference!r} can't be read: {error.strerror}") from error
