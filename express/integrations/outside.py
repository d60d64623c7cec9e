"""Everything a worker calls beyond its own process, made from the configuration in one place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from express.asl.resources import Resource
from express.config import Config
from express.engine.effects import StartTask
from express.errors import RUNTIME, StatesError
from express.integrations.aws import AwsCalls
from express.integrations.aws.names import V1_SERVICES
from express.integrations.functions import Functions
from express.integrations.local import LocalFunctions
from express.ports import Integration, TaskContext
from express.values import JSON

if TYPE_CHECKING:
    from express.integrations.http import HttpTasks


class Off:
    """HTTP tasks where no connection may reach anything: refused when a definition names them."""

    def refusal(self, resource: Resource) -> str:
        """What would have to change."""
        return "no connection is configured: describe it in [connections.NAME] with the URLs that it may reach"

    def start(self, task: StartTask, context: TaskContext) -> JSON:
        """Never performed."""
        raise StatesError(RUNTIME, f"The resource {task.resource.arn} is not supported: {self.refusal(task.resource)}")

    async def close(self) -> None:
        """There is nothing to close."""


def _http(config: Config) -> HttpTasks | Off:
    if not any(connection.allow for connection in config.connections.values()):
        return Off()
    from express.integrations.http import HttpTasks  # aiohttp costs memory in every worker

    return HttpTasks(config.http, config.connections, config.aws.region or "us-east-1")


class Outside:
    """AWS services, Lambda functions elsewhere, and HTTP tasks. Opens nothing until something is called."""

    def __init__(self, config: Config, local: LocalFunctions) -> None:
        """Raises ConfigError where a secret of a connection is missing."""
        self.aws = AwsCalls(config.aws)
        self.http = _http(config)
        self.functions = Functions(local, config.aws, self.aws)
        self._lambdas = self.functions if config.aws.functions else local

    def rows(self) -> dict[str, Integration]:
        """The rows of the table of integrations."""
        return {
            "sdk": self.aws,
            "http": self.http,
            **{f"optimized:{service}": self.aws for service in V1_SERVICES},
            "lambda": self._lambdas,
            "optimized:lambda": self._lambdas,
        }

    async def close(self) -> None:
        """Close all connections."""
        await self.functions.close()
        await self.http.close()
        await self.aws.close()
