"""Whole services, on the development broker and on a real Kafka: drained, killed, drained again, told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from express.errors import ConfigError
from express.service.prepare import BrokenWorkflow, prepare
from express.service.service import Service
from express.service.worker import UNREAD_BYTES, ReportPipe
from tests.patience import PATIENCE
from tests.service.kit import BLOCK, DOUBLE, Gate, Lab, get, until


def numbers(count: int) -> list[bytes]:
    return [b'{"n": %d}' % n if n % 50 else b"poison" for n in range(1, count + 1)]


def ended(service: Service) -> int:
    data = service.totals.overall()
    return int(sum(data.get(name, 0) for name in ("succeeded", "failed", "poison")))


async def scraped(service: Service) -> Iterator[tuple[str, float]]:
    """The samples of /metrics, labels and all."""
    lines = (await get(f"{service.url}/metrics"))[1].splitlines()
    return ((name, float(value)) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#"))


async def adds_up(service: Service) -> bool:
    """Whether started = ended + in flight in one scrape."""
    started = accounted = 0.0
    for name, value in await scraped(service):
        if name.startswith("express_executions_started_total"):
            started += value
        elif name.startswith(("express_executions_total", "express_in_flight_executions")):
            accounted += value
    return started == accounted


async def test_every_record_gets_its_terminal_record(address: str, tmp_path: Path) -> None:
    """Two workers drain a topic: a result or a dead letter for each record, none twice after a clean stop."""
    lab = Lab(address, tmp_path, DOUBLE)
    await lab.prepare()
    async with lab.service(2) as service:
        assert await service.ready(PATIENCE), lab.logs
        await lab.produce(numbers(2_000))
        await until(lambda: ended(service) == 2_000)
        assert await adds_up(service)
    found = await lab.count()

    assert lab.exit_code == 0
    assert (found.expected, found.found, found.duplicates, found.dead_letters) == (2_000, 2_000, 0, 40)
    assert found.statuses == {"SUCCEEDED": 1_960}


@pytest.mark.parametrize("delivery", ["at_least_once", "exactly_once"])
async def test_kill_minus_nine_loses_nothing(
    address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, delivery: str
) -> None:
    """A worker that is killed in the middle is replaced, what it had is done again, and the counters add up.

    Exactly once, no reader of committed records sees any of it twice.
    """
    lab = Lab(address, tmp_path, DOUBLE)
    await lab.prepare()
    async with lab.service(2, f"pipelines.0.delivery={delivery}") as service:
        assert await service.ready(PATIENCE), lab.logs
        producing = asyncio.create_task(lab.produce(numbers(20_000)))
        await until(lambda: ended(service) > 2_000)
        os.kill(service.supervisor.pids[0], signal.SIGKILL)
        await until(lambda: service.totals.deaths == {0: 1})
        assert await adds_up(service)
        await producing
        while (await lab.count()).missing:
            assert await adds_up(service)
            await asyncio.sleep(0.1)
    found = await lab.count()

    assert (found.expected, found.missing, lab.exit_code) == (20_000, 0, 0)
    assert delivery == "at_least_once" or found.duplicates == 0
    assert "worker 0 ended with -9; starts again" in caplog.text


async def test_a_stop_finishes_what_runs(devbroker_process: str, tmp_path: Path) -> None:
    """Told to stop, a service is not ready any more within a second, finishes its executions, commits, ends with 0."""
    lab = Lab(devbroker_process, tmp_path, BLOCK)
    await lab.prepare(1)
    async with Gate() as gate, lab.service(1) as service:
        assert await service.ready(PATIENCE), lab.logs
        assert (await get(f"{service.url}/readyz"))[0] == 200
        await lab.produce([gate.record])
        await gate.knocked.wait()
        service.stop()
        status, body = await get(f"{service.url}/readyz")
        assert (status, "draining" in body) == (503, True)
        assert (await get(f"{service.url}/startupz"))[0] == 200
        gate.open()
    found = await lab.count()

    assert (lab.exit_code, found.statuses) == (0, {"SUCCEEDED": 1})
    assert service.totals.overall()["commits"] >= 1


async def test_a_second_stop_does_not_wait(devbroker_process: str, tmp_path: Path) -> None:
    """The second order to stop kills: nothing is committed that was not finished, and the exit code says so."""
    lab = Lab(devbroker_process, tmp_path, BLOCK)
    await lab.prepare(1)
    async with Gate() as gate, lab.service(1) as service:
        assert await service.ready(PATIENCE), lab.logs
        await lab.produce([gate.record])
        await gate.knocked.wait()
        service.stop()
        service.stop()

    assert lab.exit_code == 1
    assert (await lab.count()).found == 0


async def test_executions_that_do_not_end_are_replayed(devbroker_process: str, tmp_path: Path) -> None:
    """What does not finish within `workers.drain` is given up without a terminal record, and runs again next time."""
    lab = Lab(devbroker_process, tmp_path, BLOCK)
    await lab.prepare(1)
    async with Gate() as gate:
        async with lab.service(1, "workers.drain=100ms") as service:
            assert await service.ready(PATIENCE), lab.logs
            await lab.produce([gate.record])
            await gate.knocked.wait()
        assert (await lab.count()).found == 0

        gate.open()
        async with lab.service(1) as service:
            await until(lambda: ended(service) == 1)
    assert (await lab.count()).statuses == {"SUCCEEDED": 1}


async def test_a_worker_dies_with_its_parent(devbroker_process: str, tmp_path: Path) -> None:
    """A worker whose parent is gone drains and ends by itself."""
    lab = Lab(devbroker_process, tmp_path, DOUBLE)
    await lab.prepare(1)
    job = prepare(lab.config())
    read, write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "express.service.worker", str(write)),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=[write],
    )
    os.close(write)
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(job.encode())
    reports = os.fdopen(read)
    await asyncio.to_thread(reports.readline)
    process.stdin.close()

    assert await process.wait() == 0
    assert b"parent process is gone" in await process.stderr.read()
    reports.close()


def worker_of(lab: Lab, error: int) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """A worker as the supervisor starts it, and the end of its reports."""
    read, write = os.pipe()
    command = [sys.executable, "-m", "express.service.worker", str(write)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=error, pass_fds=[write])
    os.close(write)
    return process, os.fdopen(read, "rb")


@pytest.mark.parametrize("gone", ["reports", "both"])
async def test_a_worker_whose_reports_nobody_reads_says_one_sentence(
    devbroker_process: str, tmp_path: Path, gone: str
) -> None:
    """The parent was killed: both pipes break, in any order. It drains, ends with 0 and prints no traceback."""
    lab = Lab(devbroker_process, tmp_path, DOUBLE)
    await lab.prepare(1)
    process, reports = worker_of(lab, subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(prepare(lab.config()).encode())
    process.stdin.flush()
    await asyncio.to_thread(reports.readline)
    reports.close()
    if gone == "both":
        process.stdin.close()
        process.stdin = None
    _, told = await asyncio.to_thread(process.communicate)

    assert [line.partition(b": ")[2] for line in told.splitlines()] == [b"the parent process is gone; draining"]
    assert process.returncode == 0


@pytest.mark.parametrize("order", [b"", b"{"])
def test_a_worker_that_is_told_nothing_ends(devbroker_process: str, tmp_path: Path, order: bytes) -> None:
    """The parent was killed before it had said all of what to do: nothing was begun, so nothing is said."""
    process, reports = worker_of(Lab(devbroker_process, tmp_path, DOUBLE), subprocess.PIPE)
    with reports:
        _, told = process.communicate(order)

    assert (process.returncode, told) == (0, b"")


async def test_a_worker_whose_log_is_full_ends_as_always(devbroker_process: str, tmp_path: Path) -> None:
    """stderr takes nothing from the first line on: the exit code is that of what it did."""
    lab = Lab(devbroker_process, tmp_path, DOUBLE)
    await lab.prepare(1)
    full = os.open("/dev/full", os.O_WRONLY)
    process, reports = worker_of(lab, full)
    os.close(full)
    assert process.stdin is not None
    process.stdin.write(prepare(lab.config()).encode())
    process.stdin.flush()
    await asyncio.to_thread(reports.readline)
    process.stdin.close()
    with reports:
        await asyncio.to_thread(reports.read)
    assert await asyncio.to_thread(process.wait) == 0


async def test_a_parent_that_does_not_read_costs_a_bounded_pile() -> None:
    """One that is stopped, not killed: reports are left out once so many bytes wait, and come again when it reads."""
    read, write = os.pipe()
    loop = asyncio.get_running_loop()
    _, pipe = await loop.connect_write_pipe(ReportPipe, os.fdopen(write, "wb"))
    piled = 0
    while pipe.takes:
        pipe.send(b"x" * 65_536)
        piled += 65_536
    assert UNREAD_BYTES <= piled < UNREAD_BYTES + 65_536 + (1 << 20)  # what the pipe itself holds
    with os.fdopen(read, "rb") as reader:
        await asyncio.to_thread(reader.read, piled)
    await until(lambda: pipe.takes)
    pipe.send(b"to nobody")
    await pipe.gone.wait()
    pipe.send(b"to nobody")
    assert not pipe.takes


@pytest.mark.parametrize(
    ("setting", "code", "said"),
    [
        ("functions.double=tests.service.nowhere:f", 104, "there is no module"),
        ("functions.double=tests.integrations.crashing:handler", 107, "no licence"),
        ("pipelines.numbers.workflow={folder}/unregistered.asl.json", 104, "no function is registered for 'dubble'"),
    ],
)
async def test_hopeless_workers_are_not_started_again(
    devbroker_process: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: str,
    code: int,
    said: str,
) -> None:
    """A worker that can't start for want of a right configuration or handler ends the service, with its exit code."""
    monkeypatch.setenv("EXPRESS_TEST_CRASH", "1")
    lab = Lab(devbroker_process, tmp_path, DOUBLE)
    other = tmp_path / "unregistered.asl.json"
    other.write_text((tmp_path / "machine.asl.json").read_text().replace('"double"', '"dubble"'))
    async with lab.service(2, setting.format(folder=tmp_path)) as service:
        assert not await service.ready(PATIENCE)

    assert lab.exit_code == code
    assert any(said in line for line in lab.logs)


def test_mistakes_are_found_before_processes_start(tmp_path: Path) -> None:
    """Definitions, client properties, price tables and empty configurations are checked in the parent."""
    lab = Lab("127.0.0.1:1", tmp_path, {"StartAt": "A", "States": {}})
    with pytest.raises(BrokenWorkflow) as caught:
        prepare(lab.config())
    assert caught.value.file == str(tmp_path / "machine.asl.json")

    lab = Lab("127.0.0.1:1", tmp_path, DOUBLE)
    with pytest.raises(ConfigError, match="did you mean 'aws'"):
        prepare(lab.config("metering.table=awss"))
    with pytest.raises(ConfigError, match="no client knows"):
        prepare(lab.config("kafka.client.colour=red"))
    with pytest.raises(ConfigError, match="no \\[\\[pipelines"):
        prepare(lab.config("pipelines=[]"))
    with pytest.raises(ConfigError, match="can't be read"):
        prepare(lab.config("pipelines.numbers.workflow=/nowhere.asl.json"))
    chosen = ("pipelines.numbers.input.workflow_header=w", "pipelines.numbers.workflows=['elsewhere/machine.json']")
    with pytest.raises(ConfigError, match="there are two workflows named 'machine'"):
        prepare(lab.config(*chosen))
