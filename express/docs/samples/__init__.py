"""The sample workflows: where their files are, and their handlers.

The handlers are pure stand-ins for real services: what they do depends on the event alone, so that a run can be
repeated, and an event can ask for each way that a workflow may take.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def shipped(name: str) -> Path:
    """A file of `config/`: beside the package in a checkout, inside it when installed from a wheel."""
    packed = _HERE / "config"
    return (packed if packed.is_dir() else _HERE.parents[2] / "config") / name
