"""The environment of a run: what a reader needs to judge its figures."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from express import __version__
from express.config import Config, Duration, Size
from express.config.model import encode_custom

SECRET = re.compile(r"passw|secret|key|token|credential|principal", re.IGNORECASE)
ELSEWHERE = ("api.", "connections.", "functions.")
"""Sections that would say much and tell little of the load."""

PACKAGES = ("uvloop", "orjson", "msgspec", "aiokafka", "aiohttp")


def environment() -> dict[str, Any]:
    """Processor, system, versions, and the commit of the current folder if it is a git checkout."""
    return {
        "express": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu(),
        "cpus": os.cpu_count() or 0,
        "load_average": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else [],
        "packages": {name: _version(name) for name in PACKAGES},
        "git": _commit(),
    }


def configured(config: Config) -> dict[str, str]:
    """Return what the configuration says that is not the default, by key path; no secrets."""
    found = _given(config, "")
    return {
        path: "***" if SECRET.search(path) else str(value) for path, value in found if not path.startswith(ELSEWHERE)
    }


def _given(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(value):
            inner = getattr(value, field.name)
            default = field.default_factory() if callable(field.default_factory) else field.default
            if inner != default:
                yield from _given(inner, f"{path}.{field.name}" if path else field.name)
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _given(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _given(inner, f"{path}.{index}")
    else:
        yield path, encode_custom(value) if isinstance(value, Duration | Size) else value


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str | None:
    """The commit, with a + where the work tree differs from it."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=5, check=True)
    return done.stdout.strip()
