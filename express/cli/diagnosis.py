"""Files → findings with their places: what `express validate` shows, and anything else that checks files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from express.asl.lint import MachineType, duplicate_fields, lint
from express.asl.lint.members import UnknownMember
from express.asl.positions import Place, Position, Scanned
from express.asl.resources import KINDS_WITH_MEMBERS, Resource
from express.asl.scan import not_utf8, scan
from express.asl.scan_yaml import scan_yaml
from express.cli.templated import Spot, broken, spots
from express.config.files import read_bytes
from express.deploy.nodes import Source, TemplateError
from express.deploy.templates import Read, read_machines
from express.errors import ConfigError, DefinitionError, Diagnostic
from express.values import JSON

ASL_ENDINGS = (".asl.json", ".asl.yaml", ".asl.yml")
"""Files that a folder is searched for whatever they hold."""

OTHER_ENDINGS = (".json", ".yaml", ".yml")
"""Files that are taken from a folder when they look like a definition or a template that holds one."""

_ABOUT_NAMES = frozenset(
    {"E0102", "E0103", "E0104", "W0114", "W0410", "W0507", "W0706", "E0806", "E1001", "E1002", "W1004"}
)
"""Rules about a field's name rather than its value."""

STDIN = "<stdin>"
"""The name of what is read from the standard input."""

_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "cdk.out"})
_MARKS = ('"StartAt"', "StartAt:", '"States"')


class Finding(msgspec.Struct, frozen=True):
    """A diagnostic with its place. `excerpt` is the line it stands on; both are None where there is no place."""

    file: str
    diagnostic: Diagnostic
    position: Position | None = None
    excerpt: str | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The way files are judged. `type` goes before what a template says of its state machines; None: STANDARD.

    Of templates: `given` are the values of names that one leaves open, `only` is the one machine that is meant.
    """

    type: MachineType | None = None
    strict: bool = False
    placeholders: bool = True
    warnings: bool = True
    given: Mapping[str, str] = {}
    only: str | None = None


class NoSuchFile(Exception):
    """A name that is no file, folder or pattern with a match."""


def find_files(names: tuple[str, ...]) -> list[str]:
    """The files that names, patterns and folders stand for, each once, in the order given.

    Raises NoSuchFile.
    """
    found: dict[str, None] = {}
    for name in names:
        matches = list(_files(name))
        if not matches:
            raise NoSuchFile(name)
        found.update(dict.fromkeys(matches))
    return list(found)


def _files(name: str) -> Iterator[str]:
    if name == "-" or os.path.isfile(name):
        yield name
    elif os.path.isdir(name):
        yield from _in_folder(name)
    else:
        for match in sorted(glob.glob(name, recursive=True)):
            yield from _in_folder(match) if os.path.isdir(match) else (match,)


def _in_folder(folder: str) -> Iterator[str]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in _SKIPPED_FOLDERS and not f.startswith("."))
        for file in sorted(files):
            path = os.path.join(here, file)
            if file.endswith(ASL_ENDINGS) or (file.endswith(OTHER_ENDINGS) and _looks_like_definition(path)):
                yield path


def _looks_like_definition(path: str) -> bool:
    try:
        text = read_bytes(path).decode(errors="replace") if os.path.isfile(path) else ""
    except ConfigError:
        return False
    return any(mark in text for mark in _MARKS)


def diagnose(file: str, raw: bytes, options: Options) -> list[Finding]:
    """Every finding about a file and the files it names, in the order of their text."""
    try:
        text = raw.decode("utf-8-sig")
        findings = _in_template(file, text, options)
        if findings is None:
            findings = _in_definition(file, _scan(file, text, options), options)
    except UnicodeDecodeError as error:
        return [Finding(file, not_utf8(error))]
    except DefinitionError as error:
        return [_unread(file, text, diagnostic) for diagnostic in error.diagnostics]
    return [f for f in findings if options.warnings or f.diagnostic.severity == "ERROR"]


def types(file: str, raw: bytes, options: Options) -> tuple[list[MachineType], Diagnostic | None]:
    """Return the types that a definition without errors can be, and why not EXPRESS where it can't.

    A template says itself what its state machines are: for one there is nothing to tell.
    """
    text = raw.decode("utf-8-sig")
    if _in_template(file, text, options) is not None:
        return [], None
    data = _scan(file, text, options).data
    found = _judge(data, "EXPRESS", msgspec.structs.replace(options, type=None))
    why = next((diagnostic for diagnostic in found if diagnostic.severity == "ERROR"), None)
    return (["STANDARD", "EXPRESS"] if why is None else ["STANDARD"]), why


def _scan(file: str, text: str, options: Options) -> Scanned:
    if file.endswith((".yaml", ".yml")):
        return scan_yaml(text)
    return scan(text, placeholders=options.placeholders)


def _in_definition(file: str, scanned: Scanned, options: Options) -> list[Finding]:
    findings = list(_duplicates(file, scanned))
    for diagnostic in _judge(scanned.data, None, options):
        position = scanned.find(diagnostic.at or diagnostic.location, by_name=diagnostic.rule in _ABOUT_NAMES)
        findings.append(Finding(file, diagnostic, position, scanned.line(position.line)))
    return sorted(findings, key=_order)


def _judge(data: JSON, kind: MachineType | None, options: Options) -> list[Diagnostic]:
    return lint(
        data,
        type=options.type or kind or "STANDARD",
        members=_unknown_members,
        placeholders=options.placeholders,
        strict=options.strict,
    )


def _unknown_members(resource: Resource, parameters: JSON) -> Iterator[UnknownMember]:
    """Yield each name that the resource has no member for; integrations are imported for the first that has members."""
    if resource.kind in KINDS_WITH_MEMBERS:
        from express.integrations.parameters import unknown_members

        yield from unknown_members(resource, parameters)


def _in_template(file: str, text: str, options: Options) -> list[Finding] | None:
    """The findings about the state machines of a template; None where the text is none."""
    folder = None if file == STDIN else Path(file).parent
    try:
        read = read_machines(file, text, given=options.given, only=options.only, folder=folder)
        if read is None:
            return None
        findings = _of_machines(read, options)
        if any(machine.unknown for machine in read.machines):
            # What an Fn::If over an unknown condition would come to otherwise.
            other = read_machines(file, text, given=options.given, only=options.only, folder=folder, second=True)
            more = _of_machines(other, options) if other is not None else []
            findings = list(dict.fromkeys([*findings, *more]))
    except TemplateError as error:
        return [_found(broken(error, Source(file, Scanned(text, None, Place(0), []))))]
    names = {source.name: number for number, source in enumerate(read.sources)}
    return sorted(findings, key=lambda finding: (names.get(finding.file, 0), *_order(finding)))


def _of_machines(read: Read, options: Options) -> list[Finding]:
    found = spots(
        read,
        lambda data, kind: _judge(data, kind, options),
        by_name=_ABOUT_NAMES,
        placeholders=options.placeholders,
    )
    return list(map(_found, found))


def _found(spot: Spot) -> Finding:
    position, scanned = spot.position(), spot.source.scanned
    return Finding(spot.source.name, spot.diagnostic, position, scanned.line(position.line) if position else None)


def _duplicates(file: str, scanned: Scanned) -> Iterator[Finding]:
    for duplicate, diagnostic in zip(scanned.duplicates, duplicate_fields(scanned.duplicates), strict=True):
        position = scanned.at(duplicate.offset, len(duplicate.name) + 2)
        yield Finding(file, diagnostic, position, scanned.line(position.line))


def _unread(file: str, text: str, diagnostic: Diagnostic) -> Finding:
    """A finding about a text that could not be read: its place is in the location, as AWS words it."""
    numbers = diagnostic.location.rpartition("; line: ")[2].removesuffix("]").split(", column: ")
    if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        return Finding(file, diagnostic)
    lines = text.split("\n")
    line, column = int(numbers[0]), max(1, int(numbers[1]) - 1)
    return Finding(file, diagnostic, Position(line, column), lines[min(line, len(lines)) - 1].rstrip("\r"))


def _order(finding: Finding) -> tuple[int, int]:
    position = finding.position
    return (position.line, position.column) if position is not None else (0, 0)
