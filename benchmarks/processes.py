"""What other processes spend, read from Linux's `/proc`; None where there is no such thing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_LISTENS = "0A"


def cpu_seconds(pids: Iterable[int]) -> float | None:
    """CPU seconds of processes so far, the kernel's work for them included."""
    try:
        return sum(_ticks(pid) for pid in pids) / _TICKS
    except OSError:
        return None


def _ticks(pid: int) -> int:
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        below = [int(each) for each in (PROC / f"{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        below = []
    return [pid, *(each for child in below for each in family(child))]


def listener(address: str) -> int | None:
    """The process of this machine that listens at HOST:PORT, if it is one of ours."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    rows = [line.split() for name in ("tcp", "tcp6") for line in _lines(PROC / "net" / name)[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(port) and row[3] == _LISTENS}
    for descriptor in PROC.glob("[0-9]*/fd/*") if sockets else ():
        try:
            if os.readlink(descriptor) in sockets:
                return int(descriptor.parts[2])
        except OSError:
            continue
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


def idle_seconds() -> float | None:
    """Seconds that the machine's processors had nothing to do, all together."""
    found = _lines(PROC / "stat")
    return sum(map(int, found[0].split()[4:6])) / _TICKS if found else None
