"""Execution logs on their way out: a bounded buffer, one thread, a file that rotates, or stdout.

Logging never holds an execution up: what does not fit into the buffer is dropped and counted. A write error is
told once and counted from then on.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
from pathlib import Path
from typing import BinaryIO

BUFFER_BYTES = 16 << 20
"""Log lines waiting to be written; more are dropped."""

log = logging.getLogger(__name__)


class LogFile:
    """Writes log lines to `path`, `-` for stdout. Rotates at `size` bytes, keeping `files` files in all."""

    def __init__(self, path: str, *, size: int = 100 << 20, files: int = 5, buffer: int = BUFFER_BYTES) -> None:
        self._path = None if path == "-" else Path(path)
        self._size = size
        self._files = files
        self._room = buffer
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._file: BinaryIO | None = None
        self._broken = False
        self.dropped = 0
        """Log events that nobody will see."""
        self._thread = threading.Thread(target=self._drain, name="execution-log", daemon=True)
        self._thread.start()

    def write(self, lines: bytes, execution_arn: str = "") -> None:
        """Take the log lines of an execution; returns at once."""
        with self._lock:
            if len(lines) > self._room:
                self.dropped += lines.count(b"\n")
                return
            self._room -= len(lines)
        self._queue.put(lines)

    def close(self) -> None:
        """Write what is there, then end."""
        self._queue.put(None)
        self._thread.join()

    # In the thread -------------------------------------------------------------------------------------

    def _drain(self) -> None:
        while (lines := self._queue.get()) is not None:
            self._put(lines)
            with self._lock:
                self._room += len(lines)
        if self._file is not None and self._path is not None:
            self._file.close()

    def _put(self, lines: bytes) -> None:
        try:
            file = self._opened(len(lines))
            file.write(lines)
            file.flush()
            self._broken = False
        except (OSError, ValueError) as error:
            self.dropped += lines.count(b"\n")
            if not self._broken:
                log.error("the execution log %s can't be written: %s", self._path or "stdout", error)
            self._broken = True

    def _opened(self, more: int) -> BinaryIO:
        if self._path is None:
            return sys.stdout.buffer
        if self._file is not None and self._file.tell() and self._file.tell() + more > self._size:
            self._file.close()
            self._file = None
            self._rotate(self._path)
        if self._file is None or self._broken:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
        return self._file

    def _rotate(self, path: Path) -> None:
        """`log` becomes `log.1`, that `log.2` …; the oldest goes."""
        for i in range(self._files - 1, 0, -1):
            older = path if i == 1 else path.with_name(f"{path.name}.{i - 1}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{i}"))
        if self._files == 1:
            path.unlink(missing_ok=True)
