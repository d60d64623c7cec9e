"""The broker of a fault test: a real Kafka with a second listener that leads through fault proxies."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tests.faults.proxy import FaultProxy
from tests.kafka.jars import DEFAULT_VERSION
from tests.kafka.real import RealKafka, _free_ports


class Shape(msgspec.Struct, frozen=True):
    """What cluster a fault wants; trials with equal ones share it."""

    version: str = DEFAULT_VERSION
    brokers: int = 1
    disk_mib: int = 0
    """Of each node, in a file system of its own; 0: as much as there is."""


class ProxiedKafka(RealKafka):
    """Real nodes, each of which can also be reached by a listener that is advertised as a proxy's port."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape.brokers, shape.version)
        self._disk_mib = shape.disk_mib
        ports = _free_ports(2 * shape.brokers)
        self.inner = dict(zip(self._nodes, ports[: shape.brokers], strict=True))
        self.outer = dict(zip(self._nodes, ports[shape.brokers :], strict=True))

    def _config(self, node: int) -> str:
        lines = dict(line.split("=", 1) for line in super()._config(node).splitlines())
        lines["listeners"] += f",PROXIED://127.0.0.1:{self.inner[node]}"
        lines["advertised.listeners"] += f",PROXIED://127.0.0.1:{self.outer[node]}"
        lines["listener.security.protocol.map"] += ",PROXIED:PLAINTEXT"
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def stop(self) -> None:
        """As for every Kafka, with its file systems."""
        for node in self.inner if self._disk_mib else ():
            if node in self._running:
                self.kill(node)
            subprocess.run(["umount", "-l", str(self._folder / f"data-{node}")], check=False)
        super().stop()

    def has_ended(self, node: int) -> bool:
        """Whether a node has ended by itself."""
        return self._running[node].poll() is not None

    def fill_disk(self, node: int = 1) -> None:
        """Leave no room on the disk of a node."""
        with suppress(OSError), self._ballast(node).open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(1 << 20))

    def free_disk(self, node: int = 1) -> None:
        """Take away what fills the disk."""
        self._ballast(node).unlink()

    def _ballast(self, node: int) -> Path:
        return self._folder / f"data-{node}" / "ballast"

    def _format(self, node: int) -> None:
        if self._disk_mib:
            folder = self._folder / f"data-{node}"
            folder.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", f"size={self._disk_mib}m", "express-faults", str(folder)]
            subprocess.run(mount, check=True)
        super()._format(node)


class Cluster:
    """A running cluster. `address` is the straight way, `proxied` the one through `proxies`."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.kafka = ProxiedKafka(shape)
        self.address = self.kafka.address
        self.proxied = ",".join(f"127.0.0.1:{port}" for port in self.kafka.outer.values())
        self.proxies = [FaultProxy(self.kafka.outer[node], self.kafka.inner[node], node) for node in self.kafka.inner]
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.kafka.start)
        for proxy in self.proxies:
            await self._stack.enter_async_context(proxy)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        await asyncio.to_thread(self.kafka.stop)

    @classmethod
    def of(cls, address: str) -> Self:
        """A cluster that others run: nothing is done to it."""
        borrowed = cls.__new__(cls)
        borrowed.shape = Shape()
        borrowed.address = borrowed.proxied = address
        borrowed.proxies = []
        return borrowed

    def heal(self) -> None:
        """End what the proxies do."""
        for proxy in self.proxies:
            proxy.heal()
