"""The grammar of intrinsic calls, `States.Format('{}', $.a)`: text in, a tree out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from express.errors import ExpressionError
from express.expr.jsonpath.nodes import Path
from express.expr.jsonpath.syntax import parse
from express.values import JSON

MAX_NESTING = 10

_NAME = re.compile(r"States\.[A-Za-z0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,4})?", re.ASCII)
_WORDS = {"true": True, "false": False, "null": None}


class Constant(msgspec.Struct, frozen=True):
    """A literal argument; `source` is a string literal's text between the quotes, escapes and all."""

    value: JSON
    source: str | None = None


class Call(msgspec.Struct, frozen=True):
    """A function by name, its arguments, the text it was written in, and the JSON pointer of where that stands."""

    name: str
    arguments: tuple[Argument, ...]
    text: str = ""
    place: str = ""


Argument: TypeAlias = Constant | Path | Call


def parse_call(text: str, path: Callable[[str], Path] = parse) -> Call:
    """The call that `text` spells; blanks and line ends between tokens are free, but not before the first.

    `path` parses the paths among its arguments.

    >>> parse_call("States.MathAdd($.a, -1)").arguments[1]
    Constant(value=-1, source=None)

    Raises ExpressionError.
    """
    parser = _Parser(text, path)
    if text[:1].isspace():
        raise parser.error("a blank stands before the call")
    call = parser.call(1)
    parser.blank()
    if parser.at < len(text):
        raise parser.error("unexpected text after the call")
    return msgspec.structs.replace(call, text=text)


def unescape(source: str) -> str | None:
    r"""The text that a string literal's source stands for; None if a backslash escapes nothing.

    >>> unescape(r"it\'s \{\}")
    "it's {}"
    """
    out: list[str] = []
    chars = iter(source)
    for char in chars:
        if char == "\\":
            char = next(chars, "")
            if char not in ("'", "\\", "{", "}"):
                return None
        out.append(char)
    return "".join(out)


class _Parser:
    def __init__(self, text: str, path: Callable[[str], Path]) -> None:
        self.text = text
        self.at = 0
        self.parse_path = path

    def error(self, what: str) -> ExpressionError:
        return ExpressionError(f"Invalid intrinsic function call '{self.text}': {what} at position {self.at}")

    def blank(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def accept(self, char: str) -> bool:
        self.blank()
        if not self.text.startswith(char, self.at):
            return False
        self.at += len(char)
        return True

    def call(self, depth: int) -> Call:
        if depth > MAX_NESTING:
            raise self.error(f"calls are nested more than {MAX_NESTING} deep")
        self.blank()
        start = self.at
        match = _NAME.match(self.text, start)
        if match is None:
            raise self.error("expected the name of a function, States.…")
        self.at = match.end()
        if not self.accept("("):
            raise self.error("expected '('")
        arguments: list[Argument] = []
        if not self.accept(")"):
            arguments.append(self.argument(depth))
            while self.accept(","):
                arguments.append(self.argument(depth))
            if not self.accept(")"):
                raise self.error("expected ',' or ')'")
        return Call(match.group(), tuple(arguments), self.text[start : self.at])

    def argument(self, depth: int) -> Argument:
        self.blank()
        char = self.text[self.at : self.at + 1]
        if char == "'":
            return self.string()
        if char == "$":
            return self.path()
        if char == "S":
            return self.call(depth + 1)
        return self.word()

    def string(self) -> Constant:
        start = self.at + 1
        end = start
        while end < len(self.text) and self.text[end] != "'":
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise self.error("a string is not closed")
        self.at = end + 1
        source = self.text[start:end]
        value = unescape(source)
        if value is None:
            raise self.error("a backslash may only escape ' { } and \\")
        return Constant(value, source)

    def path(self) -> Path:
        end = self.at
        brackets = 0
        quote = ""
        while end < len(self.text):
            char = self.text[end]
            if quote:
                if char == "\\":
                    end += 1
                elif char == quote:
                    quote = ""
            elif char in "'\"" and brackets:
                quote = char
            elif char in "[(":
                brackets += 1
            elif char in "])" and brackets:
                brackets -= 1
            elif not brackets and char in ",) \t\r\n":
                break
            end += 1
        text = self.text[self.at : end]
        self.at = end
        return self.parse_path(text)

    def word(self) -> Constant:
        number = _NUMBER.match(self.text, self.at)
        if number is not None:
            self.at = number.end()
            return Constant(self.number(number.group()))
        for word, value in _WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return Constant(value)
        raise self.error("expected a string in single quotes, a number, true, false, null, a path or a call")

    def number(self, digits: str) -> JSON:
        if digits.lstrip("+-").isdigit():
            value = int(digits)
            if -(2**63) <= value < 2**64:
                return value
        number = float(digits)
        if not math.isfinite(number):
            raise self.error("a number is too large")
        return number
