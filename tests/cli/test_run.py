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

from tests.devbroker.test_persistence import Killable
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
            assert "express: draining 1 executions, 30 s left" in line_with(process, "draining")
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
            assert "draining" in line_with(process, "draining")
            process.send_signal(signal.SIGINT)
            assert process.wait() == 1


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """The next line of stderr that has `text`."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"it ended without {text!r}")


async def test_what_is_served_and_how_the_connection_is(tmp_path: Path) -> None:
    """A line per pipeline, and one each when it is connected, when the broker was killed and when it is there again."""
    broker = Killable(tmp_path / "data")
    lab = Lab(broker.start(), tmp_path, DOUBLE)
    try:
        await lab.prepare(1)
        with started(lab, "--workers", "1") as process:
            url_of(process)
            told = line_with(process, "pipeline numbers")
            assert told == (
                f"express: pipeline numbers reads {lab.topics[0]}, runs {tmp_path / 'machine.asl.json'}, "
                f"writes {lab.topics[1]}, dead letters to {lab.topics[2]}\n"
            )
            assert await asyncio.to_thread(line_with, process, "onnected to Kafka") == (
                "express: connected to Kafka: 1 worker drains the topics\n"
            )
            broker.stop()
            gone = await asyncio.to_thread(line_with, process, "gone")
            assert gone.startswith(f"express: Kafka is gone: {lab.properties['bootstrap_servers']}: ")
            broker.start()
            back = await asyncio.to_thread(line_with, process, "back")
            assert re.fullmatch(r"express: Kafka is back after \d+ s: 1 worker drains the topics\n", back)
            await lab.produce([b'{"n": 1}'])
            await lab.complete()
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait) == 0
    finally:
        broker.stop()


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
