"""The tokens of a JSONata expression, cut one at a time, because only the parser knows what `/` begins.

After an operand `/` divides, elsewhere it opens a regular expression. A token's position is the one
behind it, as in the reference implementation, whose error positions are kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isinf
from typing import Literal, TypeAlias

from express.expr.jsonata.errors import syntax_error
from express.expr.jsonata.numbers import normal

Kind: TypeAlias = Literal["operator", "string", "number", "value", "name", "variable", "regex"]

WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_SINGLE = frozenset(".[]{}(),@#;:?+-*/%|=<>^&!~")
_DOUBLE = ("..", ":=", "!=", ">=", "<=", "**", "~>")
_LATER = ("?:", "??")
_SPACE = " \t\n\r\v"
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)?", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]{4}")
_NAME = re.compile(r"[^ \t\n\r\v.\[\]{}(),@#;:?+\-*/%|=<>^&!~]+")


@dataclass(slots=True)
class Regex:
    """A regular expression literal; `flags` are out of `i` and `m`."""

    pattern: str
    flags: str


@dataclass(slots=True)
class Token:
    """One token: `value` is the operator, the name without `$`, the literal's value or a Regex."""

    kind: Kind
    value: object
    position: int


class Tokens:
    """Cuts `text` into tokens on demand. `later` admits the operators JSONata got after 2.0 (`??`, `?:`)."""

    def __init__(self, text: str, later: bool = False) -> None:
        self.text = text
        self.position = 0
        self._double = _DOUBLE + _LATER if later else _DOUBLE

    def next(self, infix: bool) -> Token | None:
        """The next token, None at the end. `infix`: an operand came before, so `/` is a division."""
        self._skip()
        text, start = self.text, self.position
        if start >= len(text):
            return None
        char = text[start]
        if char == "/" and not infix:
            self.position += 1
            return self._token("regex", self._regex())
        if (pair := text[start : start + 2]) in self._double:
            return self._operator(pair)
        if char in _SINGLE:
            return self._operator(char)
        if char in "\"'":
            return self._token("string", self._string(char))
        if char == "`":
            return self._token("name", self._quoted_name())
        if match := _NUMBER.match(text, start):
            return self._number(match[0])
        return self._word()

    def _token(self, kind: Kind, value: object) -> Token:
        return Token(kind, value, self.position)

    def _operator(self, sign: str) -> Token:
        self.position += len(sign)
        return self._token("operator", sign)

    def _skip(self) -> None:
        """Pass over white space and comments."""
        text, size = self.text, len(self.text)
        while self.position < size:
            if text[self.position] in _SPACE:
                self.position += 1
            elif text.startswith("/*", self.position):
                end = text.find("*/", self.position + 2)
                if end < 0:
                    raise syntax_error("S0106", self.position)
                self.position = end + 2
            else:
                return

    def _number(self, digits: str) -> Token:
        number = float(digits)
        if isinf(number):
            raise syntax_error("S0102", self.position, digits)
        self.position += len(digits)
        return self._token("number", normal(number))

    def _word(self) -> Token:
        match = _NAME.match(self.text, self.position)
        assert match is not None, "every other character starts an operator, a literal or white space"
        self.position = match.end()
        word = match[0]
        if word[0] == "$":
            return self._token("variable", word[1:])
        if word in ("and", "or", "in"):
            return self._token("operator", word)
        if word in WORDS:
            return self._token("value", WORDS[word])
        return self._token("name", word)

    def _quoted_name(self) -> str:
        start = self.position + 1
        end = self.text.find("`", start)
        if end < 0:
            raise syntax_error("S0105", len(self.text))
        self.position = end + 1
        return self.text[start:end]

    def _string(self, mark: str) -> str:
        text, size = self.text, len(self.text)
        parts: list[str] = []
        at = self.position + 1
        while at < size:
            char = text[at]
            if char == mark:
                self.position = at + 1
                return _join_surrogates("".join(parts))
            if char == "\\":
                piece, at = self._escape(at + 1)
                parts.append(piece)
            else:
                parts.append(char)
                at += 1
        raise syntax_error("S0101", size)

    def _escape(self, at: int) -> tuple[str, int]:
        """Return what the escape sequence with its letter at `at` stands for, and where it ends."""
        letter = self.text[at : at + 1]
        if letter in _ESCAPES and letter:
            return _ESCAPES[letter], at + 1
        if letter != "u":
            raise syntax_error("S0103", at, letter)
        digits = _HEX.match(self.text, at + 1)
        if digits is None:
            raise syntax_error("S0104", at)
        return chr(int(digits[0], 16)), at + 5

    def _regex(self) -> Regex:
        """Scan to the closing slash; one inside brackets or behind a backslash does not close."""
        text, start, depth = self.text, self.position, 0
        at = start
        while at < len(text):
            char = text[at]
            if char == "/" and depth == 0 and not _escaped(text, at):
                return self._regex_end(start, at)
            if text[at - 1] != "\\":
                depth += (char in "([{") - (char in ")]}")
            at += 1
        raise syntax_error("S0302", len(text))

    def _regex_end(self, start: int, end: int) -> Regex:
        if end == start:
            raise syntax_error("S0301", end)
        at = end + 1
        while self.text[at : at + 1] in ("i", "m"):
            at += 1
        self.position = at
        return Regex(self.text[start:end], self.text[end + 1 : at])


def _escaped(text: str, at: int) -> bool:
    """Return whether the character at `at` has an odd number of backslashes before it."""
    count = 0
    while at - count > 0 and text[at - count - 1] == "\\":
        count += 1
    return count % 2 == 1


def _join_surrogates(text: str) -> str:
    """Make one character of each pair of surrogates that escapes have put side by side."""
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "surrogatepass")
