"""Files → findings with their places: what `express validate` shows, and anything else that checks files."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from express.asl.embedded import Embedded, embedded
from express.asl.lint import MachineType, duplicate_fields, lint
from express.asl.positions import Position, Scanned
from express.asl.scan import not_utf8, scan
from express.asl.scan_yaml import scan_yaml
from express.errors import DefinitionError, Diagnostic
from express.integrations.parameters import CHECKS

ASL_ENDINGS = (".asl.json", ".asl.yaml", ".asl.yml")
"""Files that a folder is searched for whatever they hold."""

OTHER_ENDINGS = (".json", ".yaml", ".yml")
"""Files that are taken from a folder when they look like a definition or a template that holds one."""

_ABOUT_NAMES = frozenset(
    {"E0102", "E0103", "E0104", "W0114", "W0410", "W0507", "W0706", "E0806", "E1001", "E1002", "W1004"}
)
"""Rules about a field's name rather than its value."""

_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "cdk.out"})
_MARKS = ('"StartAt"', "StartAt:", '"States"')


class Finding(msgspec.Struct, frozen=True):
    """A diagnostic with its place. `excerpt` is the line it stands on; both are None where there is no place."""

    file: str
    diagnostic: Diagnostic
    position: Position | None = None
    excerpt: str | None = None


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How files are judged. `type` goes before what a template says of its state machines; None: STANDARD."""

    type: MachineType | None = None
    strict: bool = False
    placeholders: bool = True
    warnings: bool = True


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
        text = Path(path).read_text("utf-8", errors="replace")
    except OSError:
        return False
    return any(mark in text for mark in _MARKS)


def diagnose(file: str, raw: bytes, options: Options) -> list[Finding]:
    """Every finding about a file, in the order of its text."""
    try:
        text = raw.decode("utf-8-sig")
        scanned = _scan(file, text, options)
    except UnicodeDecodeError as error:
        return [Finding(file, not_utf8(error))]
    except DefinitionError as error:
        return [_unread(file, text, diagnostic) for diagnostic in error.diagnostics]
    machines = embedded(scanned) or [Embedded("", scanned.data)]
    findings = list(_duplicates(file, scanned))
    for machine in machines:
        findings += _judge(file, scanned, machine, options)
    return sorted((f for f in findings if options.warnings or f.diagnostic.severity == "ERROR"), key=_order)


def _scan(file: str, text: str, options: Options) -> Scanned:
    if file.endswith((".yaml", ".yml")):
        return scan_yaml(text)
    return scan(text, placeholders=options.placeholders)


def _judge(file: str, scanned: Scanned, machine: Embedded, options: Options) -> Iterator[Finding]:
    findings = machine.problems or lint(
        machine.data,
        type=options.type or machine.type or "STANDARD",
        checks=CHECKS,
        placeholders=options.placeholders,
        strict=options.strict,
    )
    for diagnostic in findings:
        place = (diagnostic.at or diagnostic.location) if machine.whole else ""
        position = scanned.find(machine.prefix + place, by_name=diagnostic.rule in _ABOUT_NAMES)
        yield Finding(file, diagnostic, position, scanned.line(position.line))


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
