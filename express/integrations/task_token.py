"""`.waitForTaskToken`: any call that has this form, whose outcome comes by the task's token.

The request is the request-response one, with the token somewhere in it. What the service answers is only noted
(TaskSubmitted); the result of the task is what SendTaskSuccess brings.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import lru_cache

import msgspec

from express.asl.resources import Resource, parse_resource
from express.engine.effects import StartTask
from express.ports import Submitted, TaskContext
from express.values import JSON

TOKEN = "waitForTaskToken"

Start = Callable[[StartTask, TaskContext], JSON | Awaitable[JSON]]


@lru_cache(maxsize=1024)
def plain(resource: Resource) -> Resource:
    """The resource without its pattern.

    >>> plain(parse_resource("arn:aws:states:::sqs:sendMessage.waitForTaskToken")).arn
    'arn:aws:states:::sqs:sendMessage'
    """
    return parse_resource(resource.arn.removesuffix(f".{resource.pattern}"))


def by_token(start: Start) -> Start:
    """`start` for tasks that wait for their token."""

    def started(task: StartTask, context: TaskContext) -> Awaitable[JSON]:
        answer = start(msgspec.structs.replace(task, resource=plain(task.resource)), context)
        return _submitted(answer)

    return started


async def _submitted(answer: JSON | Awaitable[JSON]) -> JSON:
    return Submitted(await answer if inspect.isawaitable(answer) else answer)
