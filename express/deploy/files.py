"""Files of a template: regular ones inside the template's folder, of a bounded size, each read once.

For a template in a cloud assembly of CDK that lies in another, the folder is that of the outermost one.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from express.asl.positions import Place, Scanned
from express.asl.scan import LONGEST_TEXT, scan
from express.asl.scan_yaml import scan_yaml
from express.deploy.cloud_assembly import outermost
from express.deploy.nodes import Budget, Node, Source, TemplateError, Unseen, node_of
from express.errors import DefinitionError

LONGEST_NAME = 1000

YAML_ENDINGS = (".yml", ".yaml")


def is_yaml(name: str) -> bool:
    """Return whether a file's name says that it is YAML."""
    return name.endswith(YAML_ENDINGS)


class Files:
    """The files beside a template. `folder` None: the template has no place, and none can be read."""

    def __init__(self, folder: Path | None, budget: Budget) -> None:
        self.folder = folder
        self.budget = budget
        self.sources: list[Source] = []
        self._outermost: Path | None = None
        self._texts: dict[Path, Source] = {}
        self._trees: dict[Path, Node] = {}

    def text(self, name: str, at: Node) -> Node:
        """The text of a file that `at` names. Raises Unseen where it can't be read."""
        text = whole(self._source(self._path(name), name, at))
        self.budget.read(text)
        return text

    def tree(self, name: str, at: Node) -> Node:
        """The data of a file in JSON or YAML. Raises Unseen, and TemplateError for what is neither."""
        path = self._path(name)
        if path not in self._trees:
            text = self._source(path, name, at)
            try:
                scanned = parsed(name, text.scanned.text)
            except DefinitionError as error:
                raise TemplateError(f"{text.name} can't be read: {_line(error)}", at) from error
            source = Source(text.name, scanned)
            self.sources.append(source)
            self._trees[path] = node_of(scanned.data, scanned.root, source, self.budget)
        return self._trees[path]

    def _path(self, name: str) -> Path:
        if len(name) > LONGEST_NAME:
            raise Unseen(f"{name[:40]}… is too long for the name of a file")
        if self.folder is None:
            raise Unseen(f"{name} can't be found, as the template is not read from a file")
        try:
            folder = self.folder.resolve()
            path = (folder / name).resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise Unseen(f"{name!r} can't be read: {getattr(error, 'strerror', None) or error}") from error
        if not path.is_relative_to(folder) and not path.is_relative_to(self._around(folder)):
            raise Unseen(f"{name} is outside of the template's folder")
        return path

    def _around(self, folder: Path) -> Path:
        """Return where CDK keeps the assets of an assembly that lies in another."""
        if self._outermost is None:
            self._outermost = outermost(folder)
        return self._outermost

    def _source(self, path: Path, name: str, at: Node) -> Source:
        if path not in self._texts:
            raw = self._raw(path, name)
            self.budget.take(at, characters=len(raw))
            try:
                text = raw.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise Unseen(f"{name} is no text in UTF-8") from error
            assert self.folder is not None
            self._texts[path] = Source(os.path.normpath(self.folder / name), Scanned(text, None, Place(0), []))
            self.sources.append(self._texts[path])
        return self._texts[path]

    def _raw(self, path: Path, name: str) -> bytes:
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
            with os.fdopen(descriptor, "rb") as stream:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise Unseen(f"{name} is no regular file")
                raw = stream.read(4 * LONGEST_TEXT + 1)
        except OSError as error:
            raise Unseen(f"{name} can't be read: {error.strerror}") from error
        if len(raw) > 4 * LONGEST_TEXT:
            raise Unseen(f"{name} has more than {4 * LONGEST_TEXT:,} bytes")
        return raw


def whole(source: Source) -> Node:
    """The whole text of a file."""
    text = source.scanned.text
    node = Node(source, 0, len(text))
    node.value = text
    return node


def parsed(name: str, text: str) -> Scanned:
    """A file of a template, in YAML as CloudFormation reads it, or JSON. Raises DefinitionError."""
    return scan_yaml(text, template=True) if is_yaml(name) else scan(text, placeholders=True)


def _line(error: DefinitionError) -> str:
    found = error.diagnostics[0]
    place = found.location.rpartition("; line: ")[2].removesuffix("]").replace(", column: ", ":")
    problem = found.message.partition("\n")[0]
    return f"{problem} (line {place})" if found.location else problem
