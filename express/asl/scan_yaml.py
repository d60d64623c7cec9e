"""YAML text → data with the place of every part. Needs PyYAML, the extra `yaml`.

Only what JSON has: plain words are strings unless they spell null, true, false or a number (YAML 1.2's core, so
that `on`, `no` and timestamps stay text). The short tags of CloudFormation (`!Ref`, `!Sub`, `!GetAtt`) become
placeholders.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from express.asl.positions import Duplicate, Place, Scanned
from express.asl.scan import LONGEST_TEXT, too_long
from express.errors import ConfigError, DefinitionError, Diagnostic
from express.values import JSON

if TYPE_CHECKING:
    import yaml

DEEPEST_YAML = 200
MOST_NODES = 300_000

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, JSON] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_STANDARD = "tag:yaml.org,2002:"


def scan_yaml(text: str) -> Scanned:
    """The data of a YAML text and the place of every part.

    Raises DefinitionError for what does not parse, ConfigError where PyYAML is not installed.
    """
    if len(text) > LONGEST_TEXT:
        raise DefinitionError([too_long(len(text))])
    yaml = _library()
    try:
        node = yaml.compose(text, Loader=_loader(yaml))
    except yaml.YAMLError as error:
        raise DefinitionError([_syntax(error)]) from error
    except RecursionError as error:
        raise DefinitionError([_too_deep()]) from error
    if node is None:
        raise DefinitionError(
            [
                Diagnostic(
                    code="INVALID_JSON_DESCRIPTION", rule="E0002", message="Definition must be a valid JSON object"
                )
            ]
        )
    return _Builder(yaml, text).build(node)


def _library() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise ConfigError("YAML definitions need PyYAML: pip install 'express[yaml]'") from error
    return yaml


def _loader(yaml: Any) -> Any:
    """The C parser where it is there; it checks depth less early, but is ten times as fast."""
    return yaml.SafeLoader


def _syntax(error: Any) -> Diagnostic:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    where = f"line: {mark.line + 1}, column: {mark.column + 1}" if mark else ""
    message = f"{problem}\n at [Source: (String); {where}]" if mark else str(problem)
    return Diagnostic(
        code="INVALID_JSON_DESCRIPTION",
        rule="E0001",
        message=message,
        location=f"[Source: (String); {where}]" if mark else "",
    )


def _too_deep() -> Diagnostic:
    return Diagnostic(
        code="TOO_DEEPLY_NESTED",
        rule="E0004",
        message=f"The definition is nested deeper than {DEEPEST_YAML} levels",
    )


class _Builder:
    """Makes plain data of composed nodes. An alias is the same node again, so work is counted, not nodes."""

    def __init__(self, yaml: Any, text: str) -> None:
        self.yaml = yaml
        self.text = text
        self.made = 0
        self.duplicates: list[Duplicate] = []

    def build(self, node: yaml.Node) -> Scanned:
        root = Place(node.start_mark.index)
        return Scanned(self.text, self._value(node, root, "", 0), root, self.duplicates)

    def _value(self, node: Any, place: Place, location: str, depth: int) -> JSON:
        self.made += 1
        if depth > DEEPEST_YAML:
            raise DefinitionError([_too_deep()])
        if self.made > MOST_NODES:
            raise DefinitionError(
                [Diagnostic(code="INVALID_JSON_DESCRIPTION", rule="E0003", message="YAML aliases make it too large")]
            )
        place.start, place.end = node.start_mark.index, node.end_mark.index
        if not node.tag.startswith(_STANDARD):
            return _placeholder(node, self.yaml)
        if isinstance(node, self.yaml.MappingNode):
            return self._mapping(node, place, location, depth)
        if isinstance(node, self.yaml.SequenceNode):
            return self._sequence(node, place, location, depth)
        return plain(node.value) if node.style is None else node.value

    def _mapping(self, node: Any, place: Place, location: str, depth: int) -> dict[str, JSON]:
        data: dict[str, JSON] = {}
        members: dict[str, Place] = {}
        place.members = members
        for key, value in node.value:
            name = str(key.value) if isinstance(key, self.yaml.ScalarNode) else "?"
            where = f"{location}/{name}"[:4096]
            if name in data:
                self.duplicates.append(Duplicate(where, name, key.start_mark.index))
            member = Place(0, key.start_mark.index)
            members[name] = member
            data[name] = self._value(value, member, where, depth + 1)
        return data

    def _sequence(self, node: Any, place: Place, location: str, depth: int) -> list[JSON]:
        members: list[Place] = []
        place.members = members
        data = []
        for index, item in enumerate(node.value):
            member = Place(0)
            members.append(member)
            data.append(self._value(item, member, f"{location}[{index}]"[:4096], depth + 1))
        return data


def plain(word: str) -> JSON:
    """What an unquoted word means.

    >>> plain("3"), plain("2016-03-14T01:59:00Z"), plain("no"), plain("~")
    (3, '2016-03-14T01:59:00Z', 'no', None)
    """
    if word in _WORDS:
        return _WORDS[word]
    if _INTEGER.match(word):
        return int(word)
    if len(word) < 400 and _FLOAT.match(word) and math.isfinite(float(word)):
        return float(word)
    return word


def _placeholder(node: Any, yaml: Any) -> str:
    """`!Sub "…"` as its text, every other tag as `${…}`."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value) if node.tag == "!Sub" else f"${{{node.value}}}"
    return f"${{{node.tag.lstrip('!')}}}"
