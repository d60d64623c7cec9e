"""The key that tells a repeated call from a new one.

It is the same for every attempt and every replay of one step of one record, so that a service that knows it does the
work once, whatever Retry, a crash or a rebalance make of it.
"""

from __future__ import annotations

import hashlib
import uuid

from express.engine.effects import StartTask
from express.ports import TaskContext


def idempotency_key(task: StartTask, context: TaskContext) -> str:
    """The key as text: the execution and the step of it."""
    return f"{context.execution_arn}/{task.key}"


def digest(task: StartTask, context: TaskContext) -> str:
    """The key as 64 hexadecimal digits, for services that bound its length and its characters."""
    return hashlib.sha256(idempotency_key(task, context).encode()).hexdigest()


def identifier(task: StartTask, context: TaskContext) -> str:
    """The key as a UUID."""
    return str(uuid.UUID(hex=digest(task, context)[:32], version=4))
