"""The broker's data folder: one lock, one journal, and a folder of records per topic.

DIR/lock       held while a broker runs on it
DIR/journal    the broker's state as events, one JSON line each
DIR/topics/UID/PARTITION/FIRST_OFFSET.log
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from express.devbroker.journal import AnyEvent
from express.devbroker.log import Blobs
from express.devbroker.storage import FileBlobs, OpenFiles, write_whole
from express.errors import StoreError

COMPACT_BYTES = 4 << 20
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(AnyEvent)


class Folder:
    """A data folder that this broker has for itself. It is also the `Journal`."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._path.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise StoreError(f"another broker runs on {self._path}") from error
        self._files = OpenFiles()
        self._journal = -1
        self._written = self._compact_at = 0
        self._state: Callable[[], Iterable[AnyEvent]] = tuple

    def blobs(self, uid: int, partition: int) -> Blobs:
        """Return where the records of a partition lie."""
        return FileBlobs(self._path / "topics" / str(uid) / str(partition), self._files)

    def replay(self) -> Iterator[AnyEvent]:
        """Return what was journalled; a line that a kill cut off ends it."""
        journal = self._path / "journal"
        lines = journal.read_bytes().splitlines(keepends=True) if journal.exists() else []
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield _DECODER.decode(line)
            except msgspec.MsgspecError as error:
                raise StoreError(f"{journal}, line {number}: {error}") from error

    def begin(self, state: Callable[[], Iterable[AnyEvent]]) -> None:
        """Journal from here on; `state` tells the events that lead to the present state."""
        self._state = state
        self._compact()

    def write(self, event: AnyEvent) -> None:
        """Keep an event. Before it has begun, the journal is being read and nothing is written."""
        if self._journal < 0:
            return
        if self._written > self._compact_at:
            self._compact()
        self._written = _append(self._journal, event, self._written)

    def keep_topics(self, uids: set[int]) -> None:
        """Remove the folders of topics that are gone."""
        for folder in (self._path / "topics").glob("*"):
            if folder.name not in map(str, uids):
                shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Release files and lock."""
        self._files.close_all()
        if self._journal >= 0:
            os.close(self._journal)
        os.close(self._lock)

    def _compact(self) -> None:
        """Replace the journal by the events that lead to the present state."""
        fresh = self._path / "journal.new"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        written = 0
        try:
            for event in self._state():
                written = _append(fd, event, written)
            os.fsync(fd)
            fresh.replace(self._path / "journal")
        except OSError:
            os.close(fd)
            raise
        if self._journal >= 0:
            os.close(self._journal)
        self._journal, self._written = fd, written
        self._compact_at = COMPACT_BYTES + 2 * written


def _append(fd: int, event: AnyEvent, end: int) -> int:
    """Add a line to a journal of `end` bytes; how many it has then."""
    line = _ENCODER.encode(event) + b"\n"
    write_whole(fd, line, end)
    return end + len(line)
