"""Full histories of segments: their events as a template, over the locals that have their values."""

from __future__ import annotations

from ast import literal_eval
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from express.engine.history import HistoryTemplate, LazyObject, Places
from express.expr.python.emitter import Made, display, is_local
from express.values import JSON


class Local(str):
    """The name of a local that holds a value of a history event; any other detail is a constant."""

    __slots__ = ()


class Grown(NamedTuple):
    """An object that a history event tells of and nobody has made: more members over the local `base`, if any."""

    base: str | None
    fields: Made

    def names(self) -> list[str]:
        """The locals that it is made of."""
        base = [] if self.base is None else [self.base]
        return base + [value for _, value in paths((), self.fields)]


Details: TypeAlias = dict[str, JSON | Local | Grown]


def paths(before: tuple[str | int, ...], fields: Made) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """The paths below `before` whose values are in locals."""
    for name, value in fields.items():
        path = (*before, name)
        if isinstance(value, Made):
            yield from paths(path, value)
        elif is_local(value):
            yield path, value


def template_of(trace: tuple[tuple[str, Details], ...]) -> tuple[HistoryTemplate, dict[str, int]]:
    """The events of one way through a segment, and the locals that they need, in the order of their places."""
    slots: dict[str, int] = {}
    for _, details in trace:
        for value in details.values():
            names = value.names() if type(value) is Grown else [value] if type(value) is Local else []
            for name in names:
                slots.setdefault(name, 2 + len(slots))
    shapes: dict[Any, LazyObject] = {}
    events = ((kind, _fixed(details), _places(details, slots, shapes)) for kind, details in trace)
    return HistoryTemplate(tuple(events)), slots


def _fixed(details: Mapping[str, Any]) -> dict[str, JSON]:
    """The details with nothing where a value belongs, in their order."""
    return {key: None if isinstance(value, Local | Grown) else value for key, value in details.items()}


def _places(details: Details, slots: dict[str, int], shapes: dict[Any, LazyObject]) -> Places:
    """Return where the values of a history event come from."""
    places: list[tuple[str, int | LazyObject]] = []
    for key, value in details.items():
        if isinstance(value, Local):
            places.append((key, slots[value]))
        elif isinstance(value, Grown):
            same = (value.base, display(value.fields))
            if same not in shapes:
                shapes[same] = _shape(value.base, value.fields, slots)
            places.append((key, shapes[same]))
    return tuple(places)


def _shape(base: str | None, fields: Made, slots: dict[str, int]) -> LazyObject:
    fixed: dict[str, JSON] = {}
    places: list[tuple[str, int | LazyObject]] = []
    for name, value in fields.items():
        fixed[name] = None
        if isinstance(value, Made):
            places.append((name, _shape(None, value, slots)))
        elif is_local(value):
            places.append((name, slots[value]))
        else:
            fixed[name] = literal_eval(value)
    return LazyObject(None if base is None else slots[base], fixed, tuple(places))
