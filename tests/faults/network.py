"""Packets that do not arrive. In a network namespace of the tests' own, by the kernel's filter."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Literal

from tests.faults.rig import Rig

INSIDE = "EXPRESS_FAULTS_ISOLATED"
TOOLS = ("unshare", "ip", "nft", "mount")
SECONDS = 10.0
"""Longer than the session of the groups."""

IDLE_CPU = 0.2
"""Of one core, for a worker that can reach nobody."""

Direction = Literal["both", "there", "back"]


def missing() -> str:
    """Why there can't be a namespace here; empty if there can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"needs {', '.join(absent)}" if absent else ""


def enter() -> None:
    """Start this program anew in network and mount namespaces of its own, unless it is there."""
    if INSIDE in os.environ:
        return
    again = [sys.executable, "-m", "tests.faults", *sys.argv[1:]]
    shell = ["sh", "-c", 'ip link set lo up && exec "$@"', "-"]
    os.execvpe("unshare", ["unshare", "--net", "--mount", *shell, *again], {**os.environ, INSIDE: "1"})


class Firewall:
    """Drops packets to and from ports of this machine, until `heal`."""

    def __init__(self, ports: Collection[int]) -> None:
        self._ports = ", ".join(map(str, ports))

    def drop(self, direction: Direction = "both", percent: int = 100) -> None:
        """Drop what goes there, what comes back, or both; all of it, or some by chance."""
        chance = f"numgen random mod 100 < {percent} " if percent < 100 else ""
        rules = {
            "there": f"add rule inet faults in tcp dport {{ {self._ports} }} {chance}drop",
            "back": f"add rule inet faults in tcp sport {{ {self._ports} }} {chance}drop",
        }
        wanted = rules.values() if direction == "both" else [rules[direction]]
        self._run(
            "add table inet faults",
            "add chain inet faults in { type filter hook input priority 0; }",
            "flush chain inet faults in",
            *wanted,
        )

    def heal(self) -> None:
        """Let everything through."""
        self._run("add table inet faults", "delete table inet faults")

    def _run(self, *commands: str) -> None:
        subprocess.run(["nft", "-f", "-"], input="\n".join(commands), text=True, check=True)


async def partition(rig: Rig) -> None:
    """No packet gets to the brokers, or none back, or neither, for longer than the session; nobody spins meanwhile."""
    service = await rig.start(workers=2, proxied=True)
    firewall = Firewall(rig.cluster.kafka.outer.values())
    directions: list[Direction] = ["both", "there", "back"]
    rig.random.shuffle(directions)
    async with rig.feeding(max(rig.seconds, len(directions) * (SECONDS + 5))):
        for direction in directions:
            await asyncio.sleep(rig.random.uniform(1, 3))
            rig.disrupt()
            try:
                firewall.drop(direction)
                await asyncio.sleep(SECONDS / 2)
                busy = sum(map(_cpu_seconds, service.pids))
                began = time.monotonic()
                await asyncio.sleep(SECONDS / 2)
                used = (sum(map(_cpu_seconds, service.pids)) - busy) / (time.monotonic() - began)
                rig.expect("cores used by two workers that reach nobody", used, 0, 2 * IDLE_CPU)
            finally:
                firewall.heal()
            await rig.recovered()


async def loss(rig: Rig) -> None:
    """One packet in twenty is lost, each way: slower, and nothing else."""
    await rig.start(workers=2, proxied=True)
    firewall = Firewall(rig.cluster.kafka.outer.values())
    firewall.drop(percent=5)
    try:
        async with rig.feeding():
            await asyncio.sleep(rig.seconds / 2)
            await rig.recovered()
        await rig.recovered()
    finally:
        firewall.heal()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
