"""The one loop that holds an object against a table of fields: unknown names, the wrong query language, values."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from express.asl.lint.report import View, below
from express.asl.lint.values import Check
from express.values import JSON

BOTH = ""
JSONPATH = "JSONPath"
JSONATA = "JSONata"


class Field(msgspec.Struct, frozen=True):
    """A row of a field table: how the value is checked, and the one query language that has the field."""

    check: Check
    language: str = BOTH


def check_fields(view: View, fields: dict[str, JSON], location: str, table: dict[str, Field]) -> None:
    """Check every field of an object: its name, its language, its value."""
    other = JSONPATH if view.jsonata else JSONATA
    for name, value in fields.items():
        row = table.get(name)
        if row is None:
            unknown(view, name, location, table)
        elif row.language == other:
            wrong_language(view, name, location)
        else:
            row.check(view, value, f"{location}/{name}")


def unknown(view: View, name: str, location: str, table: dict[str, Field]) -> None:
    """A field that nothing here has."""
    other = JSONPATH if view.jsonata else JSONATA
    names = [n for n, row in table.items() if row.language != other]
    meant = view.report.slip_of(name, names)
    if meant is not None:
        view.report.slips.add(meant)
    view.add(
        "E0102",
        location,
        f"Field '{name}' is not supported",
        hint=view.report.nearest(name, names),
        at=below(location, f"/{name}"),
    )


def wrong_language(view: View, name: str, location: str) -> None:
    """A field of the other query language."""
    ours, theirs = (JSONATA, JSONPATH) if view.jsonata else (JSONPATH, JSONATA)
    ignored = name == "Result" and view.data.get("End") is True
    view.add(
        "W0114" if ignored else "E0103",
        location,
        f"The QueryLanguage is set to '{ours}', but field '{name}' is only supported for the '{theirs}' QueryLanguage",
        at=below(location, f"/{name}"),
    )


def required(view: View, fields: dict[str, JSON], location: str, names: tuple[str, ...]) -> None:
    """Note the fields that are missing, all in one finding as AWS does."""
    missing = [name for name in names if name not in fields]
    if missing:
        _missing(view, fields, location, f"These fields are required: [{', '.join(missing)}]", missing)


def _missing(view: View, fields: dict[str, JSON], location: str, message: str, names: Sequence[str]) -> None:
    """A field that is there under a misspelt name is missing only because of that."""
    misspelt = any(view.report.slip_of(name, fields) for name in names)
    view.add("E0101", location, message, follows="E0102" if misspelt else None)


def at_most_one(view: View, fields: dict[str, JSON], location: str, group: tuple[str, ...]) -> bool:
    """Note fields that exclude each other; tells whether one of them is there."""
    present = [name for name in group if name in fields]
    if len(present) > 1:
        view.add(
            "E0104",
            location,
            f"There should only be one of the following fields: [{', '.join(present)}]",
            at=below(location, f"/{present[-1]}"),
        )
    return bool(present)


def one_of_fields(view: View, fields: dict[str, JSON], location: str, group: tuple[str, ...]) -> None:
    """Note it unless exactly one field of the group is there."""
    if not at_most_one(view, fields, location, group):
        _missing(view, fields, location, f"One of these fields is required: [{', '.join(group)}]", group)
