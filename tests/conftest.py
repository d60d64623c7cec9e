"""Fixtures and hooks for everybody: Kafka brokers, the development one or a real one; and how the tests are run.

Every test pays for what is imported here: nothing but what pytest itself needs.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from tests.kafka.fixtures import (
    MARK,
    address,
    devbroker,
    devbroker_process,
    each_kafka,
    kafka,
    kafka_jars,
    mark_kafka,
    pytest_collection_finish,
)

__all__ = [
    "address",
    "devbroker",
    "devbroker_process",
    "each_kafka",
    "kafka",
    "kafka_jars",
    "pytest_cmdline_main",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_sessionfinish",
]


TESTS = Path(__file__).parent

LONGEST = (
    "simulation/test_simulation.py",
    "runtime/test_faults.py",
    "cli/test_bench.py",
    "kafka/test_security.py",
    "cli/test_dev.py",
    "service/test_service.py",
    "runtime/test_delivery.py",
    "service/test_produce.py",
    "faults/test_smoke.py",
    "kafka/test_operation.py",
)
"""Files that take a minute or more, longest first."""

PROCESSES = 3
"""For a run of everything: one more than a small machine has cores, because tests of Kafka mostly wait."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Spread a run of everything over processes, file by file; tests that are named run in this process."""
    if hasattr(config, "workerinput"):
        return  # this is one of those processes
    option = config.option
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if everything and option.numprocesses is None and not (option.usepdb or option.collectonly):
        option.numprocesses = PROCESSES
    if option.numprocesses and option.dist == "no":
        option.dist, option.loadscopereorder = "loadfile", False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, and then those of Kafka: the processes of a run end together."""
    mark_kafka(items)
    of_kafka = {item.path for item in items if item.get_closest_marker(MARK)}
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (places.get(item.path, len(places)), item.path not in of_kafka))


def pytest_configure() -> None:
    """Let no property fail because a machine is busy: hypothesis has a deadline for each example by default."""
    from hypothesis import settings

    settings.register_profile("express", deadline=None)
    settings.load_profile("express")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Collect garbage before plugins import what they need at the end, and then no more, on Pythons before 3.11.8.

    There `ast.parse` fails with "AST constructor recursion depth mismatch" if a finaliser parses something meanwhile
    (CPython issue 106905), as asyncio's does when it logs the traceback of a task that nobody asked.
    """
    if sys.version_info < (3, 11, 8):
        gc.collect()
        gc.disable()
