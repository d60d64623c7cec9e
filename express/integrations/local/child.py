"""The process of a handler in mode `process`: reads events from a socket, calls the handler, writes its answers.

Run as `python -m express.integrations.local.child FD module:function`; ends when the other side does.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import sys
import time
from types import SimpleNamespace

import orjson

from express.integrations.local.functions import Handler, load_handler
from express.integrations.local.marshal import failure, marshalled
from express.integrations.local.process import LENGTH
from express.standard_streams import keep_messages, keep_output
from express.values import JSON


def main(descriptor: int, target: str) -> None:
    """Serve until the socket is closed."""
    handler = load_handler(target)
    keep_output()
    keep_messages()
    connection = socket.socket(fileno=descriptor)
    with contextlib.suppress(OSError), connection, connection.makefile("rb") as incoming:  # whoever asked may be gone
        while length := incoming.read(LENGTH):
            request = orjson.loads(incoming.read(int.from_bytes(length, "big")))
            answer = orjson.dumps(answer_to(handler, request))
            connection.sendall(len(answer).to_bytes(LENGTH, "big") + answer)


def answer_to(handler: Handler, request: dict[str, JSON]) -> dict[str, JSON]:
    """The handler's result, or its error and cause."""
    context = remote_context(request)
    try:
        result = handler(request["event"], context)
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
        return {"result": marshalled(result, context)}
    except (Exception, SystemExit) as error:
        failed = failure(error, context.aws_request_id)
        return {"error": failed.error, "cause": failed.cause}


def remote_context(request: dict[str, JSON]) -> SimpleNamespace:
    """The context as it came over the socket; its clock starts now."""
    until = time.monotonic() + request["remaining"] / 1000
    identity = SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
    return SimpleNamespace(
        **request["context"],
        client_context=None,
        identity=identity,
        get_remaining_time_in_millis=lambda: max(int((until - time.monotonic()) * 1000), 0),
    )


async def _awaited(answer: object) -> object:
    return await answer  # type: ignore[misc] # isawaitable() has been asked


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
