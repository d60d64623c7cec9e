"""Fixtures and hooks for everybody: a Kafka broker, the development one or the real one."""

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
    "pytest_terminal_summary",
]
