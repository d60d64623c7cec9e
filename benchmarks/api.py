"""StartSyncExecution of the six-state workflow, 32 connections: throughput, latency, CPU, and what is transport.

    python -m benchmarks.api [--quick] [--json FILE] [--connections 32]

Each server runs in a process of its own and is driven over plain sockets by this one; CPU is the server's, from the
kernel. `w2` is the workflow with its Task, a local function in our server. moto's server has no StartSyncExecution
and would want Docker for a Lambda function: beside it both run the workflow with a Pass in place of the Task, by
StartExecution and then DescribeExecution until the execution is over, which is how one gets a result out of moto.

`transport` is the CPU of a request less that of its execution, which is measured in this process: parsing the HTTP
request, the door, JSON in and out, the answer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import uvloop

from benchmarks import hand
from express.api.actions.machines import create_state_machine
from express.api.executions import Request
from express.config import Api, Function
from express.service.api import ApiServer
from express.values import loads

ROOT = Path(__file__).parents[1]
WORKLOAD = json.loads((Path(__file__).parent / "workloads" / "w2.json").read_text())
INPUT = json.dumps(WORKLOAD["input"], separators=(",", ":"))
ROLE = "arn:aws:iam::123456789012:role/r"
TICKS = os.sysconf("SC_CLK_TCK")
POLL_SECONDS = 0.01
"""Between two looks at an execution that still runs: asking without a pause would leave moto no time to run it."""


class Figures(NamedTuple):
    """One row: executions per second, milliseconds of latency, CPU microseconds of the server per execution."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


async def score(event: Any, context: Any) -> Any:
    """The task of w2."""
    return await hand.score(event)


def definition(*, task: bool) -> str:
    """W2, or W2 with a Pass that gives what the task would."""
    machine = json.loads(json.dumps(WORKLOAD["definition"]))
    if not task:
        level = {"level": WORKLOAD["expect"]["level"]}
        machine["States"]["Score"] = {"Type": "Pass", "Parameters": level, "ResultPath": "$.score", "Next": "Route"}
    return json.dumps(machine)


def request(action: str, **members: Any) -> bytes:
    """An HTTP request as SDKs send it, with a signature that nobody here checks."""
    body = json.dumps(members).encode()
    head = (
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\n"
        f"X-Amz-Target: AWSStepFunctions.{action}\r\nContent-Type: application/x-amz-json-1.0\r\n"
        "User-Agent: Boto3/1.43 md/Botocore#1.43 ua/2.1 os/linux lang/python#3.11 cfg/retry-mode#legacy\r\n"
        "X-Amz-Date: 20260115T083000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AK/20260115/us-east-1/states/"
        "aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=0\r\n"
        f"amz-sdk-invocation-id: 0\r\namz-sdk-request: attempt=1\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


# Servers -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def express(*settings: str) -> Iterator[tuple[int, int]]:
    """`express serve`: port and process id."""
    with tempfile.TemporaryDirectory() as folder:
        config = '[functions]\nscore = { handler = "benchmarks.api:score" }\n[metrics]\nport = 0\n'
        (Path(folder) / "express.toml").write_text(config)
        options = [part for setting in settings for part in ("--set", setting)]
        process = subprocess.Popen(
            [sys.executable, "-m", "express", "serve", "--port", "0", "--ephemeral", *options],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        try:
            yield int(process.stderr.readline().split()[-1].rpartition(":")[2]), process.pid
        finally:
            process.terminate()
            process.communicate()


@contextlib.contextmanager
def moto() -> Iterator[tuple[int, int]]:
    """moto's server, told to run state machines."""
    code = "import sys; from moto.server import main; main(sys.argv[1:])"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", code, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    body = json.dumps({"stepfunctions": {"execute_state_machine": True}}).encode()
    told = urllib.request.Request(
        f"http://127.0.0.1:{port}/moto-api/config", body, {"Content-Type": "application/json"}
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(told, timeout=5).close()
                break
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


# Load --------------------------------------------------------------------------------------------------


class Caller:
    """One connection, made anew where the server closes it after every answer, as moto's does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, raw: bytes) -> bytes:
        """The body of an answer. Raises RuntimeError unless it is 200."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._writer.write(raw)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        body = await self._reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        if b"connection: close" in head:
            self.close()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(body.decode())
        return body

    def close(self) -> None:
        """Close it."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def sync(self, arn: str) -> None:
        """One execution with its result."""
        answer = await self.ask(self.sync_request)
        assert b'"SUCCEEDED"' in answer

    sync_request = b""

    async def polled(self, arn: str) -> None:
        """One execution, started and looked at until it is over."""
        started = json.loads(
            await self.ask(request("StartExecution", stateMachineArn=arn, name=uuid4().hex, input=INPUT))
        )
        look = request("DescribeExecution", executionArn=started["executionArn"])
        answer = await self.ask(look)
        while b'"RUNNING"' in answer:
            await asyncio.sleep(POLL_SECONDS)
            answer = await self.ask(look)
        assert b'"SUCCEEDED"' in answer


async def measure(
    server: tuple[int, int], connections: int, seconds: float, *, task: bool, polled: bool, kind: str = "EXPRESS"
) -> Figures:
    """Drive a server as fast as it goes."""
    port, pid = server
    callers = [Caller(port) for _ in range(connections)]
    members = {"name": "w2", "definition": definition(task=task), "roleArn": ROLE, "type": kind}
    arn = json.loads(await callers[0].ask(request("CreateStateMachine", **members)))["stateMachineArn"]
    Caller.sync_request = request("StartSyncExecution", stateMachineArn=arn, input=INPUT)
    latencies: list[float] = []

    async def go_on(caller: Caller, until: float) -> None:
        act: Callable[[str], Awaitable[None]] = caller.polled if polled else caller.sync
        while (began := time.perf_counter()) < until:
            await act(arn)
            latencies.append(time.perf_counter() - began)

    for length in (min(seconds, 0.5), seconds):  # the first is for warming up
        latencies.clear()
        began, used = time.perf_counter(), cpu_seconds(pid)
        await asyncio.gather(*(go_on(caller, began + length) for caller in callers))
        took, used = time.perf_counter() - began, cpu_seconds(pid) - used
    for caller in callers:
        caller.close()
    latencies.sort()
    count = len(latencies)
    return Figures(count / took, latencies[count // 2] * 1e3, latencies[int(count * 0.99)] * 1e3, used / count * 1e6)


async def execution_cpu(count: int, *, history: bool) -> float:
    """CPU microseconds of one execution in this process, through the same object that answers the API."""
    functions = {"score": Function(handler="benchmarks.api:score")}
    server = ApiServer(Api(port=0, store="", history=history), functions)
    await server.start()
    try:
        registry = server.api.registry
        text = definition(task=True)
        arn = (
            await create_state_machine(
                server.api, {"name": "w2", "definition": text, "roleArn": ROLE, "type": "EXPRESS"}
            )
        )["stateMachineArn"]
        target = await registry.target(arn)
        best = float("inf")
        for _ in range(5):
            began = time.process_time()
            for _ in range(count):
                data = loads(INPUT)
                await server.executions.run(Request(target=target, text=INPUT, data=data, sync=True))
            best = min(best, time.process_time() - began)
        return best / count * 1e6
    finally:
        await server.stop()


# Tables ------------------------------------------------------------------------------------------------


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api")
    parser.add_argument("--quick", action="store_true", help="half a second each")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    seconds = 0.5 if options.quick else 5.0

    def run(server: tuple[int, int], **how: Any) -> Figures:
        return uvloop.run(measure(server, options.connections, seconds, **how))

    rows: dict[str, Figures] = {}
    with express("api.history=false") as server:
        rows["express, w2, sync"] = run(server, task=True, polled=False)
    with express() as server:
        rows["express, w2, sync, executions kept"] = run(server, task=True, polled=False)
    with express("api.kept.samples_per_second=1e9") as server:  # every execution is looked at afterwards
        rows["express, no task, start and describe"] = run(server, task=False, polled=True)
    with moto() as server:
        rows["moto, no task, start and describe"] = run(server, task=False, polled=True, kind="STANDARD")
    print(f"{'':38} {'exec/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>9}")
    for name, row in rows.items():
        print(f"{name:38} {row.per_second:9,.0f} {row.p50_ms:8.1f} {row.p99_ms:8.1f} {row.cpu_us:9,.1f}")
    ratio = (
        rows["express, no task, start and describe"].per_second / rows["moto, no task, start and describe"].per_second
    )
    execution = uvloop.run(execution_cpu(200 if options.quick else 5_000, history=False))
    transport = rows["express, w2, sync"].cpu_us - execution
    print(f"\nmoto's throughput, times {ratio:,.0f}")
    print(f"CPU of the execution {execution:.1f} us, of the transport {transport:.1f} us")
    if options.json:
        data = {"rows": {name: row._asdict() for name, row in rows.items()}, "ratio": ratio}
        Path(options.json).write_text(json.dumps({**data, "execution_us": execution, "transport_us": transport}))


if __name__ == "__main__":
    main()
