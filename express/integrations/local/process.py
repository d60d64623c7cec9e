"""Handlers in processes of their own: for code that blocks the interpreter or may take it down.

JSON goes over a socket pair, four bytes of length before each message; nothing is ever pickled. A child that
dies, or runs too long, takes only the call it was at with it; the next call starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from asyncio.subprocess import Process

import orjson

from express.errors import StatesError
from express.integrations.local.context import LambdaContext
from express.integrations.local.marshal import exited, timed_out
from express.integrations.queue_time import begin
from express.values import JSON

LENGTH = 4
"""Bytes that hold the size of a message."""

LAST_WORDS = 1.0
"""Seconds that a process gets to end by itself after its socket was closed."""

CONTEXT = (
    "aws_request_id",
    "idempotency_key",
    "traceparent",
    "tracestate",
    "function_name",
    "function_version",
    "invoked_function_arn",
    "memory_limit_in_mb",
    "log_group_name",
    "log_stream_name",
)
"""The attributes of the context that cross to the child as they are."""


class Child:
    """One process with the handler imported, at one call at a time."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer

    async def ask(self, message: bytes) -> dict[str, JSON] | None:
        """The child's answer, None if it died instead."""
        try:
            self._writer.write(len(message).to_bytes(LENGTH, "big") + message)
            await self._writer.drain()
            size = int.from_bytes(await self._reader.readexactly(LENGTH), "big")
            answer: dict[str, JSON] = orjson.loads(await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            return None
        return answer

    async def end(self, grace: float = 0.0) -> int:
        """Kill the process if it has not ended within `grace` seconds; its exit status."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        try:
            async with asyncio.timeout(grace):
                return await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            return await self.process.wait()


class ProcessPool:
    """Children of one function, started when they are first needed, at most `limit` of them."""

    def __init__(self, handler: str, limit: int | None, timeout: float | None) -> None:
        self._handler = handler
        self._timeout = timeout
        self._slots = asyncio.Semaphore(limit or os.cpu_count() or 1)
        self._idle: list[Child] = []

    async def call(self, event: JSON, context: LambdaContext) -> JSON:
        """The handler's answer.

        Raises StatesError as the handler failed, Runtime.ExitError if its process died, Sandbox.Timedout if it
        took too long. A call that is cancelled ends its process: foreign code can't be interrupted otherwise.
        """
        about = {name: getattr(context, name) for name in CONTEXT}
        remaining = context.get_remaining_time_in_millis()
        message = orjson.dumps({"event": event, "context": about, "remaining": remaining})
        async with self._slots:
            begin()
            child = self._idle.pop() if self._idle else await _start(self._handler)
            answer = None
            grace = 0.0
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await child.ask(message)
                grace = LAST_WORDS
            except TimeoutError:
                assert self._timeout is not None
                raise timed_out(self._timeout, context.aws_request_id) from None
            finally:
                if answer is None:
                    status = await child.end(grace)
                else:
                    self._idle.append(child)
            if answer is None:
                raise exited(status, context.aws_request_id)
        return _result(answer)

    async def close(self) -> None:
        """End the idle children; busy ones end with their calls."""
        while self._idle:
            await self._idle.pop().end(LAST_WORDS)


def _result(answer: dict[str, JSON]) -> JSON:
    if "error" in answer:
        raise StatesError(answer["error"], answer["cause"])
    return answer["result"]


async def _start(handler: str) -> Child:
    ours, theirs = socket.socketpair()
    try:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "express.integrations.local.child",
                str(theirs.fileno()),
                handler,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            )
        reader, writer = await asyncio.open_connection(sock=ours)
    except BaseException:
        ours.close()  # the child, if there is one, reads the end and ends
        raise
    return Child(process, reader, writer)
