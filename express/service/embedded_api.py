"""The API beside workers: in the process that supervises them, with the workflows of their pipelines deployed.

It runs what it is asked to start itself, or puts it into the pipelines' topics with `api.queue`. What the workers run
is seen as far as their reports tell: failures, the slowest, a sample. A process of its own would keep handlers of API
callers away from the supervisor; whoever wants that runs `express serve` with the same configuration.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from express.errors import ConfigError
from express.kafka.properties import client_properties
from express.service.api import ApiServer
from express.service.workflow_reload import RefusedWorkflow, deploy_file
from express.service.workflows import definition_keys, machine_name
from express.stores.ring import Ended

if TYPE_CHECKING:
    from express.config import Config
    from express.telemetry.execution_samples import ExecutionSample


class EmbeddedApi:
    """An API server for the pipelines of a configuration. Made and started on its loop."""

    def __init__(self, config: Config) -> None:
        """Raises ConfigError as `ApiServer` does."""
        self._config = config
        self._server = self._made(config)
        self.url = ""

    @staticmethod
    def _made(config: Config) -> ApiServer:
        topics = {machine_name(pipeline.workflow): pipeline.topics[0] for pipeline in config.pipelines}
        return ApiServer(
            config.api,
            config.function_table(),
            threads=config.workers.threads,
            topics=topics if config.api.queue else None,
            kafka=client_properties(config.kafka).producer,
            config=config,
        )

    async def start(self, *, any_port: bool = False) -> str:
        """Listen and deploy; the URL. With `any_port`, a port that is taken is replaced by a free one."""
        try:
            self.url = await self._server.start()
        except ConfigError:
            if not any_port:
                raise
            api = msgspec.structs.replace(self._config.api, port=0)
            self._server = self._made(msgspec.structs.replace(self._config, api=api))
            self.url = await self._server.start()
        for pipeline in self._config.pipelines:
            for file in definition_keys(pipeline).values():
                try:
                    await deploy_file(self._server.api, file)
                except RefusedWorkflow as refused:
                    raise ConfigError(str(refused)) from refused
        return self.url

    async def stop(self) -> None:
        """Take no more requests, let go of everything."""
        await self._server.stop()

    def data(self) -> dict[str, object]:
        """Return what it has counted."""
        return self._server.data()

    def see(self, rows: Iterable[ExecutionSample]) -> None:
        """Keep what workers have shown."""
        ring, machines = self._server.executions.ring, self._server.api.registry.machines
        if ring is None:
            return
        for row in rows:
            machine = machines.get(row.machine_arn)
            revision = "" if machine is None else machine.revision
            ended = Ended(**msgspec.structs.asdict(row), revision=revision)
            ring.offer(
                failed=row.status != "SUCCEEDED",
                started=row.started,
                stopped=row.stopped,
                render=lambda ended=ended: ended,  # type: ignore[misc]  # a default that mypy can't see through
            )
