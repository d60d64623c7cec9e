"""aiobotocore's clients: one per service and role, made when they are first needed, on the worker's loop.

Everything that decides where a call goes and who makes it is configuration; nothing here sees a payload.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from functools import cache, lru_cache, partial
from typing import Any

from express.config import Aws

ROLE_SECONDS = 3600
AGENT = "express"


@cache
def loader() -> Any:
    """Botocore's loader, which keeps every model that it has read."""
    from botocore.loaders import Loader

    return Loader()


MOST_MODELS = 32
"""Models of services that are kept: the largest takes some 40 MB."""


@lru_cache(maxsize=MOST_MODELS)
def service_model(folder: str) -> Any:
    """A service's model."""
    from botocore.model import ServiceModel

    return ServiceModel(loader().load_service_model(folder, "service-2"), folder)


class Clients:
    """The clients of a worker."""

    def __init__(self, settings: Aws) -> None:
        """Opens nothing."""
        from aiobotocore.session import AioSession

        if not settings.instance_metadata:
            os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
        self._settings = settings
        self._session = AioSession()
        self._session.register_component("data_loader", loader())
        self._clients: dict[tuple[str, str], asyncio.Task[Any]] = {}
        self._held: dict[str, Any] = {}
        self._opened = AsyncExitStack()

    @property
    def region(self) -> str | None:
        """The region of all calls: configured, or the standard chain's."""
        region: str | None = self._settings.region or self._session.get_config_variable("region")
        return region

    async def get(self, folder: str, service: str, role: str) -> Any:
        """The client of a service. `service` is its name in ARNs, `role` empty for the worker's own identity."""
        key = (folder, role)
        made = self._clients.get(key)
        if made is None:
            made = self._clients[key] = asyncio.get_running_loop().create_task(self._make(folder, service, role))
            made.add_done_callback(lambda task: self._forget(key, task))
        return await asyncio.shield(made)

    async def credentials(self, role: str) -> Any:
        """The credentials of calls made as `role`, as they are now. None where the chain has none."""
        held = self._held.get(role)
        if held is None:
            session = await self._assumed(role) if role else self._session
            held = self._held[role] = await session.get_credentials()
        return None if held is None else await held.get_frozen_credentials()

    async def close(self) -> None:
        """Close all connections, also of clients that are just being made."""
        making, self._clients = list(self._clients.values()), {}
        for made in making:
            made.cancel()
        await asyncio.gather(*making, return_exceptions=True)
        await self._opened.aclose()

    def _forget(self, key: tuple[str, str], task: asyncio.Task[Any]) -> None:
        if task.cancelled() or task.exception() is not None:
            self._clients.pop(key, None)

    async def _make(self, folder: str, service: str, role: str) -> Any:
        settings = self._settings
        endpoint = settings.endpoints.get(service) or settings.endpoints.get(folder) or settings.endpoint_url
        session = await self._assumed(role) if role else self._session
        context = session.create_client(
            folder, region_name=self.region, endpoint_url=endpoint or None, config=self._config()
        )
        return await self._opened.enter_async_context(context)

    async def _assumed(self, role: str) -> Any:
        """A session that acts as `role`; STS renews its credentials before they end."""
        from aiobotocore.credentials import AioAssumeRoleCredentialFetcher, AioDeferredRefreshableCredentials
        from aiobotocore.session import AioSession

        endpoint = self._settings.endpoints.get("sts") or self._settings.endpoint_url
        fetcher = AioAssumeRoleCredentialFetcher(
            client_creator=partial(self._session.create_client, region_name=self.region, endpoint_url=endpoint or None),
            source_credentials=await self._session.get_credentials(),
            role_arn=role,
            extra_args={"RoleSessionName": "express", "DurationSeconds": ROLE_SECONDS},
        )
        session = AioSession()
        session.register_component("data_loader", loader())
        session._credentials = AioDeferredRefreshableCredentials(
            refresh_using=fetcher.fetch_credentials, method="assume-role"
        )
        return session

    def _config(self) -> Any:
        from aiobotocore.config import AioConfig

        return AioConfig(
            max_pool_connections=self._settings.connections,
            connect_timeout=self._settings.connect_timeout,
            read_timeout=self._settings.read_timeout,
            retries={"total_max_attempts": self._settings.attempts, "mode": "standard"},
            parameter_validation=False,
            user_agent=AGENT,  # botocore puts its own together anew for every request
        )
