"""Checks of a Task's parameters: which names its resource does not take.

That is known to the integrations, which stand above; `lint` gets it handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

from express.asl.resources import Resource
from express.values import JSON

UnknownMember: TypeAlias = tuple[str, str, Collection[str]]
"""JSON pointer of the object below the parameters, the field that it may not have, the names that it may."""

Members: TypeAlias = Callable[[Resource, JSON], Iterable[UnknownMember]]
"""(resource, parameters) → the names in the parameters that the resource does not take."""


def plain(field: str) -> str:
    """Return the name of a field without the `.$` that marks a path or an intrinsic call."""
    return field.removesuffix(".$")


def any_member(resource: Resource, parameters: JSON) -> Iterable[UnknownMember]:
    """Find nothing: no service's model is at hand."""
    return ()
