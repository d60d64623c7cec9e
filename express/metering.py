"""Costs of executions: AWS's billing rule for Express workflows, and price tables.

An Express execution is charged as one request plus duration times memory, whatever its outcome
(AWS Step Functions pricing page; `docs/metering.md`). Sums are kept in integers, so that a total does
not depend on the order in which workers report. AWS writes MB for steps of 64,000,000 bytes of used
memory but divides them by 1,024 to get GB; this module does the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

BASE_MEMORY = 50_000_000
"""Bytes that every Express execution is said to use, before its definition and data."""

MEMORY_STEP_MB = 64
DURATION_STEP_MS = 100

_STEP_BYTES = MEMORY_STEP_MB * 1_000_000
_STEP_MICROSECONDS = DURATION_STEP_MS * 1_000


def billed_duration_ms(seconds: float) -> int:
    """The time charged for `seconds` from start to end: up to the next 100 ms, and at least 100.

    Microseconds are the finest unit that counts, so that 0.1 + 0.2 seconds are 300 ms.

    >>> billed_duration_ms(0.001), billed_duration_ms(0.1), billed_duration_ms(0.101)
    (100, 100, 200)
    """
    steps = -(-round(seconds * 1_000_000) // _STEP_MICROSECONDS)
    return steps * DURATION_STEP_MS if steps > 1 else DURATION_STEP_MS


def used_memory(definition_bytes: int, payload_bytes: int) -> int:
    """Bytes an execution uses: the fixed share, its definition, and the data its steps hold at once.

    `payload_bytes` counts a payload once for every Parallel branch or Map iteration that uses it at
    the same time.
    """
    return BASE_MEMORY + definition_bytes + payload_bytes


def billed_memory_mb(used_bytes: int) -> int:
    """The memory charged for `used_bytes`: up to the next 64 MB.

    >>> billed_memory_mb(64_000_000), billed_memory_mb(64_010_000)
    (64, 128)
    """
    return max(-(-used_bytes // _STEP_BYTES), 1) * MEMORY_STEP_MB


def billed(seconds: float, definition_bytes: int, data_bytes: int, holders: int = 1) -> tuple[int, int]:
    """Return the milliseconds and MB that one execution is charged.

    `data_bytes`: its input and its result; `holders`: how many steps hold them at the same time, at most.

    >>> billed(0.25, 2_000, 1_000)
    (300, 64)
    """
    return billed_duration_ms(seconds), billed_memory_mb(used_memory(definition_bytes, data_bytes * holders))


def gb_seconds(ms: int, mb: int) -> float:
    """Billed milliseconds at billed MB as GB-seconds.

    >>> gb_seconds(100, 64)
    0.00625
    """
    return ms * mb / 1_024_000


class Totals(msgspec.Struct):
    """Sums over executions of one workflow: requests, billed milliseconds, MB-milliseconds, transitions."""

    requests: int = 0
    duration_ms: int = 0
    mb_ms: int = 0
    transitions: int = 0

    def add(self, ms: int, mb: int, transitions: int = 0) -> None:
        """Count one execution that was billed `ms` milliseconds at `mb` MB."""
        self.requests += 1
        self.duration_ms += ms
        self.mb_ms += ms * mb
        self.transitions += transitions

    def add_many(self, count: int, ms: int, mb: int, transitions: int) -> None:
        """Count `count` executions, each billed `ms` milliseconds at `mb` MB, with `transitions` in all."""
        self.requests += count
        self.duration_ms += count * ms
        self.mb_ms += count * ms * mb
        self.transitions += transitions

    def merge(self, other: Totals) -> None:
        """Count all executions of `other` as well."""
        self.requests += other.requests
        self.duration_ms += other.duration_ms
        self.mb_ms += other.mb_ms
        self.transitions += other.transitions

    @property
    def gb_seconds(self) -> float:
        """The unit that duration is priced in."""
        return self.mb_ms / 1_024_000


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a tiered duration price. `gb_hours` None: everything beyond the steps before."""

    per_gb_hour: float
    gb_hours: float | None = None


class PriceTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices in US dollars. `free_transitions` are given away each month (Standard workflows only)."""

    description: str
    per_million_requests: float
    duration: tuple[Tier, ...]
    per_thousand_transitions: float
    free_transitions: int = 0


class Cost(msgspec.Struct, frozen=True):
    """The price of Express executions in US dollars."""

    requests: float
    duration: float

    @property
    def total(self) -> float:
        """Both parts together."""
        return self.requests + self.duration


def cost(totals: Totals, prices: PriceTable) -> Cost:
    """Return what the executions of one account, region and month cost as Express workflows."""
    gb_hours = totals.gb_seconds / 3600
    return Cost(totals.requests * prices.per_million_requests / 1_000_000, _tiered(gb_hours, prices.duration))


def standard_cost(totals: Totals, prices: PriceTable) -> float:
    """Return what the same transitions would cost in a month as Standard workflows."""
    return max(totals.transitions - prices.free_transitions, 0) * prices.per_thousand_transitions / 1000


def _tiered(gb_hours: float, tiers: Iterable[Tier]) -> float:
    price = 0.0
    for tier in tiers:
        share = gb_hours if tier.gb_hours is None else min(gb_hours, tier.gb_hours)
        price += share * tier.per_gb_hour
        gb_hours -= share
    return price


def price_tables(data: Mapping[str, Any]) -> dict[str, PriceTable]:
    """The tables of a price file (`config/prices.toml`), by name.

    Raises msgspec.ValidationError where the data has another shape, and ValueError where a table's last
    tier does not take the rest.
    """
    tables = msgspec.convert(data, dict[str, PriceTable])
    for name, table in tables.items():
        if not table.duration or any((t.gb_hours is None) != (t is table.duration[-1]) for t in table.duration):
            raise ValueError(f"price table {name!r}: the last tier of duration, and only that, has no gb_hours")
    return tables
