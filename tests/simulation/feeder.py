"""Input records: in bursts, in batches, some in transactions, with holes as compaction leaves them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from express.ports import Partition
from express.values import dumps
from tests.simulation.batches import Row
from tests.simulation.checks import TRACED, Input, is_traced
from tests.simulation.topic import IN

if TYPE_CHECKING:
    from tests.simulation.world import World

OVERSIZE = "x" * 262_200
"""More than an execution may be given, together with the rest of its input."""

OPEN_SECONDS = 0.5
"""Most that the feeder's transactions stay open."""


class Feeder:
    """Writes the input of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.broker = world.broker
        self.chance = world.chance
        self.draw = world.draw

    async def feed(self) -> None:
        """Write all there is to be, while the storm lasts."""
        draw, chance = self.draw, self.chance
        left = draw.events
        while left:
            burst = min(left, chance.choice((1, 5, 20, 40)))
            shares = [chance.randrange(draw.partitions) for _ in range(burst)]
            for number in range(draw.partitions):
                if number in shares:
                    self._feed(Partition(IN, number), shares.count(number))
            left -= burst
            await asyncio.sleep(chance.random() * draw.storm_seconds * burst / draw.events)

    def _feed(self, partition: Partition, count: int) -> None:
        """One batch; some in a transaction, some after one that was aborted."""
        chance, holes = self.chance, self.draw.holes
        if chance.random() < holes:
            rows = [(0, self._row(partition, -1))]
            self.broker.feed_in_transaction(partition, rows, 0, chance.random() * OPEN_SECONDS, commit=False)
        if chance.random() < self.draw.spoilt:
            self._feed_spoilt(partition, count)
            return
        skipped = chance.randrange(1, 4) if chance.random() < holes else 0
        offset = first = self.broker.ledgers[partition].end + skipped
        rows = []
        for _ in range(count):
            if rows:
                offset += chance.randrange(1, 4) if chance.random() < holes else 1
            rows.append((offset - first, self._row(partition, offset)))
        if chance.random() < holes:
            seconds = chance.random() * OPEN_SECONDS
            self.broker.feed_in_transaction(partition, rows, skipped, seconds, commit=True)
        else:
            self.broker.feed(partition, rows, skipped)

    def _feed_spoilt(self, partition: Partition, count: int) -> None:
        """A batch that nobody can read any more: its records become dead letters by their offsets."""
        first = self.broker.ledgers[partition].end
        for offset in range(first, first + count):
            self.world.checks.inputs[partition.number, offset] = Input(offset, None, None, "spoilt")
        rows: list[tuple[int, Row]] = [(number, (0, None, b"{}", ())) for number in range(count)]
        self.broker.feed(partition, rows, spoilt=True)

    def _row(self, partition: Partition, offset: int) -> Row:
        """A record; one at -1 is nobody's to be seen."""
        draw, chance = self.draw, self.chance
        key = b"k%d" % chance.randrange(draw.keys) if draw.keys else None
        (end,) = chance.choices(list(draw.ends), list(draw.ends.values()))
        rest = chance.choice((0, 1, 2)) if chance.random() < draw.resting else 0
        data = {"p": partition.number, "n": offset, "end": end, "rest": rest}
        if end == "oversize":
            data["pad"] = OVERSIZE
        value = dumps(data) if end != "poison" else b'{"n": '
        if offset >= 0:
            self.world.checks.inputs[partition.number, offset] = Input(offset, key, value, end)
        return 0, key, value, TRACED if offset >= 0 and is_traced(offset) else ()
