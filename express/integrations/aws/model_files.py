"""The shapes of requests, read straight from botocore's files: its own classes take longer to import than to use."""

from __future__ import annotations

import gzip
import importlib.util
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from express.values import loads

MODEL, EXTRAS = "service-2.json", "service-2.sdk-extras.json"
MOST_MODELS = 32
"""Models of services that are kept: the largest takes some 40 MB."""


class FileShape:
    """A shape of a service's model, as far as names of members need one; see `botocore.model.Shape`."""

    def __init__(self, name: str, shapes: dict[str, Any]) -> None:
        self.name = name
        self._shapes = shapes
        self._data: dict[str, Any] = shapes[name]
        self.type_name: str = self._data["type"]
        self.is_document_type: bool = self._data.get("document", False)

    @cached_property
    def members(self) -> dict[str, FileShape]:
        """The members of a structure."""
        return {name: self._other(member) for name, member in self._data.get("members", {}).items()}

    @cached_property
    def member(self) -> FileShape:
        """The items of a list."""
        return self._other(self._data["member"])

    @cached_property
    def value(self) -> FileShape:
        """The values of a map."""
        return self._other(self._data["value"])

    def _other(self, reference: dict[str, str]) -> FileShape:
        return FileShape(reference["shape"], self._shapes)


@cache
def _data() -> Path:
    """The folder of botocore's models, without importing it."""
    found = importlib.util.find_spec("botocore")
    assert found is not None, "the extra is installed"
    assert found.origin is not None, "it is a package"
    return Path(found.origin).parent / "data"


@lru_cache(maxsize=MOST_MODELS)
def _model(folder: str) -> dict[str, Any]:
    """The newest model of a service."""
    newest = max(place for place in (_data() / folder).iterdir() if place.is_dir())
    read = _file(newest, MODEL)
    extras = _file(newest, EXTRAS)
    assert read is not None, "each service has a model"
    return read if extras is None else _merged(read, extras["merge"])


def _file(folder: Path, name: str) -> dict[str, Any] | None:
    """A file of a model, packed or not."""
    packed, plain = folder / f"{name}.gz", folder / name
    if packed.exists():
        found: dict[str, Any] = loads(gzip.decompress(packed.read_bytes()))
        return found
    return loads(plain.read_bytes()) if plain.exists() else None


def _merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Add what botocore's clients take beyond the service's own model."""
    both = {
        name: _merged(base[name], value) if type(value) is dict and type(base.get(name)) is dict else value
        for name, value in more.items()
    }
    return {**base, **both}


def input_shape(folder: str, operation: str) -> FileShape | None:
    """The input of an operation; None where it has none, or the service has no such operation."""
    model = _model(folder)
    given = model["operations"].get(operation, {}).get("input")
    return None if given is None else FileShape(given["shape"], model["shapes"])
