"""JSON text → data with the place of every part, in one pass that keeps no stack of its own depth on Python's.

orjson is ten times as fast but knows no lines, no duplicate names and no placeholders; this scanner runs when a
person will read the result, or when orjson has refused the text and the reason is wanted. Messages are those of
AWS's parser (Jackson), which calls the column behind the offending character.
"""

from __future__ import annotations

import math
import re
from typing import NoReturn

from express.asl.positions import Duplicate, Place, Scanned
from express.errors import DefinitionError, Diagnostic
from express.values import INTEGER_MAX, INTEGER_MIN, JSON, loads, long_integer

LONGEST_TEXT = 1_048_576
"""Most characters of a definition (AWS quota)."""

DEEPEST_JSON = 1_000

_VALUES = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"
_BLANK = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r'"([^"\\\x00-\x1f]*)"')
_CHUNK = re.compile(r'[^"\\\x00-\x1f]*')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_TOKEN = re.compile(r"\w+")
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_PLACEHOLDER = re.compile(
    r"\$\{[^{}\n]{0,500}\}[\w.-]*|\{\{[^{}\n]{0,500}\}\}|#\{[^{}\n]{0,500}\}|<%[^\n]{0,500}?%>|%\w{1,80}%"
)
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}
_SNIPPET = 500


class JsonProblem(Exception):
    """A text that is not JSON: AWS's sentence, and the offset behind what it is about."""

    def __init__(self, message: str, offset: int, rule: str = "E0001") -> None:
        self.message = message
        self.offset = offset
        self.rule = rule
        super().__init__(message)


def scan(text: str, *, placeholders: bool = False) -> Scanned:
    """The data of a JSON text and the place of every part.

    With `placeholders`, a text such as `${Seconds}` may stand where a value stands; it becomes a string.
    Raises DefinitionError with one finding for what is not JSON, too long or too deep.
    """
    if len(text) > LONGEST_TEXT:
        raise DefinitionError([too_long(len(text))])
    try:
        return _Scanner(text, placeholders=placeholders).scan()
    except JsonProblem as problem:
        raise DefinitionError([finding(text, problem)]) from problem


def problem_of(text: str) -> JsonProblem | None:
    """Return why a text is not JSON, in AWS's words; None where it is."""
    try:
        _Scanner(text, placeholders=False).scan()
    except JsonProblem as problem:
        return problem
    return None


def too_long(length: int) -> Diagnostic:
    """The finding about a text over the quota."""
    return Diagnostic(
        code="INVALID_JSON_DESCRIPTION",
        rule="E0003",
        message=f"The definition has {length} characters, more than the {LONGEST_TEXT} allowed",
    )


def finding(text: str, problem: JsonProblem) -> Diagnostic:
    """The finding about a text that is not JSON; its location is AWS's `[Source: …; line: 1, column: 4]`."""
    if problem.rule != "E0001":
        return Diagnostic(code="TOO_DEEPLY_NESTED", rule=problem.rule, message=problem.message)
    if not text.strip():
        return Diagnostic(
            code="SCHEMA_VALIDATION_FAILED", rule="E0002", message="Definition must be a valid JSON object"
        )
    where = source(text, problem.offset)
    return Diagnostic(
        code="INVALID_JSON_DESCRIPTION", rule="E0001", message=f"{problem.message}\n at {where}", location=where
    )


def source(text: str, offset: int) -> str:
    """An offset as AWS's parser names it; of a long text it shows the first 500 characters."""
    line = text.count("\n", 0, offset) + 1
    column = offset - text.rfind("\n", 0, offset)
    shown = f'"{text[:_SNIPPET]}"'
    if len(text) > _SNIPPET:
        shown += f"[truncated {len(text) - _SNIPPET} chars]"
    return f"[Source: (String){shown}; line: {line}, column: {column}]"


class _Open:
    """An object or array that is being read."""

    __slots__ = ("data", "location", "members", "place")

    def __init__(self, data: JSON, place: Place, location: str) -> None:
        self.data = data
        self.place = place
        self.members: dict[str, Place] | list[Place] = {} if type(data) is dict else []
        place.members = self.members
        self.location = location


class _Scanner:
    def __init__(self, text: str, *, placeholders: bool) -> None:
        self.text = text
        self.at = 0
        self.placeholders = placeholders
        self.stack: list[_Open] = []
        self.duplicates: list[Duplicate] = []

    def scan(self) -> Scanned:
        self._blank()
        root = Place(self.at)
        data = self._value(root, "")
        while self.stack:
            self._member()
        self._blank()
        if self.at < len(self.text):
            self._unexpected("expected nothing behind the definition")
        return Scanned(self.text, data, root, self.duplicates)

    # one step: the next member of the innermost open object or array

    def _member(self) -> None:
        top = self.stack[-1]
        self._blank()
        is_object = type(top.data) is dict
        if self._peek() == ("}" if is_object else "]"):
            self._close(top)
            return
        if top.data:
            self._comma(top, is_object)
        if is_object:
            self._field(top)
        else:
            self._item(top)

    def _comma(self, top: _Open, is_object: bool) -> None:
        if self._peek() != ",":
            self._end_inside(top)
            kind = "Object" if is_object else "Array"
            if self._peek() in ("}", "]"):
                self._wrong_close(top)
            self._unexpected(f"was expecting comma to separate {kind} entries")
        self.at += 1
        self._blank()
        if not is_object and self._peek() == "]":
            self._unexpected(f"expected a valid value {_VALUES}")

    def _field(self, top: _Open) -> None:
        self._end_inside(top)
        if self._peek() != '"':
            self._unexpected("was expecting double-quote to start field name")
        start = self.at
        name = self._string()
        self._blank()
        if self._peek() != ":":
            self._end_inside(top)
            self._unexpected("was expecting a colon to separate field name and value")
        self.at += 1
        self._blank()
        self._end_inside(top)
        location = _join(top.location, f"/{name}")
        if name in top.data:
            self.duplicates.append(Duplicate(location, name, start))
        place = Place(self.at, start)
        assert type(top.members) is dict
        top.members[name] = place
        top.data[name] = None
        top.data[name] = self._value(place, location)

    def _item(self, top: _Open) -> None:
        self._end_inside(top)
        place = Place(self.at)
        assert type(top.members) is list
        location = _join(top.location, f"[{len(top.data)}]")
        top.members.append(place)
        top.data.append(None)
        top.data[-1] = self._value(place, location)

    def _close(self, top: _Open) -> None:
        self.at += 1
        top.place.end = self.at
        self.stack.pop()

    # values

    def _value(self, place: Place, location: str) -> JSON:
        """A plain value; for an object or array the empty one, opened."""
        char = self._peek()
        place.start = self.at
        if char == '"':
            value: JSON = self._string()
        elif self.placeholders and (match := _PLACEHOLDER.match(self.text, self.at)):
            self.at = match.end()
            value = match[0]
        elif char in ("{", "["):
            return self._open({} if char == "{" else [], place, location)
        elif char and char in "-0123456789":
            value = self._number()
        else:
            value = self._word()
        place.end = self.at
        return value

    def _open(self, data: JSON, place: Place, location: str) -> JSON:
        if len(self.stack) >= DEEPEST_JSON:
            raise JsonProblem(f"The definition is nested deeper than {DEEPEST_JSON} levels", self.at, "E0004")
        self.at += 1
        self.stack.append(_Open(data, place, location))
        return data

    def _word(self) -> JSON:
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            if self.at >= len(self.text):
                raise JsonProblem("No content to map due to end-of-input", self.at)
            self._unexpected(f"expected a valid value {_VALUES}")
        if match[0] in _WORDS:
            self.at = match.end()
            return _WORDS[match[0]]
        raise JsonProblem(f"Unrecognized token '{match[0][:256]}': was expecting {_VALUES}", match.end())

    def _number(self) -> int | float:
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            self.at += 1
            self._unexpected("expected digit (0-9) to follow minus sign, for valid numeric value")
        self.at = match.end()
        following = self._peek()
        if following and (following.isalnum() or following in "._"):
            self._unexpected("Expected space separating root-level values")
        if match[1] is None and match[2] is None and len(match[0]) <= 18:
            return int(match[0])
        if match[1] is None and match[2] is None:
            return self._whole_number(match[0])
        value = float(match[0])
        if not math.isfinite(value):
            raise JsonProblem(f"Numeric value ({match[0][:40]}) out of range", self.at)
        return value

    def _whole_number(self, digits: str) -> int:
        """An integer of 64 bits. A larger one would become another number."""
        if len(digits) > 20 or not INTEGER_MIN <= int(digits) <= INTEGER_MAX:
            longs = f"range of long ({INTEGER_MIN} - {INTEGER_MAX})"
            raise JsonProblem(f"Numeric value ({digits[:40]}) out of {longs}", self.at)
        return int(digits)

    def _string(self) -> str:
        match = _PLAIN.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            return match[1]
        self.at += 1
        parts: list[str] = []
        while True:
            chunk = _CHUNK.match(self.text, self.at)
            assert chunk is not None
            parts.append(chunk[0])
            self.at = chunk.end()
            char = self._peek()
            if char == '"':
                self.at += 1
                return _whole("".join(parts), self.at)
            if char == "\\":
                parts.append(self._escape())
            else:
                self._bad_string(char)

    def _bad_string(self, char: str) -> NoReturn:
        if not char:
            raise JsonProblem("Unexpected end-of-input: was expecting closing quote for a string value", self.at)
        raise JsonProblem(
            f"Illegal unquoted character ((CTRL-CHAR, code {ord(char)})): has to be escaped using backslash to be "
            "included in string value",
            self.at + 1,
        )

    def _escape(self) -> str:
        kind = self.text[self.at + 1 : self.at + 2]
        if kind in _ESCAPES and kind:
            self.at += 2
            return _ESCAPES[kind]
        if kind != "u":
            self.at += 1
            if not kind:
                self._bad_string("")
            raise JsonProblem(f"Unrecognized character escape '{kind}' (code {ord(kind)})", self.at + 1)
        digits = _HEX.match(self.text, self.at + 2)
        if digits is None:
            raise JsonProblem("Unexpected character: expected a hex-digit for character escape sequence", self.at + 3)
        self.at += 6
        return chr(int(digits[0], 16))

    # what stands where

    def _blank(self) -> None:
        match = _BLANK.match(self.text, self.at)
        assert match is not None
        self.at = match.end()

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _unexpected(self, wanted: str) -> NoReturn:
        char = self._peek()
        if not char:
            raise JsonProblem(f"Unexpected end-of-input: {wanted}", self.at)
        raise JsonProblem(f"Unexpected character ('{char}' (code {ord(char)})): {wanted}", self.at + 1)

    def _end_inside(self, top: _Open) -> None:
        if self.at < len(self.text):
            return
        kind = "Object" if type(top.data) is dict else "Array"
        raise JsonProblem(
            f"Unexpected end-of-input: expected close marker for {kind} "
            f"(start marker at {source(self.text, top.place.start)})",
            self.at,
        )

    def _wrong_close(self, top: _Open) -> NoReturn:
        kind, wanted = ("Object", "}") if type(top.data) is dict else ("Array", "]")
        raise JsonProblem(
            f"Unexpected close marker '{self._peek()}': expected '{wanted}' "
            f"(for {kind} starting at {source(self.text, top.place.start)})",
            self.at + 1,
        )


def _whole(value: str, offset: int) -> str:
    """Join escaped surrogate pairs; a lone half is no text."""
    if not any("\ud800" <= char <= "\udfff" for char in value):
        return value
    try:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise JsonProblem("A lone surrogate in a string value", offset) from None


def _join(location: str, step: str) -> str:
    """A location grows to a few thousand characters at most: names may be long, and nested."""
    return location + step if len(location) + len(step) < 4096 else location


def load_definition(definition: str | bytes) -> JSON:
    """The data of a definition's text, as fast as orjson; what is not JSON is said in AWS's words.

    Raises DefinitionError with one finding.
    """
    if len(definition) > LONGEST_TEXT:
        length = len(definition) if isinstance(definition, str) else _characters(definition)
        if length > LONGEST_TEXT:
            raise DefinitionError([too_long(length)])
    try:
        data = loads(definition)
        if long_integer(definition.encode() if isinstance(definition, str) else definition) is None:
            return data
        return scan(definition if isinstance(definition, str) else definition.decode()).data
    except ValueError as error:
        try:
            text = definition if isinstance(definition, str) else definition.decode()
        except UnicodeDecodeError:
            raise DefinitionError([not_utf8(error)]) from error
        return scan(text).data


def not_utf8(error: ValueError) -> Diagnostic:
    """The finding about bytes that are no UTF-8 text."""
    return Diagnostic(code="INVALID_JSON_DESCRIPTION", rule="E0001", message=f"Not UTF-8 text: {error}")


def _characters(text: bytes) -> int:
    return sum((byte & 0xC0) != 0x80 for byte in text)
