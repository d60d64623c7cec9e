"""Fixtures and hooks for everybody: a Kafka broker, the development one or the real one."""

from __future__ import annotations

import gc
import sys

import pytest

from tests.kafka.fixtures import (
    address,
    devbroker,
    devbroker_process,
    each_kafka,
    kafka,
    kafka_jars,
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_terminal_summary,
)

__all__ = [
    "address",
    "devbroker",
    "devbroker_process",
    "each_kafka",
    "kafka",
    "kafka_jars",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Collect garbage before plugins import what they need at the end, and then no more, on Pythons before 3.11.8.

    There `ast.parse` fails with "AST constructor recursion depth mismatch" if a finaliser parses something meanwhile
    (CPython issue 106905), as asyncio's does when it logs the traceback of a task that nobody asked.
    """
    if sys.version_info < (3, 11, 8):
        gc.collect()
        gc.disable()
