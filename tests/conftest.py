"""Fixtures for everybody: a Kafka broker, the development one or the real one."""

from tests.kafka.fixtures import devbroker

__all__ = ["devbroker"]
