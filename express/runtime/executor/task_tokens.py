"""Task tokens: what a callback names the task with that waits for it.

A token is opaque: 32 random bytes, the task it was made for as a digest (execution, state entry, attempt), the number
of its execution in the journal, when it expires, and an HMAC over all of that. So one that was guessed, altered or
made up is told from one of ours without looking anything up, and one of ours can't be used for another task. Keys are
rotated: tokens are made with the first and accepted with any.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Sequence

import msgspec

YEAR = 365 * 86_400.0
"""Seconds that a token is good for unless its task ends before: the longest that an execution may take."""

_HEAD = struct.Struct(">B4sdq32s32s")
_VERSION = 2
_MAC_BYTES = 32
_KEY_BYTES = 32


class ForgedToken(Exception):
    """No token of ours."""


class ExpiredToken(Exception):
    """A token of ours, whose time is over."""


class Token(msgspec.Struct, frozen=True):
    """The content of a genuine token: the digest of its task, and the number of its execution in the journal."""

    subject: bytes
    execution: int = 0


class TaskTokens:
    """Makes tokens, and tells genuine ones."""

    def __init__(
        self, keys: Sequence[bytes], wall: Callable[[], float], *, lifetime: float = YEAR, random: Random | None = None
    ) -> None:
        """`keys` of at least 32 bytes, the newest first; `lifetime` in seconds. Raises ValueError for weak keys."""
        if not keys or any(len(key) < _KEY_BYTES for key in keys):
            raise ValueError(f"keys of task tokens have at least {_KEY_BYTES} bytes")
        self._keys = {_name(key): key for key in reversed(keys)}
        self._name = _name(keys[0])
        self._wall = wall
        self._lifetime = lifetime
        self._random = random or secrets.token_bytes

    def issue(self, subject: str, execution: int = 0) -> str:
        """A new token for the task that `subject` names. `execution` is 0 for one that no journal has."""
        until = self._wall() + self._lifetime
        body = _HEAD.pack(_VERSION, self._name, until, execution, subject_digest(subject), self._random(32))
        return base64.urlsafe_b64encode(body + _sign(self._keys[self._name], body)).decode().rstrip("=")

    def read(self, token: str) -> Token:
        """A genuine token. Raises Forged and Expired."""
        body, mac = _parts(token)
        version, name, until, execution, subject, _ = _HEAD.unpack(body)
        key = self._keys.get(name, b"\0" * _KEY_BYTES)
        if not hmac.compare_digest(mac, _sign(key, body)) or name not in self._keys or version != _VERSION:
            raise ForgedToken
        if until < self._wall():
            raise ExpiredToken
        return Token(subject, execution)


Random = Callable[[int], bytes]


def subject_digest(subject: str) -> bytes:
    """Return what a token holds of its task."""
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).digest()


def _parts(token: str) -> tuple[bytes, bytes]:
    try:
        padded = token + "=" * (-len(token) % 4)
        raw = base64.b64decode(padded.encode("ascii"), b"-_", validate=True)
    except ValueError as error:
        raise ForgedToken from error
    canonical = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    if len(raw) != _HEAD.size + _MAC_BYTES or canonical != token:  # unused bits of the last character count, too
        raise ForgedToken
    return raw[: _HEAD.size], raw[_HEAD.size :]


def _name(key: bytes) -> bytes:
    return hashlib.sha256(b"express task token key" + key).digest()[:4]


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")
