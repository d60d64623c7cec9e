"""`express run` as a process: what it serves, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.service.kit import BLOCK, DOUBLE, Gate, Lab

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def started(lab: Lab, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`express run`, killed in the end if it still runs."""
    command = [sys.executable, "-m", "express", "run", "-c", str(lab.file), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    """Where it serves, from its first line."""
    assert process.stderr is not None
    found = re.search(r"http://\S+/metrics", process.stderr.readline())
    assert found is not None
    return found[0]


async def test_sigterm_drains(devbroker_process: str, tmp_path: Path) -> None:
    """It works until SIGTERM, tells what is left while it drains, finishes it and ends with 0."""
    lab = Lab(devbroker_process, tmp_path, BLOCK)
    await lab.prepare(1)
    async with Gate() as gate:
        with started(lab, "--workers", "1") as process:
            url = url_of(process)
            await lab.produce([gate.record])
            await gate.knocked.wait()
            assert b"express_workers 1.0" in urllib.request.urlopen(url).read()  # noqa: ASYNC210 # another process
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            assert "express: draining 1 executions, 30 s left" in process.stderr.readline()
            gate.open()
            await asyncio.to_thread(process.wait)
            assert process.returncode == 0
    assert (await lab.count()).statuses == {"SUCCEEDED": 1}


async def test_a_second_signal_does_not_wait(devbroker_process: str, tmp_path: Path) -> None:
    """The second signal ends it at once, and the exit code tells that something was cut off."""
    lab = Lab(devbroker_process, tmp_path, BLOCK)
    await lab.prepare(1)
    async with Gate() as gate:
        with started(lab) as process:
            url_of(process)
            await lab.produce([gate.record])
            await gate.knocked.wait()
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            assert "draining" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            assert process.wait() == 1


def test_a_broken_workflow_is_shown(tmp_path: Path) -> None:
    """A definition with mistakes is shown as `express validate` shows it, before any process starts."""
    lab = Lab("127.0.0.1:1", tmp_path, {**DOUBLE, "StartAt": "Dubble"})
    with started(lab) as process:
        _, err = process.communicate()

    assert process.returncode == 1
    assert "machine.asl.json:1:" in err
    assert "can't be run" in err


def test_nothing_to_do_is_an_error(tmp_path: Path) -> None:
    """A configuration without pipelines ends with 104."""
    lab = Lab("127.0.0.1:1", tmp_path, DOUBLE)
    with started(lab, "--set", "pipelines=[]") as process:
        _, err = process.communicate()

    assert (process.returncode, err) == (104, "express: nothing to do: the configuration has no [[pipelines]]\n")
