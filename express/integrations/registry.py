"""Everything a worker calls beyond its own process, made from the configuration in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from express.asl.resources import Resource
from express.config import Config
from express.engine.effects import StartTask
from express.errors import RUNTIME, StatesError
from express.integrations.apigateway import ApiGateway
from express.integrations.aws import AwsCalls
from express.integrations.aws.names import V1_SERVICES
from express.integrations.kafka_produce import KafkaProduce
from express.integrations.lambda_ import Functions
from express.integrations.local import LocalFunctions
from express.integrations.start_execution import NestedExecutions
from express.ports import Integration, Machines, Outbox, TaskContext, Topics
from express.values import JSON

if TYPE_CHECKING:
    from express.integrations.http import HttpTasks


class HttpDisabled(Integration):
    """HTTP tasks where no connection may reach anything: refused when a definition names them."""

    def refusal(self, resource: Resource) -> str:
        """Return what would have to change."""
        return "no connection is configured: describe it in [connections.NAME] with the URLs that it may reach"

    def start(self, task: StartTask, context: TaskContext) -> JSON:
        """Never performed."""
        raise StatesError(RUNTIME, f"The resource {task.resource.arn} is not supported: {self.refusal(task.resource)}")

    async def close(self) -> None:
        """There is nothing to close."""


def _http(config: Config) -> HttpTasks | HttpDisabled:
    if not any(connection.allow for connection in config.connections.values()):
        return HttpDisabled()
    from express.integrations.http import HttpTasks  # aiohttp costs memory in every worker

    return HttpTasks(config.http, config.connections, config.aws.region or "us-east-1")


class InProcess(msgspec.Struct, frozen=True, kw_only=True):
    """Abilities of the process itself for tasks: run other machines, and write to Kafka."""

    machines: Machines | None = None
    topics: Topics | None = None
    outbox: Outbox | None = None


class ExternalIntegrations:
    """AWS services, Lambda functions elsewhere, HTTP tasks, other machines and Kafka. Opens nothing until called."""

    def __init__(self, config: Config, local: LocalFunctions, here: InProcess = InProcess()) -> None:  # noqa: B008 # frozen
        """Raises ConfigError where a secret of a connection is missing."""
        self.aws = AwsCalls(config.aws)
        self.gateway = ApiGateway(config.aws, self.aws)
        self.kafka = KafkaProduce(config.kafka.produce, here.topics, here.outbox)
        self._services: Integration = self.aws
        if here.machines is not None:
            self._services = NestedExecutions(self.aws, here.machines, config.nested)
        self.http = _http(config)
        self.functions = Functions(local, config.aws, self.aws)
        self._lambdas = self.functions if config.aws.functions else local

    def rows(self) -> dict[str, Integration]:
        """The rows of the table of integrations."""
        return {
            "sdk": self._services,
            "http": self.http,
            "express:kafka": self.kafka,
            **{f"optimized:{service}": self.aws for service in V1_SERVICES},
            "optimized:states": self._services,
            "optimized:apigateway": self.gateway,
            "lambda": self._lambdas,
            "optimized:lambda": self._lambdas,
        }

    async def close(self) -> None:
        """Close all connections."""
        await self.functions.close()
        await self.gateway.close()
        await self.http.close()
        await self.aws.close()
