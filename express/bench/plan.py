"""A run, ready to be made, and how it can go wrong."""

from __future__ import annotations

import msgspec

from express.bench.events import Sample
from express.bench.result import Load
from express.bench.schedule import Stage
from express.config import Config
from express.errors import ExpressError
from express.metering import PriceTable


class HandlerCrash(ExpressError):
    """A handler module crashed while it was imported."""


class BenchFailed(ExpressError):
    """One of the processes ended before it should."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A run, ready to be made. `stages` begin with the warm-up; none with `load.closed` or a replay.

    `partitions`: of topics of a pipeline that are not there and are to be made; None: they have to be there.
    `others`: files of workflows that executions may start, those of all pipelines of the configuration.
    """

    name: str
    definition: str
    config: Config
    prices: PriceTable
    path: list[str]
    load: Load
    stages: list[Stage]
    drain_seconds: float = 10.0
    traced: int = 100
    mock: str | None = None
    case: str | None = None
    partitions: int | None = None
    others: list[str] = []

    @property
    def sample(self) -> Sample:
        """Return what the events are."""
        load = self.load
        return Sample(
            input=load.input,
            seed=load.seed,
            event_bytes=load.event_bytes,
            keys=load.keys,
            key_skew=load.key_skew,
            key_field=load.key_field,
            time_field=load.time_field,
        )
