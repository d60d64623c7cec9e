"""Helper processes of `express dev`: the broker and the generator, spoken to by lines."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process

from express.errors import ExpressError

END_SECONDS = 5.0
"""Seconds that a helper gets to end after SIGTERM."""


class ChildFailed(ExpressError):
    """A helper process ended before it should."""


class LineChild:
    """A `python -m MODULE` whose stdin takes one line and whose stdout gives lines."""

    def __init__(self, process: Process, name: str) -> None:
        self._process = process
        self._name = name
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._stdout = process.stdout

    @classmethod
    async def start(cls, module: str, *arguments: str) -> LineChild:
        """Start the module; Ctrl-C in the terminal does not reach it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            start_new_session=True,
        )
        return cls(process, module)

    async def tell(self, line: bytes) -> None:
        """Write the line."""
        self._stdin.write(line + b"\n")
        with contextlib.suppress(ConnectionError):
            await self._stdin.drain()

    async def line(self) -> bytes:
        """The next line of its stdout, empty at the end."""
        return await self._stdout.readline()

    async def expect_line(self) -> bytes:
        """The next line. Raises ChildFailed, with the last it had to say, if there is none."""
        line = await self.line()
        if not line:
            await self._fail()
        return line

    async def succeed(self) -> None:
        """Wait for its end. Raises ChildFailed unless that was a good one."""
        if await self._process.wait():
            await self._fail()

    async def _fail(self) -> None:
        assert self._process.stderr is not None
        said = (await self._process.stderr.read()).decode("utf-8", "replace").strip().splitlines()
        raise ChildFailed(f"{self._name} ended with {await self._process.wait()}: {said[-1] if said else 'no word'}")

    def ask_to_stop(self) -> None:
        """SIGTERM, if it still runs."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    async def end(self) -> None:
        """Stop it, kill it if it does not."""
        self.ask_to_stop()
        self._stdin.close()
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
