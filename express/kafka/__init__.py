"""Shared by the Kafka source and the Kafka sink: repairs to the client, errors, closing."""

from express.kafka.failures import (
    CLOSE_SECONDS,
    QUIET_SECONDS,
    explain,
    failures,
    mapped,
    note_silence,
    refuses,
    unreachable,
    within,
)
from express.kafka.patches.connection import repair_connections

__all__ = [
    "CLOSE_SECONDS",
    "QUIET_SECONDS",
    "explain",
    "failures",
    "mapped",
    "note_silence",
    "refuses",
    "repair_connections",
    "unreachable",
    "within",
]
