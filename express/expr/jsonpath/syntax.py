"""The grammar of JSONPath as AWS runs it: text in, steps out.

No library serves (the RFC is not what AWS runs, and the Jayway-like ones evaluate
10-100 times slower or run Python's `re` on text from outside). The dialect is Jayway's: names may hold `-` and
most other characters, `$.['a']` and `$.[0]` are as good as `$['a']` and `$[0]`, `['a','b']` at the end gathers an
object, filters compare JSON values. Beyond Jayway: slices with a step, and unquoted words in filters
(`[?(@.Name==Receipt)]`), which published definitions use.

A path starts at `$` (the state's data), `$$` (the Context object) or `$name` (a variable).
"""

from __future__ import annotations

from typing import Any

import msgspec

from express.errors import ExpressionError
from express.expr.jsonpath.nodes import (
    CURRENT,
    Both,
    Comparison,
    Condition,
    Descend,
    Either,
    Filter,
    Index,
    Literal,
    Name,
    Not,
    Path,
    Pattern,
    Slice,
    Step,
    Wild,
    path_of,
)
from express.expr.jsonpath.regex import Matcher
from express.values import JSON

MAX_FILTER_DEPTH = 50
MAX_STEPS = 256


def parse(text: str) -> Path:
    """The path that `text` spells.

    >>> parse("$.a['b c'][0]").steps
    (Name(names=('a',)), Name(names=('b c',)), Index(indexes=(0,)))
    >>> parse("$$.Execution.Id").root, parse("$total.sum").root
    ('$$', 'total')

    Raises ExpressionError that says what is wrong and where.
    """
    parser = _Parser(text.rstrip(" \t\r\n"))
    path = parser.path()
    if parser.at < len(parser.text):
        raise parser.error("unexpected character")
    return path


def variable_name(text: str) -> str:
    """The longest variable name at the start of `text`, "" if there is none (Unicode identifiers).

    >>> variable_name("total.sum")
    'total'
    """
    end = 0
    while end < len(text) and text[: end + 1].isidentifier():
        end += 1
    return text[:end]


_WORD_OPERATORS = ("in", "nin", "contains", "size", "empty", "subsetof", "anyof", "noneof")
_OPERATORS = ("==", "!=", "<=", ">=", "=~", "<", ">")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


class _Parser:
    """A cursor over the text of one path; each method consumes what it names."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def error(self, what: str) -> ExpressionError:
        return ExpressionError(f"Invalid JSONPath '{self.text}': {what} at position {self.at}")

    def peek(self, word: str) -> bool:
        return self.text.startswith(word, self.at)

    def accept(self, word: str) -> bool:
        if not self.text.startswith(word, self.at):
            return False
        self.at += len(word)
        return True

    def expect(self, word: str) -> None:
        if not self.accept(word):
            raise self.error(f"expected '{word}'")

    def blank(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    # ---- paths

    def path(self) -> Path:
        start = self.at
        if self.accept("$$"):
            if self.text[self.at : self.at + 1].isidentifier():
                return path_of(self.text[start:], "$$", (self.dotted(False), *self.steps(start, "$$").steps))
            root = "$$"
        elif self.accept("$"):
            root = variable_name(self.text[self.at : self.at + 256])
            self.at += len(root)
            root = root or "$"
        else:
            raise self.error("a path starts with '$'")
        return self.steps(start, root)

    def steps(self, start: int, root: str, *, filtered: bool = False) -> Path:
        steps: list[Step] = []
        while self.at < len(self.text):
            if self.accept(".."):
                steps.append(Descend())
                steps.append(self.bracket() if self.accept("[") else self.dotted(filtered))
            elif self.accept("."):
                steps.append(self.bracket() if self.accept("[") else self.dotted(filtered))
            elif self.accept("["):
                steps.append(self.bracket())
            else:
                break
            if len(steps) > MAX_STEPS:
                raise self.error(f"more than {MAX_STEPS} steps")
        return path_of(self.text[start : self.at], root, tuple(steps))

    def dotted(self, filtered: bool) -> Step:
        if self.accept("*"):
            return Wild()
        stop = ".[( \t\r\n=!<>&|)],~" if filtered else ".[( \t\r\n"
        end = self.at
        while end < len(self.text) and self.text[end] not in stop:
            end += 1
        name = self.text[self.at : end]
        if not name:
            raise self.error("a name is missing")
        if self.text.startswith("(", end):
            raise self.error(f"function '{name}' is not supported")
        if not filtered and end < len(self.text) and self.text[end] in " \t\r\n":
            raise self.error("names with blanks must be written in brackets and quotes")
        self.at = end
        return Name((name,))

    def bracket(self) -> Step:
        self.blank()
        if self.accept("?"):
            step: Step = self.filter()
        elif self.accept("*"):
            step = Wild()
        elif self.peek("'") or self.peek('"'):
            step = Name(tuple(self.listed(self.name)))
        elif self.accept("(@.length-"):
            step = Index((-(self.integer() or 0),))
            self.expect(")")
        else:
            step = self.numbers()
        self.blank()
        self.expect("]")
        return step

    def listed(self, item: Any) -> list[Any]:
        items = [item()]
        self.blank()
        while self.accept(","):
            self.blank()
            items.append(item())
            self.blank()
        return items

    def name(self) -> str:
        """A name in quotes. A backslash keeps a quote from closing it, and stays in the name (recorded on AWS)."""
        quote, start = self.text[self.at : self.at + 1], self.at + 1
        if quote not in ("'", '"') or not quote:
            raise self.error("a quoted name is missing")
        end = start
        while end < len(self.text) and self.text[end] != quote:
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise self.error("a quote is not closed")
        self.at = end + 1
        return self.text[start:end]

    def quoted(self) -> str:
        quote = self.text[self.at : self.at + 1]
        if quote not in ("'", '"') or not quote:
            raise self.error("a quoted name is missing")
        self.at += 1
        out: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == quote:
                return "".join(out)
            out.append(self.escaped() if char == "\\" else char)
        raise self.error("a quote is not closed")

    def escaped(self) -> str:
        char = self.text[self.at : self.at + 1]
        self.at += 1
        if char == "u":
            digits = self.text[self.at : self.at + 4]
            self.at += 4
            if len(digits) < 4 or not all(c in "0123456789abcdefABCDEF" for c in digits):
                raise self.error("a \\u escape needs four hexadecimal digits")
            return chr(int(digits, 16))
        if not char:
            raise self.error("a backslash stands at the end")
        return _ESCAPES.get(char, char)

    def integer(self) -> int | None:
        self.blank()
        end = self.at + 1 if self.peek("-") else self.at
        while end < len(self.text) and self.text[end] in "0123456789":
            end += 1
        digits = self.text[self.at : end]
        if digits in ("", "-"):
            return None
        if len(digits) > 17:
            raise self.error("a number is too long")
        self.at = end
        self.blank()
        return int(digits)

    def numbers(self) -> Step:
        first = self.integer()
        if self.accept(":"):
            stop = self.integer()
            step = self.integer() if self.accept(":") else None
            if step == 0:
                raise self.error("the step of a slice can't be 0")
            return Slice(first, stop, step)
        if first is None:
            raise self.error("expected a name in quotes, an index, a slice, '*' or a filter")
        indexes = [first]
        while self.accept(","):
            index = self.integer()
            if index is None:
                raise self.error("expected an index")
            indexes.append(index)
        return Index(tuple(indexes))

    # ---- filters

    def filter(self) -> Filter:
        start = self.at - 1
        self.blank()
        condition = self.either()
        return Filter(condition, self.text[start : self.at])

    def either(self) -> Condition:
        self.depth += 1
        if self.depth > MAX_FILTER_DEPTH:
            raise self.error("the filter is nested too deep")
        conditions = [self.both()]
        while self.accept("||"):
            self.blank()
            conditions.append(self.both())
        self.depth -= 1
        return conditions[0] if len(conditions) == 1 else Either(tuple(conditions))

    def both(self) -> Condition:
        conditions = [self.unary()]
        while self.accept("&&"):
            self.blank()
            conditions.append(self.unary())
        return conditions[0] if len(conditions) == 1 else Both(tuple(conditions))

    def unary(self) -> Condition:
        negated = False
        while self.accept("!"):
            negated = not negated
            self.blank()
        if self.accept("("):
            self.blank()
            condition = self.either()
            self.blank()
            self.expect(")")
        else:
            condition = self.comparison()
        self.blank()
        return Not(condition) if negated else condition

    def comparison(self) -> Comparison:
        left = self.operand()
        self.blank()
        op = self.operator()
        if op is None:
            if type(left) is not Path:
                raise self.error("expected an operator")
            return Comparison(left, "exists", None)
        self.blank()
        right = self.pattern() if op == "=~" else self.operand()
        return Comparison(left, op, right)

    def operator(self) -> str | None:
        for op in _OPERATORS:
            if self.accept(op):
                return op
        end = self.at
        while end < len(self.text) and self.text[end].isalpha():
            end += 1
        word = self.text[self.at : end].lower()
        if word not in _WORD_OPERATORS:
            return None
        self.at = end
        return word

    def operand(self) -> Path | Literal:
        self.blank()
        start = self.at
        if self.accept("@"):
            return self.steps(start, CURRENT, filtered=True)
        if self.accept("$"):
            return self.steps(start, "$", filtered=True)
        if self.peek("'") or self.peek('"'):
            return Literal(self.quoted())
        if self.accept("["):
            self.blank()
            if self.accept("]"):
                return Literal([])
            values = [item.value for item in self.listed(self.constant)]
            self.expect("]")
            return Literal(values)
        return self.constant()

    def constant(self) -> Literal:
        self.blank()
        if self.peek("'") or self.peek('"'):
            return Literal(self.quoted())
        end = self.at
        while end < len(self.text) and self.text[end] not in " \t\r\n=!<>&|()[],~":
            end += 1
        word = self.text[self.at : end]
        if not word:
            raise self.error("a value is missing")
        self.at = end
        return Literal(_word(word))

    def pattern(self) -> Pattern:
        self.expect("/")
        end = self.at
        while end < len(self.text) and self.text[end] != "/":
            end += 2 if self.text[end] == "\\" else 1
        source = self.text[self.at : end]
        self.at = end
        self.expect("/")
        end = self.at
        while end < len(self.text) and self.text[end].isalpha():
            end += 1
        flags = self.text[self.at : end]
        self.at = end
        Matcher(source, flags)  # a bad one is refused here, with the path
        return Pattern(source, flags)


def _word(word: str) -> JSON:
    """A bare word of a filter: a JSON constant, or the word itself."""
    if word in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[word]
    if len(word) < 40 and word[0] in "-0123456789":
        try:
            return msgspec.json.decode(word)
        except msgspec.DecodeError:
            return word
    return word
