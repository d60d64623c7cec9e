"""Cloud assemblies of CDK: one for a stage lies in a folder of the one around it, which holds the assets of both."""

from __future__ import annotations

from pathlib import Path

from express.config.files import read_bytes
from express.errors import ConfigError
from express.values import loads

MANIFEST = "manifest.json"
NESTED = "cdk:cloud-assembly"

MOST_BYTES = 4 << 20

DEEPEST = 8
"""Assemblies in one another that are looked at."""


def outermost(folder: Path) -> Path:
    """Return the folder of the outermost assembly that `folder` is part of; `folder` itself where it is of none.

    What is around a folder counts only where its manifest names the folder as an assembly of its own.
    """
    for _ in range(DEEPEST):
        if folder.parent == folder or not _names(folder.parent / MANIFEST, folder.name):
            return folder
        folder = folder.parent
    return folder


def _names(manifest: Path, name: str) -> bool:
    """Return whether a manifest lists the folder `name` as a nested assembly."""
    if not manifest.is_file():
        return False
    try:
        found = loads(read_bytes(manifest, most=MOST_BYTES))
    except (ConfigError, ValueError):
        return False
    artifacts = found.get("artifacts") if type(found) is dict else None
    for artifact in artifacts.values() if type(artifacts) is dict else ():
        if type(artifact) is dict and artifact.get("type") == NESTED:
            properties = artifact.get("properties")
            if type(properties) is dict and properties.get("directoryName") == name:
                return True
    return False
