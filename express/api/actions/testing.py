"""TestState: the state's task, if it has one to perform, is called as executions call theirs."""

from __future__ import annotations

import asyncio
import inspect
import logging

from express.api.context import Api, Members
from express.api.teststate import StateTest
from express.engine.effects import StartTask
from express.engine.events import Event, TaskFailed, TaskSucceeded
from express.engine.program import EXECUTION_SECONDS
from express.errors import RUNTIME, TIMEOUT, StatesError
from express.ports import TaskContext

log = logging.getLogger(__name__)


async def test_state(api: Api, request: Members) -> Members:  # the action's name, no pytest function
    """Run or mock one state."""
    definition = request["definition"]
    test = await api.judge(definition, lambda: StateTest(request, prefix=api.registry.prefix, started=api.clock.wall()))
    if test.task is not None:
        test.answer(await _perform(api, test, test.task))
    return test.response()


async def _perform(api: Api, test: StateTest, task: StartTask) -> Event:
    """Call the state's resource, for five minutes at most."""
    seconds = min(task.timeout or EXECUTION_SECONDS, EXECUTION_SECONDS)
    about = test.about
    context = TaskContext(about.execution_arn, about.state_machine_name, api.clock.monotonic() + seconds)
    try:
        answer = api.integration.start(task, context)
        if inspect.isawaitable(answer):
            async with asyncio.timeout(seconds):
                answer = await answer
        return TaskSucceeded(task.seq, answer)
    except StatesError as error:
        return TaskFailed(task.seq, error.error, error.cause)
    except TimeoutError:
        return TaskFailed(task.seq, TIMEOUT)
    except Exception as bug:
        log.exception("integration of %s failed in TestState", task.resource.arn)
        return TaskFailed(task.seq, RUNTIME, f"{type(bug).__name__}: {bug}")
