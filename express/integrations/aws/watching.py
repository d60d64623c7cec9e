"""The life of a `.sync` task: submit, poll with growing pauses, stop what nobody waits for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from express.asl.resources import Resource
from express.engine.effects import StartTask
from express.errors import StatesError
from express.integrations.aws import shapes
from express.integrations.aws.calls import Call, Unsupported, other
from express.integrations.aws.jobs import JOBS, Job, Request, outcome
from express.integrations.task_token import plain
from express.ports import LEAVE, Integration, Submitted, TaskContext
from express.values import JSON

if TYPE_CHECKING:
    from express.integrations.aws import AwsCalls

FIRST_PAUSE, GROWTH, LONGEST_PAUSE = 1.0, 1.5, 30.0
"""Seconds between polls: 1, 1.5, 2.25, … 30."""

STOP_SECONDS = 10.0
"""Seconds that may be spent on stopping a job: it is an attempt, as on AWS."""

PATIENCE = 10
"""Polls in a row that may fail in a way that time can heal."""

_PASSING = ("SdkClientException", "Throttl", "TooManyRequests", "ServiceUnavailable", "InternalServer", "Exceeded")

log = logging.getLogger(__name__)


class Jobs(Integration):
    """Performs `.sync` tasks over a service's request-response calls."""

    def __init__(self, calls: AwsCalls) -> None:
        self._calls = calls
        self._stopping: set[asyncio.Task[None]] = set()

    def refusal(self, resource: Resource) -> str | None:
        """Return why a resource can't be run as a job; None if it can. What it calls besides is looked at as well."""
        name = f"{resource.service}:{resource.action}"
        job = JOBS.get(name)
        if job is None or resource.kind != "optimized":
            return f"{name} is no job that could be waited for"
        try:
            call = self._calls.call(plain(resource))
            for operation in filter(None, (job.describe, job.stop)):
                other(call, operation)
        except Unsupported as reason:
            return str(reason)
        return None

    async def start(self, task: StartTask, context: TaskContext) -> JSON:
        """Submit the job. What waits for its end is the second half of the answer."""
        resource = task.resource
        job = JOBS[f"{resource.service}:{resource.action}"]
        submit = msgspec.structs.replace(task, resource=plain(resource))
        call, role = self._calls.call(submit.resource), self._calls.role(task, context)
        response: Any = task.submitted
        if response is None:
            response = await self._calls.perform(call, submit, context)
        watched = _Watched(self, job, call, role, task.input, response, resource.pattern)
        job.given(response)
        return Submitted(response, watched.wait)

    async def ask(self, call: Call, operation: str, request: Request, role: str) -> Request:
        """Another call of the job's service, in Step Functions' spelling."""
        asked = other(call, operation)
        given = {name: value for name, value in request.items() if value is not None}
        parameters = shapes.request(asked.input, given, asked.spelling)
        answer = await self._calls.send(asked, parameters, role)
        answer.pop("ResponseMetadata", None)
        made: Any = {} if asked.output is None else shapes.response(asked.output, answer, asked.spelling)
        return dates(made) if call.service == "states" else made

    def stop(self, stopping: Callable[[], Awaitable[None]], name: str) -> None:
        """Try to stop a job without anybody waiting for that."""

        async def attempt() -> None:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await stopping()
            except (StatesError, TimeoutError) as error:
                log.warning("the job of %s could not be stopped: %s", name, error)

        task = asyncio.get_running_loop().create_task(attempt())
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def close(self) -> None:
        """Let the attempts to stop jobs end; each has its time."""
        await asyncio.gather(*self._stopping, return_exceptions=True)


class _Watched:
    """One job that runs."""

    def __init__(
        self, jobs: Jobs, job: Job, call: Call, role: str, request: Request, response: Request, pattern: str
    ) -> None:
        self._jobs = jobs
        self._job = job
        self._call = call
        self._role = role
        self._request = request
        self._response = response
        self._pattern = pattern

    async def wait(self) -> JSON:
        """The task's result, once the job has ended. Cancelled, it tries to stop the job."""
        try:
            return await self._poll()
        except asyncio.CancelledError as cancelled:
            if self._job.stop and cancelled.args != (LEAVE,):
                self._jobs.stop(self._stop, f"{self._call.service}:{self._call.operation}")
            raise

    async def _poll(self) -> JSON:
        pause, failed, last = FIRST_PAUSE, 0, dict(self._response)
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * GROWTH, LONGEST_PAUSE)
            try:
                description = await self._described()
            except StatesError as error:
                if self._job.gone and "NotFound" in str(error.error):
                    return last
                failed += 1
                if failed > PATIENCE or not _passes(error):
                    raise
                continue
            failed = 0
            found = self._job.found(description)
            if found is None:
                continue
            last = found
            result = outcome(self._job, found, self._pattern)
            if result is not None:
                return result

    async def _described(self) -> Request:
        request = self._job.asks(self._request, self._response)
        return await self._jobs.ask(self._call, self._job.describe, request, self._role)

    async def _stop(self) -> None:
        with contextlib.suppress(KeyError, IndexError):  # a response without what would name the job
            request = self._job.stops(self._request, self._response)
            await self._jobs.ask(self._call, self._job.stop, request, self._role)


def _passes(error: StatesError) -> bool:
    """Return whether a poll that failed so may succeed later."""
    return any(sign in str(error.error) for sign in _PASSING)


def dates(description: Request) -> Request:
    """Dates of executions are milliseconds since 1970, as Java's older SDK writes them (§14)."""
    from datetime import datetime

    made = dict(description)
    for name in ("StartDate", "StopDate"):
        if isinstance(made.get(name), str):
            made[name] = round(datetime.fromisoformat(made[name]).timestamp() * 1000)
    return made
