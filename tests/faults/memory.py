"""A bound on the memory of processes: a control group where we may make one, otherwise a bound on address space."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")


class MemoryLimit:
    """`runner` runs a command with at most so many MiB for it and all its children."""

    def __init__(self, mib: int) -> None:
        self._bytes = mib << 20
        name = f"express-faults-{os.getpid()}"
        self._group: Path | None = None
        self._limit, self._peak = "memory.limit_in_bytes", "memory.max_usage_in_bytes"
        if (V1 / "memory.limit_in_bytes").exists():
            self._group = V1 / name
        elif (V2 / "cgroup.controllers").exists():
            self._group = V2 / name
            self._limit, self._peak = "memory.max", "memory.peak"

    @property
    def runner(self) -> Sequence[str]:
        """The command that runs another one within the limit."""
        if self._group is None:
            return ["prlimit", f"--as={self._bytes}"]
        return ["sh", "-c", f'echo $$ > {self._group}/cgroup.procs && exec "$@"', "-"]

    @property
    def peak_mib(self) -> float:
        """The most that all of them had together, files in the page cache included; 0 without a group."""
        if self._group is None:
            return 0.0
        return round(int((self._group / self._peak).read_text()) / 2**20, 1)

    def __enter__(self) -> Self:
        if self._group is not None:
            try:
                self._group.mkdir()
                (self._group / self._limit).write_text(str(self._bytes))
            except OSError:
                self._group = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._group is not None:
            for pid in (self._group / "cgroup.procs").read_text().split():
                (self._group.parent / "cgroup.procs").write_text(pid)
            with suppress(OSError):
                self._group.rmdir()
