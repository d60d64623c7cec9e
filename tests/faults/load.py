"""The events of a trial: `{"id", "key", "seq" (per key), "hold", "pad"}`, in the shape of Kafka's own verifiers."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from itertools import count

import msgspec
import orjson
from aiokafka import AIOKafkaProducer

TICK = 0.02

POISON: list[Callable[[random.Random], bytes | None]] = [
    lambda _: None,
    lambda _: b"",
    lambda _: b"{",
    lambda _: b'{"a":1,}',
    lambda _: b"\xff\xfe\x00",
    lambda _: b'{"a":"\xc3\x28"}',
    lambda _: b"NaN",
    lambda _: b'{"a":Infinity}',
    lambda _: b"[" * 300 + b"]" * 300,
    lambda _: b"[" * 2_000,
    lambda _: b'{"a":18446744073709551616}',
    lambda _: b'{"a":-99999999999999999999}',
    lambda _: b"'single'",
    lambda _: b'{"a":"\\ud800',
    lambda _: b'{"a" 1}',
    lambda _: b"\x00",
    lambda _: b"\xef\xbb\xbf{}",
    lambda _: b'"' + b"x" * 262_144 + b'"',
    lambda _: b"[" + b"1," * 60_000 + b"1]",
    lambda rng: b"{" + rng.randbytes(40),
]
"""What no execution can be started with, made with the chance of the trial."""


BOMBS: list[tuple[bytes, int]] = [
    (b"{}", 49_900),
    (b"{},[]", 24_900),
    (b"[[[]]]", 16_000),
    (b'{"a":[]}', 24_000),
    (b"1234567", 30_000),
    (b'"ab"', 45_000),
    (b"{}", 87_000),
    (b"[]", 49_900),
]
"""What a heap bomb repeats, and how often: little text, and a great many objects. One has more than are allowed."""
MOST_VALUES = 50_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a trial is fed."""

    rate: int = 1_000
    """Events per second."""
    keys: int = 200
    slow: float = 0.05
    """Share of events whose task takes `hold` seconds."""
    hold: tuple[float, float] = (0.05, 0.5)
    poison: float = 0.0
    pad: int = 100
    bombs: bool = False
    """Every event is a heap bomb."""
    skewed: bool = False
    """Half of all events have one key, a tenth has none, the others have one each."""
    compression: str = ""
    partitions: int = 6


class Load:
    """Feeds one topic. What was acknowledged by the broker is in the log; only that is judged."""

    def __init__(self, plan: Plan, topic: str, seed: int) -> None:
        self.plan = plan
        self.sent = 0
        self.poison = 0
        self._stopped = False
        self._topic = topic
        self._random = random.Random(seed)
        self.sequence: Counter[str] = Counter()
        self.bytes = 0

    async def feed(self, address: str, seconds: float) -> None:
        """Produce at the rate of the plan for so long, and wait for every acknowledgement."""
        producer = AIOKafkaProducer(
            bootstrap_servers=address, enable_idempotence=True, compression_type=self.plan.compression or None
        )
        await producer.start()
        try:
            began = time.monotonic()
            before = self.sent
            while (spent := time.monotonic() - began) < seconds and not self._stopped:
                await self._send(producer, int(spent * self.plan.rate) - (self.sent - before))
                await asyncio.sleep(TICK)
            if not self._stopped:
                await self._send(producer, int(seconds * self.plan.rate) - (self.sent - before))
        finally:
            await producer.stop()

    def stop(self) -> None:
        """End `feed` before its time."""
        self._stopped = True

    async def feed_transactions(self, address: str, seconds: float) -> None:
        """Produce in transactions, every third of which is aborted: markers and holes everywhere."""
        producer = AIOKafkaProducer(bootstrap_servers=address, transactional_id=f"feeder-{self._topic}")
        await producer.start()
        try:
            end = time.monotonic() + seconds
            for number in count():
                await producer.begin_transaction()
                before = self.sent
                await self._send(producer, self._random.randrange(1, 60))
                if number % 3 == 2:
                    await producer.abort_transaction()
                    self.sent = before
                else:
                    await producer.commit_transaction()
                if time.monotonic() > end and number % 3 == 2:
                    return
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, number: int) -> None:
        for _ in range(number):
            key, value = self.event()
            self.bytes += len(value or b"")
            await producer.send(self._topic, value, key=key)

    def _key(self) -> str | None:
        rng, plan = self._random, self.plan
        if not plan.skewed:
            return f"key-{rng.randrange(plan.keys)}"
        chance = rng.random()
        return "often" if chance < 0.5 else None if chance < 0.6 else f"key-{self.sent}"

    def event(self, **fixed: float) -> tuple[bytes | None, bytes | None]:
        """Key and value of the next event; `fixed` goes before chance."""
        rng, plan = self._random, self.plan
        name = self._key()
        key = name.encode() if name else None
        self.sent += 1
        if rng.random() < plan.poison:
            self.poison += 1
            return key, rng.choice(POISON)(rng)
        if name:
            self.sequence[name] += 1
        hold = rng.uniform(*plan.hold) if rng.random() < plan.slow else 0.0
        event = {"id": self.sent, "key": name, "seq": self.sequence[name or ""], "hold": hold}
        if not plan.bombs:
            return key, orjson.dumps({**event, "pad": "x" * plan.pad, **fixed})
        part, times = rng.choice(BOMBS)
        self.poison += times > MOST_VALUES
        return key, orjson.dumps(event)[:-1] + b',"bomb":[' + b",".join([part] * times) + b"]}"
