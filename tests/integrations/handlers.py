"""Handlers for the tests of local functions."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.patience import PATIENCE


class CardDeclined(Exception):
    pass


def echo(event: Any, context: Any) -> Any:
    return event


async def echo_async(event: Any, context: Any) -> Any:
    await asyncio.sleep(0)
    return event


def spoil(event: Any, context: Any) -> Any:
    event["list"].append("mine")
    event["new"] = True
    return event


def declined(event: Any, context: Any) -> Any:
    raise CardDeclined("no cover: Ä")


async def declined_async(event: Any, context: Any) -> Any:
    await asyncio.sleep(0)
    raise CardDeclined("no cover")


def leave(event: Any, context: Any) -> Any:
    raise SystemExit(3)


def die(event: Any, context: Any) -> Any:
    os._exit(7)


def attributes(event: Any, context: Any) -> Any:
    names = "function_name function_version invoked_function_arn memory_limit_in_mb aws_request_id idempotency_key"
    names += " log_group_name log_stream_name client_context traceparent tracestate"
    return {
        **{name: getattr(context, name) for name in names.split()},
        "remaining": context.get_remaining_time_in_millis(),
        "identity": context.identity.cognito_identity_id,
        "thread": threading.current_thread().name,
        "pid": os.getpid(),
    }


def nap(event: Any, context: Any) -> Any:
    """Takes as many seconds as it is told."""
    time.sleep(event)
    return event


RESULTS: dict[str, Callable[[], Any]] = {
    "tuple": lambda: {"a": (1, 2)},
    "int keys": lambda: {1: "x", None: 2},
    "big": lambda: 2**70,
    "datetime": lambda: {"at": datetime.now(UTC)},
    "decimal": lambda: [Decimal("1.5")],
    "nan": lambda: {"x": float("nan")},
    "object": object,
    "surrogate": lambda: "a" + chr(0xD800),
    "null": lambda: {"x": None},
    "none": lambda: None,
    "deep": lambda: functools.reduce(lambda inner, _: [inner], range(2000), []),
}


def result(event: Any, context: Any) -> Any:
    return RESULTS[event]()


def coroutine(event: Any, context: Any) -> Any:
    return echo_async(event, context)


class Instance:
    async def __call__(self, event: Any, context: Any) -> Any:
        return ["called", event]


instance = Instance()

release = threading.Event()


def block(event: Any, context: Any) -> Any:
    release.wait(PATIENCE)
    return "released"


async def hang(event: Any, context: Any) -> Any:
    await asyncio.Event().wait()


def spin(event: Any, context: Any) -> Any:
    """Spin for ever; `event` is the port of somebody who wants to know when it has begun."""
    if event:
        socket.create_connection(("127.0.0.1", event)).close()
    while True:
        pass


class Gauge:
    now = 0
    peak = 0


async def gauged(event: Any, context: Any) -> Any:
    Gauge.now += 1
    Gauge.peak = max(Gauge.peak, Gauge.now)
    for _ in range(5):
        await asyncio.sleep(0)
    Gauge.now -= 1
    return event
