"""Repairs of aiokafka's connections."""

from __future__ import annotations

from collections.abc import Awaitable
from contextvars import ContextVar

import aiokafka.client
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

from express.kafka.failures import explain, note_failure, note_success
from express.kafka.patches.answers import repair_answers
from express.kafka.patches.produce import sending_in_parts


def repair_connections() -> None:
    """Repair what aiokafka does with connections; calling it again does nothing.

    Writing to a closed transport becomes an error that aiokafka knows: uvloop raises RuntimeError there where
    asyncio does not, and aiokafka catches only OSError, so that its background tasks die of it (aiokafka issue 1038).
    Why a connection could not be made is remembered for `mapped`. A client that is cancelled while it asks its first
    broker for the cluster closes that connection, which aiokafka leaves open.
    """
    repair_answers()
    if getattr(AIOKafkaConnection.send, "repaired", False):
        return
    _repair_send()
    _repair_connect()
    _repair_bootstrap()


def _repair_send() -> None:
    send = sending_in_parts(AIOKafkaConnection.send)

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


def _repair_connect() -> None:
    connect = AIOKafkaConnection.connect

    async def repaired_connect(self: AIOKafkaConnection) -> object:
        broker = f"{self._host}:{self._port}"
        try:
            streams: object = await connect(self)
        except (KafkaError, OSError, TimeoutError) as error:
            note_failure(broker, explain(error))
            raise
        except (AssertionError, ValueError) as error:  # an answer that is no Kafka's, or a signature that is wrong
            note_failure(broker, f"it does not answer as a Kafka broker does ({error})")
            raise KafkaConnectionError(f"{broker}: {error}") from error
        note_success(broker)
        return streams

    AIOKafkaConnection.connect = repaired_connect


_MADE: ContextVar[list[AIOKafkaConnection]] = ContextVar("connections that a bootstrap has made")


def _repair_bootstrap() -> None:
    create, bootstrap = aiokafka.client.create_conn, AIOKafkaClient.bootstrap

    async def noted_create(*args: object, **options: object) -> AIOKafkaConnection:
        connection = await create(*args, **options)
        made = _MADE.get(None)
        if made is not None:
            made.append(connection)
        return connection

    async def repaired_bootstrap(self: AIOKafkaClient) -> None:
        made: list[AIOKafkaConnection] = []
        noting = _MADE.set(made)
        try:
            await bootstrap(self)
        except BaseException:
            for connection in made:
                connection.close()
            raise
        finally:
            _MADE.reset(noting)

    aiokafka.client.create_conn = noted_create
    AIOKafkaClient.bootstrap = repaired_bootstrap
