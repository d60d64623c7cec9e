"""Files that a person names, read to a bound: a device or a pipe that never ends is an error, not a full memory."""

from __future__ import annotations

from pathlib import Path

from express.errors import ConfigError

MOST_BYTES = 64 * 1024 * 1024
"""Most bytes of a file, where nothing smaller is said."""


def read_bytes(file: str | Path, what: str = "", most: int = MOST_BYTES) -> bytes:
    """The bytes of a file, of which `what` says what it is ("the workflow"). Raises ConfigError."""
    named = f"{what} {file}".lstrip()
    try:
        with Path(file).open("rb") as stream:
            raw = stream.read(most + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{named} can't be read: {getattr(error, 'strerror', None) or error}") from error
    if len(raw) > most:
        raise ConfigError(f"{named} can't be read: it has more than {most:,} bytes")
    return raw


def read_text(file: str | Path, what: str = "", most: int = MOST_BYTES) -> str:
    """The text of a file, as `read_bytes`."""
    try:
        return read_bytes(file, what, most).decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} {file} can't be read: {error}".lstrip()) from error
