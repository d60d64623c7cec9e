"""What stands in the place of sockets, clocks and chance while a world runs: all of it below the client library."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from aiokafka.protocol.types import String

from tests.simulation.loop import SimLoop
from tests.simulation.network import Network
from tests.simulation.topic import Topic

CLOCKED = (
    "aiokafka.client",
    "aiokafka.cluster",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.consumer.subscription_state",
    "aiokafka.producer.message_accumulator",
)
"""Modules that look at the clock."""

CHANCED = ("aiokafka.client", "aiokafka.consumer.fetcher")
"""Modules that draw lots."""

Patch = tuple[str, str, Any]
"""Module, or module:class, a name in it, and what stands there instead."""


class Time:
    """The module `time`, as far as the client library uses it."""

    def __init__(self, loop: SimLoop) -> None:
        self.monotonic = loop.time

    def time(self) -> float:
        """Seconds since 1970."""
        return self.monotonic() + 1_700_000_000


def _read_text(self: String, data: Any) -> str | None:
    text: str | None = _decode(self, data)
    return None if text is None else Topic(text)


_decode = String.decode


@contextlib.contextmanager
def patched(loop: SimLoop, network: Network, seed: int, more: Iterable[Patch]) -> Iterator[None]:
    """Put the stand-ins where the client library has sockets, clocks and chance; and `more`."""
    clock, chance = Time(loop), random.Random(f"client {seed}")
    patches: list[Patch] = [(module, "time", clock) for module in CLOCKED]
    patches += [(module, "random", chance) for module in CHANCED]
    patches += [("aiokafka.client", "create_conn", network.connect), *more]
    with contextlib.ExitStack() as stack:
        swap(stack, String, "decode", _read_text)
        for module, name, value in patches:
            swap(stack, _owner(module), name, value)
        yield


def _owner(place: str) -> Any:
    module, _, name = place.partition(":")
    found = import_module(module)
    return getattr(found, name) if name else found


def swap(stack: contextlib.ExitStack, owner: Any, name: str, value: Any) -> None:
    """Set an attribute until the end of the stack."""
    stack.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)
