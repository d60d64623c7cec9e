"""One `express run` process under test, with its workers: started, asked, signalled, and always ended."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[2]
URL = re.compile(r"metrics at (http://\S+)/metrics")
READY_SECONDS = 60.0


async def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait for what no event tells. Raises RuntimeError that `what` does not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.01)


class Service:
    """`express run` with a configuration file. Its stderr is in `log`. `runner` is a command that runs it."""

    def __init__(
        self,
        config: Path,
        log: Path,
        workers: int = 1,
        runner: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self._log = log.open("wb")
        command = [*runner, sys.executable, "-m", "express", "run", "-c", str(config), "-w", str(workers)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._seen: set[int] = set()

    @property
    def pids(self) -> list[int]:
        """Its worker processes."""
        if self.process.poll() is not None:
            return []
        with suppress(OSError):
            path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            found = [int(pid) for pid in path.read_text().split()]
            self._seen.update(found)
            return found
        return []

    def text(self) -> str:
        """What it has logged."""
        return self.log.read_text(errors="replace")

    async def ready(self) -> None:
        """Wait until every worker drains its partitions."""
        end = time.monotonic() + READY_SECONDS
        while not await self._get("/readyz"):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"express is not ready; it said:\n{self.text()[-3000:]}")
            await asyncio.sleep(0.1)

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = (await self._get("/metrics") or "").splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(rf"{name}[{{ ]", line))

    async def counted(self, metric: str, value: float, seconds: float = 60.0) -> None:
        """Wait until a metric has reached a value."""
        end = time.monotonic() + seconds
        while (found := await self.metric(metric)) < value:
            if time.monotonic() > end:
                raise RuntimeError(f"{metric} is {found:g} and does not reach {value:g}")
            await asyncio.sleep(0.1)

    async def workers_ended(self) -> None:
        """Wait until none of its workers runs, whoever keeps them."""
        await until(lambda: not any(map(_is_worker, self._seen)), "all workers end")

    def signal(self, number: int) -> None:
        """Send a signal to the parent, as an operator does."""
        self.process.send_signal(number)

    async def ended(self, seconds: float) -> int:
        """Wait for its end; the exit code."""
        return await asyncio.to_thread(self.process.wait, seconds)

    async def drain(self, seconds: float = 45.0) -> int:
        """SIGTERM, and its exit code."""
        self.signal(signal.SIGTERM)
        return await self.ended(seconds)

    def kill(self) -> None:
        """SIGKILL for it and every worker it has: what was started here is ended here."""
        pids = set(self.pids)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in pids | {pid for pid in self._seen if _is_worker(pid)}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._log.close()

    async def _get(self, path: str) -> str | None:
        """The body of a page, None unless the answer is 200."""
        found = URL.search(self.text())
        if found is None:
            return None
        timeout = aiohttp.ClientTimeout(total=2)
        with suppress(aiohttp.ClientError, TimeoutError):
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(found[1] + path) as response:
                return await response.text() if response.status == 200 else None
        return None


def _is_worker(pid: int) -> bool:
    """Whether a process that we saw once still is one of ours: its number may be another's by now."""
    with suppress(OSError):
        return b"express.service.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False
