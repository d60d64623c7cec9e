"""The broker as a command."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kafka.clients import end_offset, producer
from tests.patience import PATIENCE

RUN = [sys.executable, "-c", "from express.cli import main; main()", "broker", "--port", "0"]


@contextmanager
def running(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command with these options: its address, and its process."""
    with subprocess.Popen([*RUN, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.terminate()


async def test_express_broker_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    """`express broker` prints its address alone, takes records for topics that are not there yet, and stops."""
    with running("--partitions", "3", "--data", str(tmp_path)) as (address, process):
        async with producer(address) as client:
            await client.send_and_wait("fresh", b"x", partition=2)
            assert len(await client.partitions_for("fresh")) == 3
        assert await end_offset(address, "fresh", 2) == 1
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)

    assert (process.returncode, out) == (0, "")
    assert "not for production" in err


def test_a_taken_folder_is_an_error(tmp_path: Path) -> None:
    """A second broker on the same folder ends with one sentence and exit code 1."""
    with running("--data", str(tmp_path)):
        command = [*RUN, "--data", str(tmp_path)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert second.returncode == 1
    assert second.stderr == f"express: another broker runs on {tmp_path}\n"
