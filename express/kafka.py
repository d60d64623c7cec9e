"""What the Kafka source and the Kafka sink share: repairs to the client, and how to get rid of one.

Everything that reaches into aiokafka's private parts stands here or says so at the place; the version is pinned
below the next minor one for that reason.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

from express.errors import ExpressError

CLOSE_SECONDS = 5.0
"""How long a client may take to say goodbye."""


def repair_connections() -> None:
    """Make writing to a closed transport an error that aiokafka knows; calling it again does nothing.

    uvloop raises RuntimeError there where asyncio does not, and aiokafka catches only OSError, so that its
    background tasks die of it (aiokafka issue 1038).
    """
    send = AIOKafkaConnection.send
    if getattr(send, "repaired", False):
        return

    def repaired_send(self: AIOKafkaConnection, request: object, expect_response: bool = True) -> Awaitable[object]:
        try:
            answer: Awaitable[object] = send(self, request, expect_response)
        except RuntimeError as error:
            if isinstance(error, KafkaError):
                raise
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self._host}:{self._port} broken: {error}") from error
        return answer

    repaired_send.repaired = True  # type: ignore[attr-defined]  # a mark on the function
    AIOKafkaConnection.send = repaired_send


@contextlib.contextmanager
def mapped(kind: type[ExpressError], doing: str) -> Iterator[None]:
    """Raise what a Kafka client raises as `kind`. A timeout of our own counts as one of the client's."""
    try:
        yield
    except asyncio.CancelledError as error:
        if _is_cancelled():
            raise
        raise kind(f"{doing}: the client gave up") from error
    except (KafkaError, TimeoutError, OSError) as error:
        raise kind(f"{doing}: {type(error).__name__}: {error}") from error


async def within(seconds: float, closing: Awaitable[object]) -> bool:
    """Let a client close itself; False if it took too long or failed, which is of no interest any more."""
    try:
        async with asyncio.timeout(seconds):
            await closing
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        return False
    except (TimeoutError, KafkaError, OSError):
        return False
    return True


def _is_cancelled() -> bool:
    """Whether a CancelledError is meant for us. Others come out of aiokafka, which cancels tasks and awaits them."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
