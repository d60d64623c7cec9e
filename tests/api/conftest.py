"""One server for the tests that only talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.server import Running, serving


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """A server in memory, without authentication, on loopback."""
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def sfn(running: Running) -> Any:
    """An unmodified boto3 client of it. botocore checks every answer against its model."""
    return running.client()
