"""Records in files: what `--data` adds.

A partition is a folder of segments, each named after its first offset, as in Apache Kafka. A batch is written with
one system call before it is acknowledged: it survives SIGKILL of the broker, not a power cut (nothing is synced).
Reads go through the page cache, so the broker's memory does not grow with the data.
"""

from __future__ import annotations

import mmap
import os
import shutil
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

from express.devbroker.batch import HEADER, Header, read_header

SEGMENT_BYTES = 16 << 20
OPEN_FILES = 128


class OpenFiles:
    """File descriptors, of which only so many are kept open: there may be more partitions than a process may open."""

    def __init__(self, limit: int = OPEN_FILES) -> None:
        self._limit = limit
        self._open: OrderedDict[Path, int] = OrderedDict()

    def get(self, path: Path) -> int:
        """A descriptor to append to and read from; good until the next call."""
        fd = self._open.get(path)
        if fd is None:
            fd = self._open[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            if len(self._open) > self._limit:
                os.close(self._open.popitem(last=False)[1])
        self._open.move_to_end(path)
        return fd

    def close(self, path: Path) -> None:
        """Close one file, if it is open."""
        fd = self._open.pop(path, None)
        if fd is not None:
            os.close(fd)

    def close_all(self) -> None:
        """Close every file."""
        for path in tuple(self._open):
            self.close(path)


def write_whole(fd: int, data: bytes, end: int) -> None:
    """Add `data` to a file of `end` bytes. Where that fails, on a full disk for instance, nothing of it is there."""
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError:
        os.ftruncate(fd, end)
        raise


class FileBlobs:
    """The batches of one partition in its folder."""

    def __init__(self, folder: Path, files: OpenFiles, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._files = files
        self._segment_bytes = segment_bytes
        self._segments: list[Path] = []
        self._starts: list[int] = []  # position of each segment's first byte, counted as the log's edges are
        self._end = 0

    def recover(self) -> Iterator[tuple[Header, Callable[[], bytes]]]:
        """Every batch that lies here already. What a kill left unfinished at the end is cut off."""
        self._folder.mkdir(parents=True, exist_ok=True)
        expected = -1
        for path in sorted(self._folder.glob("*.log")):
            start = self._end
            self._add_segment(path)
            for header, batch in _whole_batches(path):
                if expected not in (-1, header.base_offset):
                    break
                expected = header.last_offset + 1
                self._end += header.size
                yield header, batch
            os.truncate(path, self._end - start)

    def append(self, data: bytes) -> None:
        """Add a batch."""
        if not self._segments or self._end - self._starts[-1] >= self._segment_bytes:
            self._add_segment(self._folder / f"{read_header(data).base_offset:020}.log")
        write_whole(self._files.get(self._segments[-1]), data, self._end - self._starts[-1])
        self._end += len(data)

    def read(self, first: int, last: int, edges: array[int]) -> list[bytes]:
        """The batches `first` up to but not including `last`, as one piece per segment."""
        pieces = []
        position, end = edges[first], edges[last]
        while position < end:
            segment = bisect_right(self._starts, position) - 1
            stop = self._starts[segment + 1] if segment + 1 < len(self._starts) else self._end
            size = min(end, stop) - position
            pieces.append(os.pread(self._files.get(self._segments[segment]), size, position - self._starts[segment]))
            position += size
        return pieces

    def drop(self, count: int, edges: array[int]) -> None:
        """Remove the segments that lie wholly within the first `count` batches."""
        start = edges[count]
        while self._segments and (self._starts[1] if len(self._starts) > 1 else self._end) <= start:
            path = self._segments.pop(0)
            self._starts.pop(0)
            self._files.close(path)
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files."""
        for path in self._segments:
            self._files.close(path)

    def delete(self) -> None:
        """Remove the folder."""
        self.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _add_segment(self, path: Path) -> None:
        self._segments.append(path)
        self._starts.append(self._end)


def _whole_batches(path: Path) -> Iterator[tuple[Header, Callable[[], bytes]]]:
    """The batches of a segment up to the first that is not whole."""
    size = path.stat().st_size
    if size < HEADER.size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        position = 0
        while position + HEADER.size <= size:
            header = read_header(data, position)
            end = position + header.size
            if header.magic != 2 or header.size < HEADER.size or end > size:
                return
            yield header, lambda start=position, end=end: data[start:end]  # type: ignore[misc]
            position = end
