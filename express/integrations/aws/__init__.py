"""AWS services called directly: `aws-sdk:SERVICE:ACTION` for every service, and the optimized integrations.

One way for all of them: the request is converted by the service's model, sent through aiobotocore, and the answer is
converted back. Nothing of a payload decides where a call goes or who makes it. The drivers are the extra `aws`
and are imported when a definition first names a resource that needs them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable
from typing import Any

import msgspec

from express.asl.resources import Resource, parse_resource
from express.config import Aws
from express.engine.effects import StartTask
from express.errors import RUNTIME, TASK_FAILED, StatesError
from express.integrations.aws import shapes
from express.integrations.aws.calls import Call, Unsupported, find
from express.integrations.aws.clients import Clients
from express.integrations.aws.direct import Direct, fits
from express.integrations.aws.errors import client_error, service_error, too_large
from express.integrations.aws.optimized import machine_arn, metadata
from express.integrations.aws.watching import Jobs
from express.integrations.idempotency import identifier
from express.integrations.masking import hideable, masked
from express.integrations.task_token import plain
from express.ports import Integration, TaskContext
from express.values import JSON, PAYLOAD_LIMIT

__all__ = ["AwsCalls", "read_streams"]


JOB = ("sync", "sync:2")

_INVOKE = parse_resource("arn:aws:states:::lambda:invoke")


class AwsCalls(Integration):
    """The `Integration` for AWS services."""

    def __init__(self, settings: Aws) -> None:
        """Imports and opens nothing."""
        self.settings = settings
        self._calls: dict[str, Call] = {}
        self._opened: Clients | None = None
        self._direct = Direct(settings)
        self._jobs = Jobs(self)

    def refusal(self, resource: Resource) -> str | None:
        """Return why a resource cannot be called here; None if it can."""
        if resource.pattern in JOB:
            why = self._jobs.refusal(resource)
            if why is not None:
                return why
        else:
            try:
                self.call(resource)
            except Unsupported as reason:
                return str(reason)
        if self.clients.region is None:
            return "no region is configured: set aws.region, or AWS_REGION"
        return None

    def start(self, task: StartTask, context: TaskContext) -> Awaitable[JSON]:
        """Perform the call; the raw task result."""
        resource = task.resource
        if resource.pattern in JOB:
            why = self._jobs.refusal(resource)
            if why is not None:
                raise StatesError(RUNTIME, f"The resource {resource.arn} is not supported: {why}")
            return self._jobs.start(task, context)
        try:
            call = self.call(resource)
        except Unsupported as reason:
            raise StatesError(RUNTIME, f"The resource {resource.arn} is not supported: {reason}") from reason
        return self.perform(call, task, context)

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """The task with its parameters in botocore's form. Raises Unsendable where they have none."""
        resource = task.resource
        try:
            call = self.call(plain(resource) if resource.pattern in JOB else resource)
        except Unsupported:
            return task  # the call will say so
        return msgspec.structs.replace(task, prepared=_parameters(call, task, context))

    def endpoint(self, task: StartTask) -> str:
        """The service, which all its actions share."""
        return f"aws:{task.resource.service}"

    @property
    def clients(self) -> Clients:
        """The clients, made when they are first asked for."""
        if self._opened is None:
            self._opened = Clients(self.settings)
        return self._opened

    async def close(self) -> None:
        """Close all connections."""
        await self._jobs.close()
        await self._direct.close()
        if self._opened is not None:
            await self._opened.close()

    def role(self, task: StartTask, context: TaskContext) -> str:
        """The role a call is made as: the state's Credentials if the configuration lists them, else the machine's."""
        credentials = task.credentials
        if credentials is None:
            return self.settings.roles.get(context.state_machine_name, "")
        wanted = credentials.get("RoleArn") if isinstance(credentials, dict) else None
        if wanted not in self.settings.assume:
            raise StatesError(
                TASK_FAILED,
                f"The role {self.settings.roles.get(context.state_machine_name) or machine_arn(context)} "
                f"is not authorized to assume the task state's role, {wanted}.",
            )
        return str(wanted)

    async def perform(self, call: Call, task: StartTask, context: TaskContext) -> JSON:
        """Send one request, and shape its answer."""
        request, parameters = task.prepared or _parameters(call, task, context)
        if call.token and call.token not in parameters:
            parameters[call.token] = identifier(task, context)
        answer = await self.send(call, parameters, self.role(task, context))
        about = answer.pop("ResponseMetadata", {})
        await read_streams(answer, call)
        result: dict[str, JSON] = shapes.response(call.output, answer, call.spelling) if call.output is not None else {}
        result = call.form.after(result, request)
        return {**result, **metadata(about)} if call.form.metadata else result

    def invoke_call(self) -> Call:
        """The call of a Lambda function."""
        return self.call(_INVOKE)

    async def send(self, call: Call, parameters: dict[str, Any], role: str = "") -> dict[str, Any]:
        """Botocore's answer to one request. Raises StatesError with the service's name for what went wrong."""
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            client = await self.clients.get(call.folder, call.service, role)
            endpoint = client.meta.endpoint_url
            if fits(call, parameters, self.settings, endpoint):
                return await self._directly(call, parameters, role, endpoint)
            answer: dict[str, Any] = await getattr(client, call.method)(**parameters)
            return answer
        except ClientError as error:
            failure = service_error(error.response, call.model, call.naming)
            raise await self._hidden(failure, role) from error
        except (BotoCoreError, ResponseParserError) as error:  # the latter for the page of a proxy, say
            raise await self._hidden(client_error(error, call.naming), role) from error

    async def _hidden(self, failure: StatesError, role: str) -> StatesError:
        """An error without the credentials, which an endpoint may tell of what it was sent."""
        secrets = await self.secrets(role)
        return StatesError(failure.error, masked(str(failure.cause), secrets)) if secrets else failure

    async def secrets(self, role: str) -> tuple[str, ...]:
        """Return what of the credentials of calls made as `role` must not be shown."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            frozen = await self.clients.credentials(role)
        except (BotoCoreError, ClientError):  # then nothing was sent
            return ()
        return () if frozen is None else hideable(filter(None, (frozen.token, frozen.secret_key)))

    async def _directly(self, call: Call, parameters: dict[str, Any], role: str, endpoint: str) -> dict[str, Any]:
        """The same by the direct way."""
        import aiohttp
        from botocore.exceptions import NoCredentialsError

        frozen = await self.clients.credentials(role)
        if frozen is None:
            raise client_error(NoCredentialsError(), call.naming)
        try:
            status, answer = await self._direct.send(call, parameters, endpoint, self.clients.region or "", frozen)
        except (aiohttp.ClientError, OSError) as error:
            raise await self._hidden(client_error(error, call.naming), role) from error
        if status >= 300:
            raise await self._hidden(service_error(answer, call.model, call.naming), role)
        made: dict[str, Any] = answer
        return made

    def call(self, resource: Resource) -> Call:
        """The call that a resource names. Raises Unsupported."""
        call = self._calls.get(resource.arn)
        if call is None:
            call = self._calls[resource.arn] = find(resource, self.settings)
        return call


def _parameters(call: Call, task: StartTask, context: TaskContext) -> tuple[JSON, dict[str, Any]]:
    """Return what a task asks of the service, and that in botocore's form. Raises Unsendable where it has none."""
    request = call.form.before(task.input, task, context) if type(task.input) is dict else task.input
    return request, shapes.request(call.input, request, call.spelling, task.input)


async def read_streams(answer: dict[str, Any], call: Call) -> None:
    """Take the streams in an answer to their end. Raises StatesError where they are larger than a state may hold."""
    for name, value in answer.items():
        if hasattr(value, "iter_chunks"):
            read = bytearray()
            with contextlib.closing(value):
                async for chunk in value.iter_chunks(65_536):
                    read += chunk
                    if len(read) > PAYLOAD_LIMIT:
                        raise too_large(call.service)
            answer[name] = bytes(read)
