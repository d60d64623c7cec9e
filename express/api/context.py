"""The context of the actions: one server's registry, executions, integrations and settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import msgspec

from express.api.executions import Executions
from express.api.registry import Registry
from express.api.standard import StandardExecutions
from express.api.tokens import Pages
from express.ports import Clock, Integration

Members: TypeAlias = dict[str, Any]
"""The members of a request or response."""

Result = TypeVar("Result")

INTEGRATION = ":states:"
"""A part of the ARN of every service integration, whose parameters are held against the service's model."""

BIG_DEFINITION = 32_768
"""Characters from which on a definition is judged in a thread: the loop has others to serve."""


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """One server. `strict`: Express executions can't be looked at, as on AWS.

    `activity_wait` is how many seconds GetActivityTask holds its caller.
    """

    registry: Registry
    executions: Executions
    integration: Integration
    clock: Clock
    pages: Pages
    standard: StandardExecutions
    strict: bool = False
    activity_wait: float = 60.0

    async def judge(self, definition: str, act: Callable[[], Result]) -> Result:
        """Do something that takes as long as the definition is large, or as a service's model that it must read."""
        quick = len(definition) < BIG_DEFINITION and INTEGRATION not in definition
        return act() if quick else await asyncio.to_thread(act)
