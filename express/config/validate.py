"""Holds merged configuration data against the structs: every mistake at once, each with its key path.

msgspec alone stops at the first mistake, and knows neither the place nor the name that was meant.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable, Iterator
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from express.config.lines import KeyPath, dotted
from express.config.model import Config, decode_custom
from express.config.quantities import Duration, Size


class Problem(msgspec.Struct, frozen=True):
    """A mistake at a key path."""

    path: KeyPath
    message: str


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the one that was probably meant, or all there are."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"


def problems(data: Any, kind: Any = Config, path: KeyPath = ()) -> Iterator[Problem]:
    """Every place where `data` does not have the shape of `kind`."""
    kind = _variant(kind, data)
    inner = _inner(kind)
    if _is_struct(kind) and isinstance(data, dict):
        yield from _struct_problems(data, kind, path)
    elif get_origin(kind) is list and isinstance(data, dict) and _is_struct(inner):
        yield Problem(path, f"it is a list of tables: write [[{dotted(path)}]] instead of [{dotted(path)}]")
    elif _is_struct(kind) and isinstance(data, list):
        yield Problem(path, f"it is one table: write [{dotted(path)}] instead of [[{dotted(path)}]]")
    elif get_origin(kind) is list and isinstance(data, list) and _is_struct(inner):
        for index, item in enumerate(data):
            yield from problems(item, inner, (*path, index))
    elif get_origin(kind) is dict and isinstance(data, dict) and inner is not Any:
        for key, item in data.items():
            yield from problems(item, inner, (*path, key))
    elif get_origin(kind) is Literal and isinstance(data, str) and data not in get_args(kind):
        yield Problem(path, f"{data!r} is not a choice; {nearest(data, get_args(kind))}")
    else:
        try:
            msgspec.convert(data, kind, dec_hook=decode_custom)
        except msgspec.ValidationError as error:
            yield Problem(path, str(error))


def _struct_problems(data: dict[str, Any], kind: Any, path: KeyPath) -> Iterator[Problem]:
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    hints = get_type_hints(kind, include_extras=True)
    for key, value in data.items():
        if key in fields:
            yield from problems(value, hints[key], (*path, key))
        else:
            yield Problem((*path, key), f"unknown key; {nearest(key, fields)}")
    for name, field in fields.items():
        if field.required and name not in data:
            yield Problem(path, f"the key {name!r} is missing")


def wants_text(path: KeyPath) -> bool:
    """Return whether the value at `path` is written as text, so that an override is taken as it stands."""
    kind: Any = Config
    for part in path:
        hints = get_type_hints(kind, include_extras=True) if _is_struct(kind) else {}
        kind = hints.get(str(part), _inner(kind))
    plain = get_args(kind)[0] if hasattr(kind, "__metadata__") else kind
    either = get_args(plain) if get_origin(plain) in (Union, types.UnionType) else ()
    return plain in (str, Duration, Size) or str in either


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _inner(kind: Any) -> Any:
    """The type of the items of a list or the values of a dict, behind Annotated too."""
    while hasattr(kind, "__metadata__"):
        kind = get_args(kind)[0]
    arguments = get_args(kind)
    return arguments[-1] if get_origin(kind) in (list, dict) else None


def _variant(kind: Any, data: Any) -> Any:
    """Of a union, the struct where a table stands."""
    if get_origin(kind) in (Union, types.UnionType) and isinstance(data, dict):
        return next((member for member in get_args(kind) if _is_struct(member)), kind)
    return kind
