"""The standard streams of a process, where nobody may read them: closed, a pipe without a reader, a full disk.

A message that can't be written to stderr ends nothing: it is counted, and the next one that can be written is
preceded by a line that says so. A result that can't be written to stdout is an error, told once.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

INPUT, OUTPUT, MESSAGES = 0, 1, 2


def lost_lines(count: int, reason: str) -> str:
    """Return the line that stands where others are missing.

    >>> lost_lines(2, "No space left on device")
    'express: 2 lines could not be written here: No space left on device'
    """
    return f"express: {count} line{'s' if count != 1 else ''} could not be written here: {reason}"


class MessageStream(io.FileIO):
    """A descriptor that takes every message; the lines that can't be written are counted."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.note: Callable[[int, str], str] = lost_lines
        self._lost = 0
        self._reason = ""
        """The reason why the last write failed; empty where it did not."""
        self._torn = False

    def write(self, data: Buffer) -> int:
        """Write all of it, or count it as lost."""
        message = bytes(data)
        try:
            if self._reason:
                start = "\n" if self._torn else ""
                self._write_all(f"{start}{self.note(self._lost, self._reason)}\n".encode())
                self._lost, self._reason = 0, ""
            self._write_all(message)
        except OSError as error:
            self._lost += message.count(b"\n")
            self._reason = error.strerror or str(error)
        return len(message)

    def _write_all(self, message: bytes) -> None:
        rest = memoryview(message)
        while rest:
            rest = rest[os.write(self.fileno(), rest) :]
            self._torn = bool(rest)


class ResultStream(io.FileIO):
    """A descriptor whose first failure is raised and kept in `failure`; what comes later goes nowhere."""

    failure: OSError | None = None

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)

    def write(self, data: Buffer) -> int:
        """Write some of it."""
        if self.failure is not None:
            return len(memoryview(data))
        try:
            return super().write(data)
        except OSError as error:
            self.failure = error
            raise


def open_descriptors() -> None:
    """Put the null device where a standard stream is closed: a file or socket would get its number."""
    for descriptor in (INPUT, OUTPUT, MESSAGES):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            os.set_inheritable(descriptor, True)


def keep_messages(note: Callable[[int, str], str] = lost_lines) -> None:
    """Make stderr take every message; `note` makes the line that stands where some are missing.

    Nothing is done where somebody else has put a stream there.
    """
    open_descriptors()
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(MessageStream(MESSAGES), "backslashreplace", sys.stderr)
    raw = getattr(sys.stderr, "buffer", None)
    if isinstance(raw, MessageStream):
        raw.note = note


def keep_output() -> None:
    """Make stdout take everything, as in a process whose result is not what it prints."""
    open_descriptors()
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(MessageStream(OUTPUT), "backslashreplace", sys.stdout)


def watch_results() -> None:
    """Make stdout keep its first failure. Nothing is done where somebody else has put a stream there."""
    open_descriptors()
    if sys.stdout is sys.__stdout__:
        raw, old = ResultStream(OUTPUT), sys.stdout
        encoding, errors = (old.encoding, old.errors) if old is not None else ("utf-8", "strict")
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(raw), encoding=encoding, errors=errors, line_buffering=raw.isatty()
        )


def failed_output() -> OSError | None:
    """Return why stdout could not be written; None where all of it was."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.failure if isinstance(raw, ResultStream) else None


def _text(raw: MessageStream, errors: str, old: TextIO | None) -> io.TextIOWrapper:
    """A text stream over `raw` that holds nothing back."""
    encoding = old.encoding if old is not None else "utf-8"
    return io.TextIOWrapper(raw, encoding=encoding, errors=errors, write_through=True, line_buffering=True)
