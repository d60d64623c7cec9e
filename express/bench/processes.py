"""The processes of a run: started with a plan on stdin, told to stop by SIGTERM, and killed if they do not."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import PIPE, Process

from express.bench.generator import affinity
from express.bench.plan import BenchFailed
from express.bench.protocol import FRAME_HEAD, frame_head

END_SECONDS = 10.0
HASTE_SECONDS = 0.2
LONGEST_LINE = 64 << 20
"""A generator that drops tells of every event it has dropped since its last report."""


class Processes:
    """All of one run."""

    def __init__(self) -> None:
        self._all: list[Process] = []
        self._stopping = False

    async def spawn(self, module: str, plan: bytes, fd: int | None = None) -> Process:
        """Start `express.bench.MODULE`, with a descriptor if it needs one."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"express.bench.{module}", *([] if fd is None else [str(fd)])),
            stdin=PIPE,
            stdout=PIPE,
            stderr=None,
            pass_fds=() if fd is None else (fd,),
            start_new_session=True,
            limit=LONGEST_LINE,
        )
        self._all.append(process)
        if self._stopping:  # the order came while the process was made
            process.terminate()
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):
            process.stdin.write(plan)
            await process.stdin.drain()
        return process

    def stop(self) -> None:
        """SIGTERM to all that run, and to those that are still to come."""
        self._stopping = True
        for process in self._all:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)

    async def end(self, *, hasty: bool) -> None:
        """Wait for all; kill those that take too long."""
        for process in self._all:
            try:
                async with asyncio.timeout(HASTE_SECONDS if hasty else END_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
                with contextlib.suppress(TimeoutError):  # its end is not noticed while its output is not read
                    async with asyncio.timeout(HASTE_SECONDS):
                        await process.wait()


async def read_frame(process: Process, name: str) -> tuple[bytes, bytes]:
    """Kind and body of the next frame on stdout. Raises BenchFailed at the end."""
    assert process.stdout is not None
    try:
        kind, size = frame_head(await process.stdout.readexactly(FRAME_HEAD))
        return kind, await process.stdout.readexactly(size)
    except asyncio.IncompleteReadError:
        raise BenchFailed(f"the {name} ended with {await process.wait()} before the run was over") from None


def cpus() -> tuple[int | None, int | None]:
    """One processor for the worker and another for the generator, where there are four or more."""
    free = affinity()
    return (free[0], free[1]) if len(free) >= 4 else (None, None)
