"""Which line of a TOML file a key stands on: tomllib does not tell."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]


def dotted(path: KeyPath) -> str:
    """A key path as people write it.

    >>> dotted(("pipelines", 0, "topics"))
    'pipelines[0].topics'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Key path → line (from 1) for every key and table of valid TOML; inside an array or an inline table the
    line is that of its first one.

    A statement is collected line by line until tomllib accepts it, so the grammar is tomllib's own.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    arrays: dict[KeyPath, int] = {}
    for number, statement, is_header in _statements(text):
        keys = _keys(tomllib.loads(statement))
        if is_header:
            table = _resolve(keys, arrays, appends=statement.startswith("[["))
            path = table
        else:
            path = table + keys
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str, bool]]:
    start, pending = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not pending:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            start = number
        pending += line.strip() + "\n" if not pending else line + "\n"
        if _complete(pending):
            yield start, pending, pending.startswith("[")
            pending = ""


def _complete(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _keys(data: dict[str, Any]) -> KeyPath:
    """The keys of a statement: what leads to its first value."""
    keys: list[str] = []
    value: Any = data
    while isinstance(value, dict) and len(value) == 1:
        (key,) = value
        keys.append(key)
        value = value[key]
    return tuple(keys)


def _resolve(keys: KeyPath, arrays: dict[KeyPath, int], *, appends: bool) -> KeyPath:
    """The path of a table header, with the index of the element that each array of tables is at."""
    path: KeyPath = ()
    for position, key in enumerate(keys, 1):
        path = (*path, key)
        if appends and position == len(keys):
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = (*path, arrays[path])
    return path
