from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from express.devbroker.batch import crc32c, marker, placed, read_header
from express.devbroker.log import Log, MemoryBlobs
from express.devbroker.storage import FileBlobs, OpenFiles
from tests.kafka.wire import record_batch

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4)),
        st.tuples(st.just("drop"), st.integers(0, 30)),
        st.tuples(st.just("shrink"), st.integers(0, 600)),
    ),
    max_size=30,
)


def append(log: Log, records: int) -> bytes:
    """Append a batch of so many records."""
    data = placed(record_batch(*[b"%03d" % number for number in range(records)]), log.next_offset)
    log.append(read_header(data), data)
    return data


def reads_back(log: Log, batches: list[bytes]) -> None:
    """Whatever is read is what lies there, from every offset, within every limit."""
    kept = [data for data in batches if read_header(data).last_offset >= log.start_offset]
    for offset in range(log.start_offset, log.next_offset):
        expected = [data for data in kept if read_header(data).last_offset >= offset]
        everything = b"".join(log.read(offset, log.next_offset, 1 << 20, at_least_one=True))
        assert everything == b"".join(expected)
        assert b"".join(log.read(offset, log.next_offset, 1, at_least_one=True)) == expected[0]
        assert log.read(offset, log.next_offset, 1, at_least_one=False) == []
        limit = len(expected[0]) + 1
        assert b"".join(log.read(offset, log.next_offset, limit, at_least_one=False)) == expected[0]
    assert log.read(log.next_offset, log.next_offset, 1000, at_least_one=True) == []


def run(log: Log, steps: list[tuple[str, int]]) -> list[bytes]:
    """Do the steps; the batches that were appended."""
    batches = []
    for what, number in steps:
        if what == "append":
            batches.append(append(log, number))
        elif what == "drop":
            log.drop_before(number)
        else:
            log.shrink_to(number)
    return batches


@given(STEPS)
def test_a_log_in_memory_gives_what_it_was_given(steps: list[tuple[str, int]]) -> None:
    """After any appends and deletions, reads give exactly the batches that are left."""
    log = Log(MemoryBlobs())
    reads_back(log, run(log, steps))


@given(steps=STEPS)
def test_a_log_in_files_is_the_same(tmp_path_factory: object, steps: list[tuple[str, int]]) -> None:
    """So does a log in files, over several segments and with fewer open files than segments."""
    folder = Path(tmp_path_factory.mktemp("log"))  # type: ignore[attr-defined]
    files = OpenFiles(limit=2)
    log = Log(FileBlobs(folder, files, segment_bytes=300))
    list(log.blobs.recover())
    batches = run(log, steps)
    reads_back(log, batches)
    files.close_all()
    again = Log(FileBlobs(folder, OpenFiles(), segment_bytes=300))
    for header, batch in again.blobs.recover():
        assert batch() in batches
        again.index(header)
    again.start_at(log.start_offset)

    assert (again.start_offset, again.next_offset) == (log.start_offset, log.next_offset)
    reads_back(again, batches)
    again.blobs.close()


def test_what_a_kill_left_unfinished_is_cut_off(tmp_path: Path) -> None:
    """A batch that was not written whole was never acknowledged: it is gone after a restart, and the log goes on."""
    files = OpenFiles()
    log = Log(FileBlobs(tmp_path, files))
    list(log.blobs.recover())
    whole = append(log, 3)
    append(log, 3)
    files.close_all()
    (segment,) = tmp_path.glob("*.log")
    segment.write_bytes(segment.read_bytes()[:-5])
    again = Log(FileBlobs(tmp_path, files))
    for header, _ in again.blobs.recover():
        again.index(header)
    assert again.next_offset == 3
    assert segment.read_bytes() == whole
    reads_back(again, [whole, append(again, 2)])
    files.close_all()


def test_a_search_by_time_finds_the_first_batch() -> None:
    """Times need not rise from batch to batch: the first one that reaches the time is found."""
    log = Log(MemoryBlobs())
    for records in (1, 30, 2):
        append(log, records)
    start = 1_700_000_000_000
    found = [log.at_time(start + delta) for delta in (0, 1, 29, 30)]

    assert [data and read_header(data).base_offset for data in found] == [0, 1, 1, None]
    assert log.latest() == found[1]


def test_a_marker_is_a_sound_control_batch() -> None:
    """Clients check its checksum and read its type."""
    for committed in (True, False):
        data = marker(7, 5, 2, committed, 1_700_000_000_000)
        header = read_header(data)

        assert (header.base_offset, header.last_offset, header.producer_id, header.producer_epoch) == (7, 7, 5, 2)
        assert (header.size, header.is_control, header.is_transactional) == (len(data), True, True)
        assert header.crc == crc32c(data[21:])
