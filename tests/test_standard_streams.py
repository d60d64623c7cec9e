"""Standard streams that nobody reads: messages are counted and never missed by the process, results are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from express.standard_streams import MessageStream, ResultStream

LOGGED = """
import logging, os, resource, sys
from express.telemetry.process_log import log_to_stderr
log_to_stderr("info", sys.argv[1], "test")
log = logging.getLogger("t")
log.info("first")
limit = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (os.fstat(2).st_size + 10, limit[1]))
log.info("second, torn")
log.info("third")
print("a print", file=sys.stderr)
resource.setrlimit(resource.RLIMIT_FSIZE, limit)
log.info("fourth")
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_log_on_a_full_disk_says_later_what_is_missing(tmp_path: Path, form: str) -> None:
    """No traceback, exit code 0, and one line with their number before the first that could be written again."""
    with (tmp_path / "log").open("wb") as log:
        ended = subprocess.run([sys.executable, "-c", LOGGED, form], stderr=log, check=False)
    lines = [line for line in (tmp_path / "log").read_text().splitlines() if line]

    assert ended.returncode == 0
    assert len(lines) == 4
    assert "first" in lines[0]
    assert len(lines[1]) == 10  # what the disk still took of the second
    assert "express: 3 lines could not be written here: File too large" in lines[2]
    assert "fourth" in lines[3]
    assert {line[:1] for line in lines} == ({"{"} if form == "json" else {"2"})


def test_a_message_that_nobody_reads_is_counted() -> None:
    """A pipe without a reader, a closed descriptor: what is written is taken, and told once somebody reads again."""
    read, write = os.pipe()
    os.close(read)
    stream = MessageStream(write)
    assert stream.write(b"lost\n") == 5
    os.close(write)
    assert stream.write(b"lost, too\n") == 10
    read, again = os.pipe()
    if again != write:
        os.dup2(again, write)
        os.close(again)
    assert stream.write(b"there\n") == 6
    assert stream.write(b"and there\n") == 10
    os.close(write)

    with os.fdopen(read, "rb") as reader:
        assert reader.read() == (b"express: 2 lines could not be written here: Bad file descriptor\nthere\nand there\n")


def test_a_result_that_nobody_reads_is_an_error_once() -> None:
    """The first failure is raised and kept; what comes later, at the end of the process for instance, is quiet."""
    read, write = os.pipe()
    os.close(read)
    stream = ResultStream(write)
    with pytest.raises(BrokenPipeError) as raised:
        stream.write(b"lost")
    assert stream.failure is raised.value
    assert stream.write(b"quiet") == 5
    os.close(write)
