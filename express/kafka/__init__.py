"""What the Kafka source and the Kafka sink share: repairs to the client, and how to get rid of one."""

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
