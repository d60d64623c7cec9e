"""Findings in the state machines of templates, each with its place in the file that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from express.asl.lint import RULES, MachineType, duplicate_fields
from express.asl.positions import Place, Position, Scanned, follow
from express.asl.scan import scan
from express.asl.scan_yaml import scan_yaml
from express.deploy.machines import Machine
from express.deploy.nodes import Node, Source, TemplateError
from express.deploy.templates import Read
from express.errors import DefinitionError, Diagnostic
from express.values import JSON

Judge = Callable[[JSON, MachineType | None], Iterable[Diagnostic]]
"""Yields what is wrong with the data of a definition of a type; None: the template does not say which."""

_TYPES: dict[str | None, MachineType] = {"STANDARD": "STANDARD", "EXPRESS": "EXPRESS"}


class Spot(NamedTuple):
    """A diagnostic, and the characters of a file that it is about."""

    diagnostic: Diagnostic
    source: Source
    start: int
    length: int

    def position(self) -> Position | None:
        """The place; None in a file whose places are not kept, for its size."""
        return self.source.scanned.at(self.start, self.length) if self.source.placed else None


def spots(read: Read, judge: Judge, *, by_name: frozenset[str], placeholders: bool) -> Iterator[Spot]:
    """Every finding about a template and the files that it names."""
    for source in read.sources:
        for diagnostic, (start, length) in _repeated(source.scanned):
            yield Spot(diagnostic, source, start, length)
    if not read.machines:
        yield Spot(_not_checked("it holds no state machine"), read.sources[0], 0, 1)
    for machine in read.machines:
        if machine.error is not None:
            yield broken(machine.error, read.sources[0])
        elif machine.body is None:
            yield _at(_not_checked(f"{machine.name} is not checked: {machine.unseen}"), machine.at)
        elif machine.body.text is not None:
            yield from _in_text(machine, machine.body, judge, by_name, placeholders=placeholders)
        else:
            for diagnostic in judge(machine.body.plain(), _TYPES.get(machine.type)):
                place = follow(machine.body, diagnostic.at or diagnostic.location)
                yield _at(diagnostic, place, by_name=diagnostic.rule in by_name)


def broken(error: TemplateError, source: Source) -> Spot:
    """The finding about a template that can't be read."""
    diagnostic = Diagnostic(code=RULES["E0009"].code, rule="E0009", message=error.sentence)
    return _at(diagnostic, error.node) if error.node is not None else Spot(diagnostic, source, 0, 1)


def _not_checked(sentence: str) -> Diagnostic:
    return Diagnostic(code=RULES["W0008"].code, rule="W0008", severity="WARNING", message=sentence)


def _at(diagnostic: Diagnostic, place: Place, *, by_name: bool = True) -> Spot:
    assert isinstance(place, Node)
    return Spot(diagnostic, place.source, *place.source.scanned.spot(place, by_name=by_name))


def _repeated(scanned: Scanned) -> Iterator[tuple[Diagnostic, tuple[int, int]]]:
    """Field names that are there twice, and where."""
    for duplicate, diagnostic in zip(scanned.duplicates, duplicate_fields(scanned.duplicates), strict=True):
        yield diagnostic, (duplicate.offset, len(duplicate.name) + 2)


def _in_text(
    machine: Machine, body: Node, judge: Judge, by_name: frozenset[str], *, placeholders: bool
) -> Iterator[Spot]:
    """Findings in a definition that is a text, which may be woven of several."""
    try:
        content = body.text or ""
        inner = scan_yaml(content) if machine.yaml else scan(content, placeholders=placeholders)
    except DefinitionError as error:
        for diagnostic in error.diagnostics:
            yield _mapped(diagnostic, body, _offset(content, diagnostic.location), 1)
        return
    for diagnostic, (start, length) in _repeated(inner):
        yield _mapped(diagnostic, body, start, length)
    for diagnostic in judge(inner.data, _TYPES.get(machine.type)):
        place = follow(inner.root, diagnostic.at or diagnostic.location)
        yield _mapped(diagnostic, body, *inner.spot(place, by_name=diagnostic.rule in by_name))


def _mapped(diagnostic: Diagnostic, body: Node, start: int, length: int) -> Spot:
    source, at = body.origin(start)
    return Spot(diagnostic, source, at, length)


def _offset(content: str, location: str) -> int:
    """The offset that the location of a text's syntax error means."""
    line, _, column = location.rpartition("; line: ")[2].removesuffix("]").partition(", column: ")
    if not (line.isdigit() and column.isdigit()):
        return 0
    lines = content.split("\n")[: int(line) - 1]
    return min(sum(len(text) + 1 for text in lines) + max(0, int(column) - 2), max(0, len(content) - 1))
