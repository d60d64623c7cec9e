"""The negative control of the takeover: a sink that trusts its brokers to have ended what they say they have."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from express.sinks.takeover import Claim, gather
from express.sinks.transactions import TRANSACTION_MS, KafkaTransactions
from express.sinks.writer import Writer


class TrustingClaim(Claim):
    """Gets a producer id and looks for nothing."""

    async def _fence(self) -> bool:
        self.producer = await self.id.begin(TRANSACTION_MS)
        return True


class TrustingWriter(Writer):
    """Goes on after a broken connection as if nothing had been."""

    async def _look(self, *_: Any) -> None:
        self._broken = False


class Trusting(KafkaTransactions):
    """Exactly once as it was: InitProducerId, and nothing else."""

    writer = TrustingWriter

    async def _settle(self, writers: Collection[Writer]) -> None:
        for writer in writers:
            writer.claim = TrustingClaim(writer.id, self._group, writer.origin, TRANSACTION_MS, ())
        await gather(writer.claim.fence() for writer in writers if writer.claim is not None)
