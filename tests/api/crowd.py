"""A crowd before the door: idle connections, slow clients, smuggled and oversized requests; do others get through?

    python -m tests.api.crowd [--idle 2000] [--slow 200] [--seconds 15] [--rate 200]

The server is `express serve` in a process of its own. The crowd keeps at it: a connection that the server closes is
opened anew. Eight well-behaved clients in a third process meanwhile send StartSyncExecution at a steady rate; their
latency counts from when a request was due. All share the machine, so the figures are upper bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
MACHINE = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:m"
CLIENTS = 8
SMUGGLERS = 8
GLUTTONS = 4
P99_SECONDS = 0.1


def head(length: int | str, *more: str, action: str = "ListStateMachines") -> bytes:
    """The headers of a request."""
    lines = [
        "POST / HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/x-amz-json-1.0",
        f"X-Amz-Target: AWSStepFunctions.{action}",
        f"Content-Length: {length}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


SMUGGLED = {
    "te+cl": head(2, "Transfer-Encoding: chunked") + b"0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    "two-cl": head(2, "Content-Length: 5") + b"{}abc",
    "plus": head("+2") + b"{}",
    "blank-colon": head("2 ").replace(b"Content-Length:", b"Content-Length :") + b"{}",
    "bare-lf": b"POST / HTTP/1.1\nHost: localhost\n\n",
    "tls": b"\x16\x03\x01\x02\x00" + bytes(100),
    "long-header": head(2, "X: " + "y" * 20_000) + b"{}",
    "many-headers": head(2, *(f"X{i}: y" for i in range(500))) + b"{}",
}
"""Requests that two parsers could read differently, or that are too much."""

Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Place(NamedTuple):
    """Where the server is."""

    port: int
    metrics: str
    pid: int


class Inside(NamedTuple):
    """What the server says of itself: seconds of CPU, how often its loop was late or collecting, and by how much."""

    cpu: float
    late: dict[str, float]
    collecting: dict[str, float]

    def __str__(self) -> str:
        return f"{self.cpu:.2f} s of CPU; loop late {_over(self.late)}; garbage {_over(self.collecting)}"


def _over(buckets: dict[str, float]) -> str:
    """How many observations were above some bounds."""
    whole = buckets.get("+Inf", 0)
    above = {bound: whole - buckets[bound] for bound in ("0.01", "0.05", "0.1") if bound in buckets}
    shown = ", ".join(f"{count:.0f} over {float(bound) * 1e3:g} ms" for bound, count in above.items())
    return f"{whole:.0f} times seen, {shown}"


def inside(place: Place) -> Inside:
    """Ask the server."""
    with urllib.request.urlopen(f"{place.metrics}/metrics", timeout=PATIENCE) as answer:
        text = answer.read().decode()
    found: dict[str, dict[str, float]] = {"event_loop_lag": {}, "gc_pause": {}}
    for name, bound, value in re.findall(r'^express_(\w+)_seconds_bucket{le="([^"]+)"} (\S+)$', text, re.MULTILINE):
        if name in found:
            found[name][bound] = float(value)
    fields = Path(f"/proc/{place.pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    return Inside(ticks / os.sysconf("SC_CLK_TCK"), found["event_loop_lag"], found["gc_pause"])


class Figures(NamedTuple):
    """What the well-behaved clients saw, in seconds, and what the crowd got."""

    requests: int
    p50: float
    p99: float
    slowest: float
    failures: int
    open_connections: int
    hostile: int
    hostile_answered: int
    inside: Inside

    def __str__(self) -> str:
        return (
            f"{self.requests} requests beside {self.open_connections} hostile connections: "
            f"p50 {self.p50 * 1e3:.1f} ms, p99 {self.p99 * 1e3:.1f} ms, slowest {self.slowest * 1e3:.1f} ms, "
            f"{self.failures} failed; {self.hostile} hostile requests, {self.hostile_answered} of them answered 200; "
            f"server: {self.inside}"
        )


class Crowd:
    """Clients that mean harm, until they are sent away."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._tasks: list[asyncio.Task[None]] = []
        self.open = 0
        self.peak = 0
        self.sent = 0
        self.answered = 0

    def join(self, number: int, act: Act) -> None:
        """So many that do the same over and over."""
        self._tasks += [asyncio.create_task(self._over_and_over(act)) for _ in range(number)]

    async def leave(self) -> None:
        """All go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _over_and_over(self, act: Act) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.1)
                continue
            self.open += 1
            self.peak = max(self.peak, self.open)
            try:
                with contextlib.suppress(OSError, EOFError):
                    await act(reader, writer)
            finally:
                self.open -= 1
                writer.close()
            await asyncio.sleep(0.05)

    async def idle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say nothing until sent away."""
        await reader.read()

    def drip(self, data: bytes) -> Act:
        """Send the last part of a request byte by byte, one a second, and never end."""

        async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.sent += 1
            writer.write(data)
            while not reader.at_eof():
                await asyncio.sleep(1)
                writer.write(b"x")
                await writer.drain()

        return act

    async def deaf(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ask and ask, and never read the answers."""
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport that reads, too
        while True:
            self.sent += 1
            writer.write(head(2) + b"{}")
            await writer.drain()
            await asyncio.sleep(0.05)

    async def smuggle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request after the other that must not be understood."""
        request = list(SMUGGLED.values())[self.sent % len(SMUGGLED)]
        self.sent += 1
        writer.write(request)
        self.answered += (await reader.read()).startswith(b"HTTP/1.1 200")

    async def overeat(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """More than a request may have."""
        self.sent += 1
        writer.write(head(1 << 21) + bytes(1 << 21))
        await writer.drain()
        self.answered += (await reader.readline()).startswith(b"HTTP/1.1 200")


async def _client(port: int, until: float, every: float, latencies: list[float], failures: list[str]) -> None:
    """A well-behaved one: a request every so often, on one connection."""
    body = json.dumps({"stateMachineArn": ARN, "input": "{}"}).encode()
    request = head(len(body), action="StartSyncExecution") + body
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    due = time.monotonic()
    while due < until:
        await asyncio.sleep(max(due - time.monotonic(), 0))
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(answer.partition(b"Content-Length: ")[2].split(b"\r\n")[0]))
        latencies.append(time.monotonic() - due)
        if not answer.startswith(b"HTTP/1.1 200"):
            failures.append(answer.decode())
        due += every
    writer.close()


async def _clients(port: int, seconds: float, rate: float) -> None:
    """All of them; what they saw goes to stdout."""
    latencies: list[float] = []
    failures: list[str] = []
    until = time.monotonic() + seconds
    await asyncio.gather(*(_client(port, until, CLIENTS / rate, latencies, failures) for _ in range(CLIENTS)))
    print(json.dumps([latencies, len(failures)]))


async def _apart(port: int, seconds: float, rate: float) -> tuple[list[float], int]:
    """The clients in a process of their own: the crowd's loop is busy with the crowd."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.api.crowd", "--clients-of", str(port)),
        *("--seconds", str(seconds), "--rate", str(rate)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    latencies, failures = json.loads(out)
    return latencies, failures


@contextlib.asynccontextmanager
async def _server() -> AsyncIterator[Place]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "m.asl.json").write_text(json.dumps(MACHINE))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "express", "serve", "--port", "0", "--ephemeral"),
            *("--set", "metrics.port=0", "--set", "log.level=error", "m.asl.json"),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stderr is not None
        try:
            url = (await process.stderr.readline()).decode().split()[-1]
            while b"metrics and health" not in (line := await process.stderr.readline()):
                assert line, "the server has ended"
            yield Place(int(url.rpartition(":")[2]), line.decode().split()[-1], process.pid)
        finally:
            process.terminate()
            await process.communicate()


async def run(idle: int, slow: int, seconds: float, rate: float, *, crowded: bool = True) -> Figures:
    """Let the crowd come, or nobody, and measure what others see."""
    async with _server() as place:
        crowd = Crowd(place.port)
        crowd.join(idle, crowd.idle)
        crowd.join(slow // 2, crowd.drip(head(100)[:-2] + b"X: "))
        crowd.join(slow // 2, crowd.drip(head(100_000) + b"{"))
        crowd.join(slow // 10, crowd.deaf)
        crowd.join(SMUGGLERS if crowded else 0, crowd.smuggle)
        crowd.join(GLUTTONS if crowded else 0, crowd.overeat)
        while crowd.open < idle + slow:  # noqa: ASYNC110 - connections are opened by the tasks
            await asyncio.sleep(0.05)
        latencies, failures = await _apart(place.port, seconds, rate)
        seen = await asyncio.to_thread(inside, place)
        await crowd.leave()
    latencies.sort()
    count = len(latencies)
    return Figures(
        requests=count,
        p50=latencies[count // 2],
        p99=latencies[int(count * 0.99)],
        slowest=latencies[-1],
        failures=failures,
        open_connections=crowd.peak,
        hostile=crowd.sent,
        hostile_answered=crowd.answered,
        inside=seen,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.api.crowd")
    parser.add_argument("--idle", type=int, default=2_000)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--clients-of", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.clients_of:
        asyncio.run(_clients(options.clients_of, options.seconds, options.rate))
        sys.exit(0)
    alone = asyncio.run(run(0, 0, options.seconds, options.rate, crowded=False))
    print(f"alone    {alone}", flush=True)
    figures = asyncio.run(run(options.idle, options.slow, options.seconds, options.rate))
    print(f"crowded  {figures}")
    sys.exit(0 if figures.p99 <= P99_SECONDS and not figures.failures and not figures.hostile_answered else 1)
