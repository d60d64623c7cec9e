"""The execution log's file: everything is written, rotation keeps so many, and nothing ever waits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from express.telemetry.execution_log.file import LogFile


def test_what_was_taken_is_written(tmp_path: Path) -> None:
    """After close everything is in the file, behind what was there before."""
    path = tmp_path / "deep" / "log"
    for round_ in (b"a\n", b"b\n"):
        sink = LogFile(str(path))
        sink.write(round_)
        sink.write(b"")
        sink.close()

    assert path.read_bytes() == b"a\nb\n"


def test_a_full_file_is_rotated(tmp_path: Path) -> None:
    """No file is larger than the size, and the oldest goes."""
    sink = LogFile(str(tmp_path / "log"), size=10, files=3)
    for i in range(5):
        sink.write(b"%d234567\n" % i)
    sink.close()

    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {
        "log": b"4234567\n",
        "log.1": b"3234567\n",
        "log.2": b"2234567\n",
    }


def test_a_single_file_starts_anew(tmp_path: Path) -> None:
    """With one file there is nothing to keep."""
    sink = LogFile(str(tmp_path / "log"), size=10, files=1)
    sink.write(b"1234567\n")
    sink.write(b"7654321\n")
    sink.close()

    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"7654321\n"]


def test_what_does_not_fit_is_dropped_and_counted(tmp_path: Path) -> None:
    """The buffer bounds memory; events are counted, not calls."""
    sink = LogFile(str(tmp_path / "log"), buffer=4)
    sink.write(b"1\n2\n3\n")
    sink.close()

    assert sink.dropped == 3
    assert not (tmp_path / "log").exists()


def test_a_folder_that_is_none_costs_the_log_only(tmp_path: Path) -> None:
    """Write errors are counted, and the sink goes on."""
    (tmp_path / "file").write_text("")
    sink = LogFile(str(tmp_path / "file" / "log"))
    sink.write(b"1\n")
    sink.write(b"2\n")
    sink.close()

    assert sink.dropped == 2


def test_stdout_gets_the_lines() -> None:
    """`-` is stdout."""
    program = "from express.telemetry.execution_log.file import LogFile; s = LogFile('-'); s.write(b'x\\n'); s.close()"

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout == b"x\n"


FILLED = """
import logging, resource, sys
from express.telemetry.execution_log.file import LogFile
logging.basicConfig(format="%(message)s")
sink = LogFile(sys.argv[1])
def write(lines):
    sink.write(lines)
    while not sink._queue.empty() or sink._room != 16 << 20: pass
write(b"1" * 50 + b"\\n")
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
write(b"2" * 60 + b"\\n" + b"3" * 60 + b"\\n")
write(b"4" * 60 + b"\\n")
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
write(b"5" * 60 + b"\\n")
sink.close()
print(sink.dropped)
"""


def test_a_full_disk_costs_whole_lines_and_is_told_twice(tmp_path: Path) -> None:
    """A sentence when it begins and one when it is over; no half line stays, and what is lost is counted."""
    log = tmp_path / "log"
    ended = subprocess.run([sys.executable, "-c", FILLED, str(log)], capture_output=True, check=True)

    assert log.read_bytes() == b"1" * 50 + b"\n" + b"5" * 60 + b"\n"
    assert ended.stderr.decode().splitlines() == [
        f"the execution log {log} can't be written: [Errno 27] File too large",
        f"the execution log {log} is written again; 3 events of it are lost",
    ]
    assert ended.stdout == b"3\n"


def test_a_full_stdout_costs_the_log_only() -> None:
    """One sentence, exit code 0, and nothing at the end of the process."""
    program = "from express.telemetry.execution_log.file import LogFile as L; s = L('-'); s.write(b'x\\n'); s.close()"
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, check=False)

    assert ended.stderr == b"the execution log stdout can't be written: [Errno 28] No space left on device\n"
    assert ended.returncode == 0
