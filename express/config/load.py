"""From files, environment and command line to one checked `Config`."""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from express.config import layers
from express.config.files import read_text
from express.config.lines import KeyPath, dotted
from express.config.model import Config, decode_custom
from express.config.rules import property_name, rule_problems
from express.config.validate import Problem, nearest, problems
from express.errors import ConfigError

MOST_PROBLEMS = 100
"""Most mistakes of a configuration that are told at once."""

DEFAULT_FILES = ("express.toml", "config/express.toml")
"""Looked for, in this order, where no file is named."""


class Loaded(msgspec.Struct, frozen=True):
    """A configuration and where each of its values comes from."""

    config: Config
    tree: layers.Tree

    def origin(self, path: KeyPath) -> str:
        """`file:line`, `environment NAME`, `--set key` or `default`."""
        return self.tree.origins.get(path, "default")


def load(
    files: Sequence[str | Path] = (),
    *,
    profile: str | None = None,
    settings: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Read and check a configuration.

    Without `files`: the first of `DEFAULT_FILES` that exists, or `[tool.express]` of a `pyproject.toml` here.

    Raises ConfigError that lists every mistake, a line each: place, key, what is wrong, the nearest name.
    """
    environ = layers.environment() if environ is None else environ
    profile = profile or environ.get("EXPRESS_PROFILE")
    tree = layers.Tree()
    found = [layers.add_file(tree, Path(file), profile, environ) for file in files or _default_files()]
    if profile is not None and not any(found):
        raise ConfigError(f"no file has a table [profile.{profile}]")
    layers.add_environment(tree, environ)
    layers.add_settings(tree, settings)
    _refuse(tree, problems(tree.data))
    config = msgspec.convert(tree.data, Config, dec_hook=decode_custom)
    _refuse(tree, rule_problems(config))
    return Loaded(_with_paths(config, tree), tree)


def _default_files() -> list[str]:
    found = [name for name in DEFAULT_FILES if Path(name).is_file()]
    return found[:1] or ([layers.PYPROJECT] if _is_ours(Path(layers.PYPROJECT)) else [])


def _is_ours(pyproject: Path) -> bool:
    """Return whether there is a pyproject.toml with settings for us; one that is broken is somebody else's to mend."""
    try:
        return layers.has_own_table(tomllib.loads(read_text(pyproject, most=layers.MOST_BYTES)))
    except (ConfigError, ValueError, RecursionError):
        return False


def _refuse(tree: layers.Tree, found: Iterable[Problem]) -> None:
    first = list(itertools.islice(found, MOST_PROBLEMS + 1))
    lines = [f"{tree.origin(problem.path)}: {dotted(problem.path)}: {problem.message}" for problem in first]
    if len(lines) > MOST_PROBLEMS:
        lines[-1] = f"there are more than {MOST_PROBLEMS} mistakes; the others are not shown"
    if lines:
        raise ConfigError("\n".join(lines))


def _with_paths(config: Config, tree: layers.Tree) -> Config:
    """File names made absolute; relative ones start from the folder of the file that names them."""

    def absolute(name: str, path: KeyPath) -> str:
        return str((tree.folder(path) / name).resolve()) if name else name

    pipelines = [
        msgspec.structs.replace(
            p,
            workflow=absolute(p.workflow, ("pipelines", i, "workflow")),
            workflows=[absolute(name, ("pipelines", i, "workflows")) for name in p.workflows],
        )
        for i, p in enumerate(config.pipelines)
    ]
    prices = absolute(config.metering.prices, ("metering", "prices"))
    metering = msgspec.structs.replace(config.metering, prices=prices)
    kafka = msgspec.structs.replace(config.kafka, client=_client_files(config.kafka.client, absolute))
    named = {name: getattr(config.api, name) for name in _API_FILES}
    files = {name: value if value == "-" else absolute(value, ("api", name)) for name, value in named.items()}
    api = msgspec.structs.replace(config.api, **files)
    return msgspec.structs.replace(config, kafka=kafka, pipelines=pipelines, metering=metering, api=api)


def _client_files(
    client: dict[str, Any], absolute: Callable[[str, KeyPath], str], path: KeyPath = ()
) -> dict[str, Any]:
    """Client properties with the names of certificate files made absolute."""
    found: dict[str, Any] = {}
    for key, value in client.items():
        place = (*path, key)
        if isinstance(value, dict):
            found[key] = _client_files(value, absolute, place)
        elif property_name(place) in _CLIENT_FILES and isinstance(value, str):
            found[key] = absolute(value, ("kafka", "client", *place))
        else:
            found[key] = value
    return found


_CLIENT_FILES = (
    *("ssl.ca.location", "ssl.certificate.location", "ssl.key.location"),
    *("ssl.cafile", "ssl.certfile", "ssl.keyfile"),
)


_API_FILES = ("store", "log_file", "tls_certificate", "tls_key", "tls_client_ca")


def flat(value: Any, path: KeyPath = ()) -> Iterable[tuple[KeyPath, Any]]:
    """Every leaf of a configuration with its key path; empty tables and arrays of plain values are leaves."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from flat(getattr(value, name), (*path, name))
    elif isinstance(value, dict) and value:
        for key, item in value.items():
            yield from flat(item, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], msgspec.Struct):
        for index, item in enumerate(value):
            yield from flat(item, (*path, index))
    else:
        yield path, value


def choose(name: str, known: Iterable[str], what: str) -> None:
    """Raise ConfigError unless `name` is one of `known`; the message names the nearest."""
    known = list(known)
    if name not in known:
        raise ConfigError(f"unknown {what} {name!r}; {nearest(name, known)}")
