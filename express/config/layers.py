"""The layers of a configuration, merged, each value with its origin.

Order, the last wins: defaults of the structs, files in the order given, the profile's tables in them,
`EXPRESS_SECTION__KEY` in the environment (a `.env` file fills what is not there), `--set key=value`.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from express.config.dotenv import ORIGINS
from express.config.files import read_bytes
from express.config.lines import KeyPath, dotted, key_lines
from express.config.validate import wants_text
from express.errors import ConfigError

PREFIX = "EXPRESS_"
PYPROJECT = "pyproject.toml"
OWN_TABLE = ("tool", "express")
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_YAML = re.compile(r"(?:\s*(?:#.*|---.*)?\n)*[A-Za-z_][\w.-]*:(?:\s|$)")
"""The beginning of a text in YAML: a key, a colon and white space, behind comments and the mark of a document."""

MOST_BYTES = 1024 * 1024
"""Most bytes of a configuration file."""

DEEPEST = 64
"""Most levels of tables and arrays; the configuration itself has six."""

_TOO_DEEP = f"tables and arrays are nested over more than {DEEPEST} levels"
_LINE = re.compile(r" \(at line (\d+), column \d+\)\Z")


class Tree:
    """Merged data, and for each leaf where it comes from."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {}
        self.origins: dict[KeyPath, str] = {}
        self.folders: dict[KeyPath, Path] = {}

    def origin(self, path: KeyPath) -> str:
        """Return where the value at `path` was set; for what nobody set, where the table around it stands."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return "default"

    def folder(self, path: KeyPath) -> Path:
        """The folder that a relative file name at `path` starts from: its file's, else the current one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.folders.get(path[:length], Path())
        return Path()

    def merge(self, data: Mapping[str, Any], lines: Mapping[KeyPath, int], file: Path) -> None:
        """Lay a file's tables over what is there; arrays are replaced whole."""
        self._merge(self.data, data, (), lines, file)

    def _merge(
        self,
        into: dict[str, Any],
        data: Mapping[str, Any],
        path: KeyPath,
        lines: Mapping[KeyPath, int],
        file: Path,
    ) -> None:
        for key, value in data.items():
            here = (*path, key)
            if isinstance(value, dict) and isinstance(into.get(key), dict):
                self._merge(into[key], value, here, _with_inner(value, here, lines), file)
            else:
                if key in into:
                    self._forget(here)
                into[key] = value
                self._record(value, here, lines, file)

    def _record(self, value: Any, path: KeyPath, lines: Mapping[KeyPath, int], file: Path) -> None:
        if path in lines:
            self.origins[path] = f"{file}:{lines[path]}"
            self.folders[path] = file.parent
            lines = _with_inner(value, path, lines)
        for key, item in _items(value):
            self._record(item, (*path, key), lines, file)

    def _forget(self, path: KeyPath) -> None:
        for known in [p for p in self.origins if p[: len(path)] == path]:
            del self.origins[known]
            self.folders.pop(known, None)

    def override(self, keys: Iterable[str], text: str, origin: str) -> None:
        """Set one value from text; an element of an array is named by its index or its `name`."""
        into: Any = self.data
        path: KeyPath = ()
        *outer, last = keys
        if len(outer) > DEEPEST:
            raise ConfigError(f"{origin[:80]}: {_TOO_DEEP}")
        for key in outer:
            step = _step(into, key, origin)
            path = (*path, step)
            if isinstance(into, dict) and step not in into:
                into[step] = {}
                self.origins[path] = origin
            into = into[step]
            if not isinstance(into, dict | list):
                raise ConfigError(f"{origin}: {dotted(path)} is not a table")
        step = _step(into, last, origin)
        path = (*path, step)
        self._forget(path)
        into[step] = text if wants_text(path) else _value(text, origin)
        self.origins[path] = origin


def _items(value: Any) -> Iterable[tuple[str | int, Any]]:
    return value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()


def _with_inner(value: Any, path: KeyPath, lines: Mapping[KeyPath, int]) -> Mapping[KeyPath, int]:
    """Return `lines` with the members of an array or inline table, which stand on the line where it begins."""
    missing = [(*path, key) for key, _ in _items(value) if (*path, key) not in lines]
    return {**lines, **dict.fromkeys(missing, lines[path])} if missing and path in lines else lines


def _step(into: Any, key: str, origin: str) -> str | int:
    if isinstance(into, dict):
        return key
    if key.isdecimal() and int(key) < len(into):
        return int(key)
    for index, item in enumerate(into):
        if isinstance(item, dict) and item.get("name") == key:
            return index
    raise ConfigError(f"{origin}: there is no element {key!r} of {len(into)}")


def _value(text: str, origin: str) -> Any:
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text
    except RecursionError:
        raise ConfigError(f"{origin}: {_TOO_DEEP}") from None
    if _is_deep(value):
        raise ConfigError(f"{origin}: {_TOO_DEEP}")
    return value


def _is_deep(data: Any) -> bool:
    """Return whether tables and arrays are nested too far for what reads them next."""
    level = [data]
    for _ in range(DEEPEST):
        level = (
            [
                item
                for value in level
                for item in (value.values() if isinstance(value, dict) else value)
                if isinstance(item, dict | list)
            ]
            if isinstance(data, dict | list)
            else []
        )
        if not level:
            return False
    return True


def read_file(file: Path, environ: Mapping[str, str]) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """A file's data, with `${NAME}` and `${NAME:-default}` in strings filled in, and the line of each key.

    Of a `pyproject.toml` that is its table `[tool.express]`. Raises ConfigError with file and line.
    """
    try:
        text = read_bytes(file, most=MOST_BYTES).decode()
        data = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 text") from error
    except RecursionError:
        raise ConfigError(f"{file}: {_TOO_DEEP}") from None
    except tomllib.TOMLDecodeError as error:
        place = _LINE.search(str(error))
        line = f":{place[1]}" if place else ""
        raise ConfigError(f"{file}{line}: {_LINE.sub('', str(error))}{_other_format(text)}") from error
    if _is_deep(data):
        raise ConfigError(f"{file}: {_TOO_DEEP}")
    lines = key_lines(text)
    if file.name == PYPROJECT:
        data, lines = _own_table(data, lines, file)
    return _filled(data, environ, file), lines


def _other_format(text: str) -> str:
    """Return what to say of a text that is not TOML because it is JSON or YAML."""
    try:
        is_json = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        is_json = False
    if not is_json and _YAML.match(text) is None:
        return ""
    kind = "JSON" if is_json else "YAML"
    return f'. It looks like {kind}: a configuration is TOML, [kafka] and bootstrap_servers = "host:9092" below it'


def _own_table(
    data: dict[str, Any], lines: Mapping[KeyPath, int], file: Path
) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    if not has_own_table(data):
        raise ConfigError(f"{file}: there is no table [{'.'.join(OWN_TABLE)}]")
    depth = len(OWN_TABLE)
    inner = {path[depth:]: line for path, line in lines.items() if path[:depth] == OWN_TABLE and len(path) > depth}
    return data["tool"]["express"], inner


def has_own_table(data: Mapping[str, Any]) -> bool:
    """Return whether a pyproject.toml has settings of ours."""
    tool = data.get("tool")
    return isinstance(tool, dict) and isinstance(tool.get("express"), dict)


def _filled(value: Any, environ: Mapping[str, str], file: Path) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: _variable(match, environ, file), value)
    if isinstance(value, dict):
        return {key: _filled(item, environ, file) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, environ, file) for item in value]
    return value


def _variable(match: re.Match[str], environ: Mapping[str, str], file: Path) -> str:
    name, default = match.groups()
    if name not in environ and default is None:
        raise ConfigError(f"{file}: {match[0]} is used, but {name} is not set and has no default")
    return environ.get(name, default)


def add_file(tree: Tree, file: Path, profile: str | None, environ: Mapping[str, str]) -> bool:
    """Merge a file and, of its `[profile.NAME]` tables, the one that is asked for; whether it has that."""
    data, lines = read_file(file, environ)
    profiles = data.pop("profile", {})
    tree.merge(data, {path: line for path, line in lines.items() if path[0] != "profile"}, file)
    if profile is None or profile not in profiles:
        return False
    prefix = ("profile", profile)
    inner = {path[2:]: line for path, line in lines.items() if path[:2] == prefix and len(path) > 2}
    tree.merge(profiles[profile], inner, file)
    return True


def add_environment(tree: Tree, environ: Mapping[str, str]) -> None:
    """Apply every `EXPRESS_SECTION__KEY`; names without `__` belong to others."""
    for name in sorted(environ):
        if name.startswith(PREFIX) and "__" in name:
            keys = name.removeprefix(PREFIX).lower().split("__")
            place = f"{ORIGINS[name]}: {name}" if name in ORIGINS and environ is os.environ else f"environment {name}"
            tree.override(keys, environ[name], place)


def add_settings(tree: Tree, settings: Iterable[str]) -> None:
    """Apply every `--set key=value`; a key part with dots in it is quoted as in TOML."""
    for setting in settings:
        key, equals, text = setting.partition("=")
        try:
            keys = _setting_keys(key)
        except tomllib.TOMLDecodeError:
            keys = []
        if not equals or not keys:
            raise ConfigError(f"--set {setting}: expected key=value, as in --set kafka.group=orders")
        tree.override(keys, text, f"--set {key}")


def _setting_keys(key: str) -> list[str]:
    value: Any = tomllib.loads(f"{key} = 0")
    keys: list[str] = []
    while isinstance(value, dict):
        ((name, value),) = value.items()
        keys.append(name)
    return keys


def environment() -> Mapping[str, str]:
    """The environment of this process."""
    return os.environ
