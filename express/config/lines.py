"""Which line of a TOML file a key stands on: tomllib does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"  # texts over several lines
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'|#[^\n]*|[\[\]{}]|\n|[^\"'#\[\]{}\n]+",
    re.DOTALL,
)


def dotted(path: KeyPath) -> str:
    """A key path as people write it.

    >>> dotted(("pipelines", 0, "topics"))
    'pipelines[0].topics'
    """
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return key path → line (from 1) for every key and table of valid TOML.

    Inside an array or an inline table the line is that of its first one.

    The text is split where a line ends outside of texts, arrays and inline tables; the keys of a statement are
    tomllib's own.
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
    """Each statement with the line that it begins on, and whether it is the header of a table."""
    start, number, depth, first = 0, 1, 0, None
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == "\n" and not depth:
            if first is not None:
                yield first, text[start : match.start()].strip() + "\n", text[start : match.start()].lstrip()[:1] == "["
            start, first = match.end(), None
        elif first is None and not token.startswith("#") and token.strip():
            first = number
        depth += (token in ("[", "{")) - (token in ("]", "}"))
        number += token.count("\n")
    if first is not None:
        yield first, text[start:].strip() + "\n", text[start:].lstrip()[:1] == "["


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
