"""Bounds on processes: control groups where we may make them, otherwise a bound on address space.

Version 1 has a tree per controller, version 2 one for all.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path("/sys/fs/cgroup")
PERIOD = 100_000
"""Microseconds in which a process may run for its share of a core."""


class Limits:
    """`runner` runs a command with at most so many MiB, and so much of a core, for it and all its children."""

    def __init__(self, mib: int, cores: float = 0.0) -> None:
        self._bytes = mib << 20
        quota = int(cores * PERIOD)
        name = f"express-faults-{os.getpid()}"
        self._settings: dict[Path, str] = {}
        if (ROOT / "memory" / "memory.limit_in_bytes").exists():
            self._settings[ROOT / "memory" / name / "memory.limit_in_bytes"] = str(self._bytes)
            if cores:
                self._settings[ROOT / "cpu" / name / "cpu.cfs_quota_us"] = str(quota)
        elif (ROOT / "cgroup.controllers").exists():
            self._settings[ROOT / name / "memory.max"] = str(self._bytes)
            if cores:
                self._settings[ROOT / name / "cpu.max"] = f"{quota} {PERIOD}"

    @property
    def runner(self) -> Sequence[str]:
        """The command that runs another one within the limits."""
        if not self._settings:
            return ["prlimit", f"--as={self._bytes}"]
        joins = " && ".join(f"echo $$ > {folder}/cgroup.procs" for folder in self._folders)
        return ["sh", "-c", f'{joins} && exec "$@"', "-"]

    @property
    def peak_mib(self) -> float:
        """The most that all of them had together, files in the page cache included; 0 without a group."""
        for folder in self._folders:
            for name in ("memory.max_usage_in_bytes", "memory.peak"):
                with suppress(OSError):
                    return round(int((folder / name).read_text()) / 2**20, 1)
        return 0.0

    @property
    def _folders(self) -> list[Path]:
        return list(dict.fromkeys(path.parent for path in self._settings))

    def __enter__(self) -> Self:
        try:
            for folder in self._folders:
                folder.mkdir()
            for path, value in self._settings.items():
                path.write_text(value)
        except OSError:
            self._settings = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for folder in self._folders:
            for pid in (folder / "cgroup.procs").read_text().split():
                with suppress(OSError):
                    (folder.parent / "cgroup.procs").write_text(pid)
            with suppress(OSError):
                folder.rmdir()
