"""Execution logs on their way out: a bounded buffer, one thread, a file that rotates, or stdout.

Logging never holds an execution up: what does not fit into the buffer is dropped and counted. A write error is
told once and counted from then on; when it goes again, that is told, too. A line is there as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import stat
import threading
from io import FileIO
from pathlib import Path

BUFFER_BYTES = 16 << 20
"""Log lines waiting to be written; more are dropped."""

STDOUT = 1

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
        self._file: FileIO | None = None
        self._broken = 0
        """Log events that were lost since the last that could be written."""
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
        self._close()

    def _put(self, lines: bytes) -> None:
        place = self._path or "stdout"
        events = lines.count(b"\n")
        try:
            _write_whole(self._opened(len(lines)), lines)
        except (OSError, ValueError) as error:
            self.dropped += events
            if not self._broken:
                log.error("the execution log %s can't be written: %s", place, error)
            self._broken += events
            self._close()
            return
        if self._broken:
            log.warning("the execution log %s is written again; %d events of it are lost", place, self._broken)
            self._broken = 0

    def _opened(self, more: int) -> FileIO:
        """The file, which holds nothing back: what it has taken is written."""
        if self._file is not None and self._path is not None:
            written = self._file.tell()
            if written and written + more > self._size:
                self._close()
                self._rotate(self._path)
        if self._file is None:
            if self._path is None:
                self._file = FileIO(STDOUT, "w", closefd=False)
            else:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = FileIO(self._path, "a")
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # a disk that is full, or gone: it was told
                file.close()

    def _rotate(self, path: Path) -> None:
        """`log` becomes `log.1`, that `log.2` …; the oldest goes."""
        for i in range(self._files - 1, 0, -1):
            older = path if i == 1 else path.with_name(f"{path.name}.{i - 1}")
            if older.exists():
                older.replace(path.with_name(f"{path.name}.{i}"))
        if self._files == 1:
            path.unlink(missing_ok=True)


def _write_whole(file: FileIO, lines: bytes) -> None:
    """Write all lines; where that fails on the way, none of them stays in a file that can be cut."""
    status = os.fstat(file.fileno())
    rest = memoryview(lines)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        if stat.S_ISREG(status.st_mode) and len(rest) < len(lines):
            with contextlib.suppress(OSError):
                file.truncate(status.st_size)
        raise
