"""Mistakes with what a topic does not take: batches that are too large, and records."""

from __future__ import annotations

from msgspec.structs import replace

from express.sinks.mending import _halves
from tests.simulation.broker import Terms
from tests.simulation.draw import Draw
from tests.simulation.topic import DEAD, OUT
from tests.simulation.world import Variant


class _Refusing(Variant):
    """What topics take is little, and nobody tells how much."""

    def shape(self, draw: Draw) -> Draw:
        """Every batch is too large at first."""
        terms = {OUT: Terms(1_200), DEAD: Terms(100_000)}
        ends = {"quick": 0.9, "bulky": 0.1}
        return replace(draw, terms=terms, tells_configs=False, ends=ends, batch_bytes=1 << 20)


class RefusalForgotten(_Refusing):
    """Writes nothing instead of a record that its topic does not take."""

    name = "refusal-forgotten"
    patches = (("express.sinks.mending:Mender", "_replace", lambda self, *arguments: None),)


class HalfForgotten(_Refusing):
    """Sends one half only of a batch that was too large."""

    name = "half-forgotten"
    patches = (("express.sinks.mending", "_halves", lambda batch, records: _halves(batch, records)[:1]),)


class HalvesTurned(_Refusing):
    """Sends the second half first."""

    name = "halves-turned"
    patches = (("express.sinks.mending", "_halves", lambda batch, records: _halves(batch, records)[::-1]),)


REFUSALS: tuple[type[Variant], ...] = (RefusalForgotten, HalfForgotten, HalvesTurned)
