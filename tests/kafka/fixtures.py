"""`devbroker`: the development broker in process."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from express.devbroker import Broker


@pytest.fixture
async def devbroker() -> AsyncIterator[str]:
    """The address of a fresh development broker on this test's event loop."""
    async with Broker() as broker:
        yield broker.address
