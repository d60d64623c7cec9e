"""Events for the sample workflows, from a seed: the same seed gives the same events, one by one.

Readings of devices on their daily rounds: temperature follows the hour, batteries run down, some devices have
faults, a few report the impossible, and one event in a hundred is poison. Orders and documents take every way
through their workflows, the straight one most of the time.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

POISON = 0.01
"""The share of events that no workflow can be started with."""

SITES = [
    {"name": f"plant-{n}", "zone": zone, "floor": floor}
    for n, zone, floor in ((1, "north", 0), (2, "north", 3), (3, "east", 1), (4, "south", 2), (5, "west", 1))
]
FIRMWARE = [{"version": "3.1.9", "model": "TX-200"}, {"version": "3.2.0", "model": "TX-200"}]
FAULTS = ("E-OVERHEAT", "E-SMOKE", "E-TILT", "E-SENSOR")
WORDS = {
    "invoice": "invoice number {n} for services rendered total {n} eur vat included due in 30 days",
    "contract": "contract between party one and party two who hereby agree for {n} months signed in berlin",
    "poem": "the sea was calm that day and number {n} of the gulls came back",
}


class SampleEvent(NamedTuple):
    """A record to be produced. `value` None is a tombstone."""

    key: bytes
    value: bytes | None


class Device:
    """One sensor: where it stands, and how its readings drift."""

    __slots__ = ("battery", "firmware", "gps", "key", "name", "site", "warmth")

    def __init__(self, number: int, chance: random.Random) -> None:
        self.name = f"sensor-{number:05d}"
        self.key = self.name.encode()
        self.site = chance.choice(SITES)
        self.firmware = chance.choice(FIRMWARE)
        self.gps = {"lat": round(chance.uniform(47, 55), 5), "lon": round(chance.uniform(6, 15), 5)}
        self.battery = chance.uniform(5, 100)
        self.warmth = chance.uniform(12, 38)


class SampleEvents:
    """An endless supply of events; `devices` of them send readings, each as often, or as `pick` draws their numbers."""

    def __init__(self, seed: int, devices: int = 2_000, pick: Callable[[], int] | None = None) -> None:
        self._chance = random.Random(seed)
        self._pick = pick
        self._devices = [Device(number, self._chance) for number in range(devices)]
        self._count = 0

    def reading(self, now_ms: int) -> SampleEvent:
        """Return what one device sends."""
        chance = self._chance
        roll = chance.random()
        self._count += 1
        pick = self._pick
        device = self._devices[int(chance.random() * len(self._devices)) if pick is None else pick()]
        if roll < POISON:
            return SampleEvent(device.key, poison(chance))
        reading = self._reading(device, now_ms, roll)
        return SampleEvent(device.key, orjson.dumps(reading))

    def _reading(self, device: Device, now_ms: int, roll: float) -> dict[str, Any]:
        chance = self._chance
        device.battery = device.battery - 0.01 if device.battery > 4 else 100.0
        temperature = device.warmth + chance.gauss(0, 4)
        if roll > 0.995:
            temperature = 900 + roll
        elif roll > 0.97:
            temperature += 55
        return {
            "id": f"r-{self._count:09d}",
            "kind": "reading" if roll < 0.95 or roll > 0.97 else "heartbeat",
            "device": device.name,
            "ts": now_ms,
            "temperature": round(temperature, 2),
            "humidity": round(40 + 20 * chance.random(), 1),
            "battery": round(device.battery, 1),
            "gps": device.gps,
            "faults": [chance.choice(FAULTS)] if roll < 0.05 else [],
            "site": device.site,
            "firmware": device.firmware,
        }

    def order(self, now_ms: int) -> SampleEvent:
        """Return what a customer sends."""
        chance = self._chance
        self._count += 1
        roll = chance.random()
        name = f"o-{self._count:09d}"
        if roll < POISON:
            return SampleEvent(name.encode(), poison(chance))
        order = {
            "id": name,
            "customer": f"customer-{chance.randrange(500)}@example.org",
            "address": "nowhere" if 0.02 < roll < 0.04 else f"Main Street {chance.randrange(200)}",
            "card": f"declined-{name}" if 0.04 < roll < 0.08 else f"card-{name}",
            "lines": [
                {
                    "sku": f"gone-{n}" if 0.08 < roll < 0.1 else f"sku-{chance.randrange(1000)}",
                    "quantity": chance.randrange(1, 5),
                    "price": round(chance.uniform(1, 90), 2),
                }
                for n in range(chance.randrange(1, 4))
            ],
            "ts": now_ms,
        }
        return SampleEvent(name.encode(), orjson.dumps(order))

    def document(self, now_ms: int) -> SampleEvent:
        """Return what a scanner sends."""
        chance = self._chance
        self._count += 1
        roll = chance.random()
        name = f"d-{self._count:09d}" + ("-copy" if roll > 0.97 else "")
        if roll < POISON:
            return SampleEvent(name.encode(), poison(chance))
        kind = chance.choices(list(WORDS), [6, 3, 1])[0]
        pages = [WORDS[kind].format(n=chance.randrange(1, 2_000)) for _ in range(chance.randrange(1, 6))]
        if roll > 0.95:
            pages.append("  ")
        return SampleEvent(name.encode(), orjson.dumps({"id": name, "ts": now_ms, "pages": pages}))


def poison(chance: random.Random) -> bytes | None:
    """A value that is no JSON, or none that may be run."""
    makers: tuple[Callable[[], bytes | None], ...] = (
        lambda: b'{"id": "r-cut-off", "temper',
        lambda: b"temperature=21.5;humidity=40",
        lambda: b"\xff\xfe\x00\x01",
        lambda: b"",
        lambda: None,
        lambda: b"[" * 300 + b"]" * 300,
    )
    return makers[int(chance.random() * len(makers))]()
