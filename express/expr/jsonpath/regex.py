"""Regular expressions of JSONPath filters (`=~ /.../`), matched in time linear in the text.

Python's `re` backtracks: `(a+)+$` over 30 characters never ends, and a definition comes from outside. Java's syntax
is parsed here into a small automaton whose sets of states are met lazily and remembered (a lazy DFA), so each
character costs one look-up. What needs backtracking (back references, look-around, possessive groups) is refused
when the path is compiled. As in Java's `matches`, the whole text must match.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from express.errors import ExpressionError

MAX_STATES = 2_000
MAX_NESTING = 50
MAX_REPEAT = 1_000
MAX_CACHED = 200_000

Test: TypeAlias = Callable[[str], bool]

Spend: TypeAlias = Callable[[int], None]
"""Pays for work; raises when there is nothing left to pay with."""

_SPLIT, _CHAR, _BEGIN, _END, _WORD_EDGE, _DONE = range(6)

_DIGITS = frozenset("0123456789")
_WORDS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_SPACES = frozenset(" \t\n\x0b\f\r")
_CLASSES = {"d": _DIGITS, "w": _WORDS, "s": _SPACES}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "a": "\a", "e": "\x1b", "0": "\0"}


class _States:
    """A set of states of a program that a text may lead to, and what follows after each character met so far."""

    __slots__ = ("accepts", "after", "members")

    def __init__(self, members: frozenset[int], accepts: bool) -> None:
        self.members = members
        self.accepts = accepts
        self.after: dict[str, _States] = {}


class Matcher:
    """A compiled pattern."""

    def __init__(self, source: str, flags: str) -> None:
        unknown = set(flags) - set("imsuxUd")
        if unknown or "x" in flags:
            raise ExpressionError(f"Invalid regular expression /{source}/{flags}: flag not supported")
        self._program = _Compiler(source, flags).program()
        self._known: dict[frozenset[int], _States] = {}
        self._cached = 0
        self._start = self._states(self._closure({0}, first=True))

    def matches(self, text: str, spend: Spend) -> bool:
        """Return whether the whole of `text` matches, paid for by the character and by the state met first."""
        spend(4 + len(text))
        states = self._start
        for char in text:
            states = states.after.get(char) or self._advance(states, char, spend)
            if not states.members:
                return False
        return states.accepts

    def _advance(self, states: _States, char: str, spend: Spend) -> _States:
        spend(10 + 6 * len(states.members))
        program = self._program
        hit = {i + 1 for i in states.members if program[i][0] == _CHAR and program[i][1](char)}
        members = self._closure(hit)
        spend(4 * len(members))
        self._cached += 1
        following = states.after[char] = self._states(members)
        if self._cached > MAX_CACHED:
            self._known.clear()
            self._start.after.clear()
            self._cached = 0
        return following

    def _states(self, members: frozenset[int]) -> _States:
        states = self._known.get(members)
        if states is None:
            ends = self._closure(set(members), last=True)
            accepts = any(self._program[i][0] == _DONE for i in ends)
            states = self._known[members] = _States(members, accepts)
            self._cached += len(members)
        return states

    def _closure(self, states: set[int], *, first: bool = False, last: bool = False) -> frozenset[int]:
        todo, seen = list(states), set(states)
        while todo:
            i = todo.pop()
            kind, _, targets = self._program[i]
            if kind == _BEGIN:
                targets = (i + 1,) if first else ()
            elif kind == _END:
                targets = (i + 1,) if last else ()
            for target in targets:
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        return frozenset(seen)


_Instruction: TypeAlias = tuple[int, Test, tuple[int, ...]]
_Fragment: TypeAlias = list[tuple[int, Test, tuple[int, ...]]]  # targets are relative to the instruction


def _never(_: str) -> bool:
    return False


class _Compiler:
    """Recursive descent over the pattern; every method gives a fragment of the program."""

    def __init__(self, source: str, flags: str) -> None:
        self.source = source
        self.at = 0
        self.nesting = 0
        self.ignore_case = "i" in flags
        self.dot_all = "s" in flags

    def error(self, what: str) -> ExpressionError:
        return ExpressionError(f"Invalid regular expression /{self.source}/: {what} at position {self.at}")

    def program(self) -> list[_Instruction]:
        fragment = self.alternatives()
        if self.at < len(self.source):
            raise self.error("unexpected ')'")
        fragment = [*fragment, (_DONE, _never, ())]
        return [(kind, test, tuple(i + t for t in targets)) for i, (kind, test, targets) in enumerate(fragment)]

    def peek(self) -> str:
        return self.source[self.at : self.at + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise self.error("unexpected end")
        self.at += 1
        return char

    def alternatives(self) -> _Fragment:
        branches = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            branches.append(self.sequence())
        joined = branches[-1]
        for branch in reversed(branches[:-1]):
            jump = (_SPLIT, _never, (len(joined) + 1,))
            joined = [(_SPLIT, _never, (1, len(branch) + 2)), *branch, jump, *joined]
        return self.bounded(joined)

    def sequence(self) -> _Fragment:
        fragment: _Fragment = []
        while self.peek() not in ("", "|", ")"):
            fragment += self.repeated(self.atom())
            self.bounded(fragment)
        return fragment

    def bounded(self, fragment: _Fragment) -> _Fragment:
        if len(fragment) > MAX_STATES:
            raise self.error(f"more than {MAX_STATES} states")
        return fragment

    def repeated(self, atom: _Fragment) -> _Fragment:
        while self.peek() and self.peek() in "*+?{":
            low, high = self.repetition()
            if self.peek() == "+":
                raise self.error("possessive repetition is not supported")
            if self.peek() == "?":
                self.at += 1  # lazy: the same texts match
            if len(atom) * max(low, high or 0, 1) > MAX_STATES:
                raise self.error(f"more than {MAX_STATES} states")
            atom = _repeat(atom, low, high)
        return atom

    def repetition(self) -> tuple[int, int | None]:
        char = self.take()
        if char != "{":
            return {"*": (0, None), "+": (1, None), "?": (0, 1)}[char]
        end = self.source.find("}", self.at)
        low, comma, high = self.source[self.at : max(end, self.at)].partition(",")
        if not _is_count(low) or (high and not _is_count(high)):
            raise self.error("a repetition is written {n}, {n,} or {n,m}")
        self.at = end + 1
        least = int(low)
        most = (int(high) if high else None) if comma else least
        if least > MAX_REPEAT or (most is not None and (most > MAX_REPEAT or most < least)):
            raise self.error(f"a repetition must be in order and at most {MAX_REPEAT}")
        return least, most

    def atom(self) -> _Fragment:
        char = self.take()
        if char == "(":
            return self.group()
        if char == "^":
            return [(_BEGIN, _never, ())]
        if char == "$":
            return [(_END, _never, ())]
        if char in "*+?{":
            raise self.error("nothing to repeat")
        return [(_CHAR, self.single(char), ())]

    def single(self, char: str) -> Test:
        if char == ".":
            return (lambda c: True) if self.dot_all else (lambda c: c not in "\n\r\u0085\u2028\u2029")
        if char == "[":
            return self.folded(self.char_class())
        if char == "\\":
            return self.folded(self.escape())
        return self.folded(lambda c: c == char)

    def folded(self, test: Test) -> Test:
        if not self.ignore_case:
            return test
        return lambda c: test(c) or test(c.lower()) or test(c.upper())

    def group(self) -> _Fragment:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise self.error("groups are nested too deep")
        if self.peek() == "?":
            self.at += 1
            if self.take() != ":":
                raise self.error("look-around and inline flags are not supported")
        fragment = self.alternatives()
        if self.peek() != ")":
            raise self.error("a group is not closed")
        self.at += 1
        self.nesting -= 1
        return fragment

    def escape(self) -> Test:
        char = self.take()
        if char.lower() in _CLASSES:
            members = _CLASSES[char.lower()]
            return (lambda c: c in members) if char.islower() else (lambda c: c not in members)
        plain = self.escaped_char(char)
        return lambda c: c == plain

    def escaped_char(self, char: str) -> str:
        if char in "xu":
            width = 2 if char == "x" else 4
            digits = self.source[self.at : self.at + width]
            self.at += width
            if len(digits) < width or not all(d in "0123456789abcdefABCDEF" for d in digits):
                raise self.error("a hexadecimal escape is too short")
            return chr(int(digits, 16))
        if char in _CONTROLS:
            return _CONTROLS[char]
        if char.isalnum():
            raise self.error(f"\\{char} is not supported")
        return char

    def char_class(self) -> Test:
        negated = self.peek() == "^"
        self.at += negated
        tests: list[Test] = []
        first = True
        while first or self.peek() != "]":
            first = False
            tests.append(self.member())
        self.at += 1
        if negated:
            return lambda c: not any(test(c) for test in tests)
        return lambda c: any(test(c) for test in tests)

    def member(self) -> Test:
        char = self.take()
        if char == "[" or (char == "&" and self.peek() == "&"):
            raise self.error("classes inside classes are not supported")
        if char == "\\":
            if self.peek().lower() in _CLASSES and self.peek():
                return self.escape()
            char = self.escaped_char(self.take())
        if self.peek() != "-" or self.source[self.at + 1 : self.at + 2] in ("]", ""):
            return lambda c: c == char
        self.at += 1
        high = self.take()
        if high == "\\":
            high = self.escaped_char(self.take())
        if high < char:
            raise self.error("a range is out of order")
        return lambda c: char <= c <= high


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4


def _repeat(atom: _Fragment, low: int, high: int | None) -> _Fragment:
    fragment = atom * low
    if high is None:
        loop: _Fragment = [(_SPLIT, _never, (1, len(atom) + 2)), *atom, (_SPLIT, _never, (-len(atom) - 1,))]
        return fragment + loop
    option: _Fragment = []
    for _ in range(high - low):
        option = [(_SPLIT, _never, (1, len(atom) + len(option) + 1)), *atom, *option]
    return fragment + option
