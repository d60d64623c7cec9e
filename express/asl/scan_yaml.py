"""YAML text → data with the place of every part. Needs PyYAML, the extra `yaml`.

Only what JSON has: plain words are strings unless they spell null, true, false or a number (YAML 1.2's core, so
that `on`, `no` and timestamps stay text). The short tags of CloudFormation (`!Ref`, `!Sub`, `!GetAtt`) become
placeholders.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Callable
from typing import Any, NamedTuple

from express.asl.positions import Duplicate, Place, Scanned
from express.asl.scan import LONGEST_TEXT, not_utf8, too_long
from express.asl.yaml_words import plain, word_of_template
from express.errors import ConfigError, DefinitionError, Diagnostic
from express.values import INTEGER_MAX, INTEGER_MIN, JSON, dumps

YAML_ENDINGS = (".yaml", ".yml")

DEEPEST_YAML = 200
MOST_NODES = 300_000

_STANDARD = "tag:yaml.org,2002:"
_TYPED = ("bool", "int", "float", "null")
MERGE = "\0<<"
"""The name of a merge key, which no text can have."""


def scan_yaml(text: str, *, template: bool = False) -> Scanned:
    """The data of a YAML text and the place of every part.

    With `template`, YAML is read as CloudFormation reads it: short tags are functions (`!Ref a` is `{"Ref": "a"}`),
    `yes` and `on` are true, and `<<` merges.
    Raises DefinitionError for what does not parse, ConfigError where PyYAML is not installed.
    """
    if len(text) > LONGEST_TEXT:
        raise DefinitionError([too_long(len(text))])
    yaml = _library()
    builder = _Builder(text, word_of_template if template else plain, template=template)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            builder.take(type(event).__name__, event)
    except yaml.YAMLError as error:
        raise DefinitionError([_syntax(error)]) from error
    return builder.scanned()


def json_text(raw: bytes, file: str) -> bytes:
    """Return the JSON text of a definition that a file holds: YAML by the file's ending, a byte-order mark or none.

    Raises DefinitionError for what is not UTF-8 or no YAML, ConfigError where PyYAML is not installed.
    """
    raw = raw.removeprefix(BOM_UTF8)
    if not file.endswith(YAML_ENDINGS):
        return raw
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise DefinitionError([not_utf8(error)]) from error
    try:
        return dumps(scan_yaml(text).data)
    except TypeError as error:
        raise DefinitionError([_broken(f"the definition can't be written as JSON: {error}", None)]) from error


def _library() -> Any:
    try:
        import yaml
    except ImportError as error:
        raise ConfigError("YAML definitions need PyYAML: pip install 'express[yaml]'") from error
    return yaml


def _syntax(error: Any) -> Diagnostic:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    return _broken(getattr(error, "problem", None) or str(error), mark)


def _broken(problem: str, mark: Any) -> Diagnostic:
    where = f"[Source: (String); line: {mark.line + 1}, column: {mark.column + 1}]" if mark else ""
    message = f"{problem}\n at {where}" if mark else str(problem)
    return Diagnostic(code="INVALID_JSON_DESCRIPTION", rule="E0001", message=message, location=where)


def _too_deep() -> Diagnostic:
    return Diagnostic(
        code="TOO_DEEPLY_NESTED",
        rule="E0004",
        message=f"The definition is nested deeper than {DEEPEST_YAML} levels",
    )


class _Built(NamedTuple):
    """A finished value: what an alias may stand for again. `nodes` and `height` are those of everything in it."""

    data: JSON
    place: Place
    nodes: int
    height: int


class _Open:
    """A mapping or sequence that is being read; `place` is its own, `key` the name its next value gets."""

    def __init__(self, data: dict[str, JSON] | list[JSON], place: Place, location: str, event: Any) -> None:
        self.data = data
        self.place = place
        self.location = location
        self.event = event
        self.members: dict[str, Place] | list[Place] = {} if type(data) is dict else []
        self.key: tuple[str, int] | None = None
        self.merged: list[_Built] = []
        self.nodes = 1
        self.height = 0


class _Builder:
    """Makes plain data of a parser's events, on a stack of its own.

    An alias is the same value again: it is shared, and counted as often as it stands.
    """

    def __init__(self, text: str, word: Callable[[str], JSON], *, template: bool) -> None:
        self.text = text
        self.word = word
        self.template = template
        self.stack: list[_Open] = []
        self.anchors: dict[str, _Built] = {}
        self.duplicates: list[Duplicate] = []
        self.built: _Built | None = None
        self.nodes = 0

    def scanned(self) -> Scanned:
        """Return what was read. Raises DefinitionError where there was nothing."""
        if self.built is None:
            empty = "Definition must be a valid JSON object"
            raise DefinitionError([Diagnostic(code="SCHEMA_VALIDATION_FAILED", rule="E0002", message=empty)])
        return Scanned(self.text, self.built.data, self.built.place, self.duplicates)

    def take(self, kind: str, event: Any) -> None:
        """Read one event."""
        self.nodes += 1
        if kind == "ScalarEvent":
            self._scalar(event)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._open({} if kind == "MappingStartEvent" else [], event)
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._close(event)
        elif kind == "AliasEvent":
            self._alias(event)
        elif kind == "DocumentStartEvent" and self.built is not None:
            raise DefinitionError([_broken("expected a single document", event.start_mark)])

    def _scalar(self, event: Any) -> None:
        top = self._wants_name()
        if top is not None:
            self._name(top, event, event.value)
            return
        place = Place(event.start_mark.index)
        place.end = event.end_mark.index
        tag = event.tag or ""
        plainly = event.implicit[0] or (tag.startswith(_STANDARD) and tag[len(_STANDARD) :] in _TYPED)
        value = self.word(event.value) if plainly and not event.style else event.value
        if type(value) is int and not INTEGER_MIN <= value <= INTEGER_MAX:
            raise DefinitionError(
                [_broken(f"the integer {event.value[:40]} does not fit into 64 bits", event.start_mark)]
            )
        if tag == "!" or tag.startswith(_STANDARD) or not tag:
            self._put(_Built(value, place, 1, 0), event.anchor)
        else:
            self._put(self._tagged(_Built(event.value, place, 1, 0), tag), event.anchor)

    def _open(self, data: dict[str, JSON] | list[JSON], event: Any) -> None:
        if len(self.stack) >= DEEPEST_YAML:
            raise DefinitionError([_too_deep()])
        location, place = "", Place(event.start_mark.index)
        if self.stack:
            top = self.stack[-1]
            step = f"[{len(top.data)}]" if type(top.data) is list else f"/{top.key[0] if top.key else '?'}"
            location = f"{top.location}{step}"[:4096]
        self.stack.append(_Open(data, place, location, event))

    def _close(self, event: Any) -> None:
        top = self.stack.pop()
        for merged in top.merged:
            self._merge(top, merged)
        top.place.members = top.members
        top.place.end = event.end_mark.index
        built = _Built(top.data, top.place, top.nodes, top.height)
        tag = top.event.tag or ""
        if tag and tag != "!" and not tag.startswith(_STANDARD):
            built = self._tagged(built, tag)
        parent = self._wants_name()
        if parent is not None:
            self._name(parent, top.event, "?")
            return
        self._put(built, top.event.anchor)

    def _alias(self, event: Any) -> None:
        known = self.anchors.get(event.anchor)
        if known is None:
            if any(item.event.anchor == event.anchor for item in self.stack):
                raise DefinitionError([_too_deep()])
            raise DefinitionError([_broken(f"found undefined alias {event.anchor!r}", event.start_mark)])
        top = self._wants_name()
        if top is not None:
            self._name(top, event, str(known.data))
            return
        place = Place(known.place.start)
        place.end, place.members = known.place.end, known.place.members
        self.nodes += known.nodes
        self._put(known._replace(place=place), None)

    # where a value goes

    def _wants_name(self) -> _Open | None:
        """The mapping whose next field name this is; None where a value stands."""
        top = self.stack[-1] if self.stack else None
        return top if top is not None and type(top.data) is dict and top.key is None else None

    def _name(self, top: _Open, event: Any, name: str) -> None:
        plainly = getattr(event, "style", "'") in (None, "")
        top.key = (MERGE if self.template and plainly and name == "<<" else name, event.start_mark.index)

    def _put(self, built: _Built, anchor: str | None) -> None:
        if anchor:
            self.anchors[anchor] = built
        if not self.stack:
            self.built = built
            return
        top = self.stack[-1]
        self._count(top, built)
        if type(top.data) is list:
            assert type(top.members) is list
            top.data.append(built.data)
            top.members.append(built.place)
            return
        assert top.key is not None
        (name, start), top.key = top.key, None
        if name == MERGE:
            top.merged.append(built)
            return
        self._member(top, name, start, built)

    def _member(self, top: _Open, name: str, start: int, built: _Built) -> None:
        assert type(top.data) is dict
        assert type(top.members) is dict
        if name in top.data:
            self.duplicates.append(Duplicate(f"{top.location}/{name}"[:4096], name, start))
        built.place.key = start
        top.data[name] = built.data
        top.members[name] = built.place

    def _count(self, top: _Open, built: _Built) -> None:
        top.nodes += built.nodes
        top.height = max(top.height, built.height + 1)
        if len(self.stack) + built.height > DEEPEST_YAML:
            raise DefinitionError([_too_deep()])
        if self.nodes > MOST_NODES:
            large = "YAML aliases make it too large"
            raise DefinitionError([Diagnostic(code="INVALID_JSON_DESCRIPTION", rule="E0003", message=large)])

    def _merge(self, top: _Open, merged: _Built) -> None:
        """Add the members of a mapping, or of several, that are not there yet."""
        into, members = top.data, top.members
        assert type(into) is dict
        assert type(members) is dict
        sources = [(merged.data, merged.place)]
        if type(merged.data) is list and type(merged.place.members) is list:
            sources = list(zip(merged.data, merged.place.members, strict=True))
        for data, place in sources:
            inner = place.members
            if type(data) is dict and type(inner) is dict:
                into |= {name: value for name, value in data.items() if name not in into}
                members |= {name: where for name, where in inner.items() if name not in members}

    def _tagged(self, built: _Built, tag: str) -> _Built:
        """A value with a tag of CloudFormation: its function in a template, else a placeholder."""
        name = tag.lstrip("!")
        if not self.template:
            text = built.data if type(built.data) is str else None
            return built._replace(data=(text if name == "Sub" and text else f"${{{text or name}}}"), place=_leaf(built))
        function = name if name in ("Ref", "Condition") else f"Fn::{name}"
        place = Place(built.place.start)
        place.end, place.members = built.place.end, {function: built.place}
        built.place.key = built.place.start
        return _Built({function: built.data}, place, built.nodes + 1, built.height + 1)


def _leaf(built: _Built) -> Place:
    place = Place(built.place.start)
    place.end = built.place.end
    return place
