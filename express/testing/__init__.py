"""Tests of workflows: definitions run in process, with mocked tasks and in virtual time (docs/testing.md).

Installing `express` is enough: pytest finds the plugin by itself. Nothing but the plugin's few lines is imported
until a test runs a definition.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from express.testing.mocks import Call, Fail, attempts
    from express.testing.result import ExecutionFailed, Path, Result, Unmocked
    from express.testing.running import run

__all__ = ["Call", "ExecutionFailed", "Fail", "Path", "Result", "Unmocked", "attempts", "run"]

_HOMES = {
    "Call": "mocks",
    "Fail": "mocks",
    "attempts": "mocks",
    "ExecutionFailed": "result",
    "Path": "result",
    "Result": "result",
    "Unmocked": "result",
    "run": "running",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for: pytest loads this package in every project."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
