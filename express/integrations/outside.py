"""Everything a worker calls beyond its own process, made from the configuration in one place."""

from __future__ import annotations

from express.config import Config
from express.integrations.aws import AwsCalls
from express.integrations.aws.names import V1_SERVICES
from express.integrations.functions import Functions
from express.integrations.http import HttpTasks
from express.integrations.local import LocalFunctions
from express.ports import Integration


class Outside:
    """AWS services, Lambda functions elsewhere, and HTTP tasks. Opens nothing until something is called."""

    def __init__(self, config: Config, local: LocalFunctions) -> None:
        """Raises ConfigError where a secret of a connection is missing."""
        self.aws = AwsCalls(config.aws)
        self.http = HttpTasks(config.http, config.connections, config.aws.region or "us-east-1")
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
