"""The negative control of the takeover: a sink that trusts its brokers to have ended what they say they have.

`EXPRESS_TRUST_BROKERS` makes it that of the workers of a fault test, whose handlers' module asks here. The product
knows nothing of this.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from express.sinks.takeover import Claim, gather
from express.sinks.transactions import TRANSACTION_MS, KafkaTransactions
from express.sinks.writer import Writer

VARIABLE = "EXPRESS_TRUST_BROKERS"


class TrustingClaim(Claim):
    """Gets a producer id and looks for nothing."""

    async def _fence(self) -> bool:
        self.producer = await self.id.begin(TRANSACTION_MS)
        return True


class TrustingWriter(Writer):
    """Goes on after a broken connection as if nothing had been."""

    async def _look(self, *_: Any) -> None:
        self._broken = False


async def _trust(self: KafkaTransactions, writers: Collection[Writer]) -> None:
    for writer in writers:
        writer.claim = TrustingClaim(writer.id, self._group, writer.origin, TRANSACTION_MS, ())
    await gather(writer.claim.fence() for writer in writers if writer.claim is not None)


class Trusting(KafkaTransactions):
    """Exactly once as it was: InitProducerId, and nothing else."""

    writer = TrustingWriter

    async def _settle(self, writers: Collection[Writer]) -> None:
        await _trust(self, writers)


def trust_if_told() -> None:
    """Make every sink of this process one that trusts, if the variable is set."""
    if VARIABLE in os.environ:
        KafkaTransactions._settle = _trust  # type: ignore[method-assign]
        KafkaTransactions.writer = TrustingWriter
