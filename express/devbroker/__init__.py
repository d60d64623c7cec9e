"""A Kafka broker for development and tests, in Python alone; see README.md. Not for production."""

from express.devbroker.broker import Broker
from express.devbroker.node import Settings

__all__ = ["Broker", "Settings"]
