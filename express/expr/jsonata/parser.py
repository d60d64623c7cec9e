"""The parser: JSONata text to a tree, with the reference implementation's errors and their positions.

Operator precedence after Pratt: each token may begin an expression (`_begin`) or go on with the one
to its left (`_continue`), as long as it binds tighter than what asked. Own, because creation-time
checks, static references and generated code all need the tree, which no library gives.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from express.expr.jsonata import nodes as n
from express.expr.jsonata.errors import STACK_OVERFLOW, JsonataSyntaxError, syntax_error
from express.expr.jsonata.resolve import resolve, resolve_top
from express.expr.jsonata.signatures import check_signature
from express.expr.jsonata.tokens import Regex, Token, Tokens

__all__ = ["MAX_NESTING", "parse"]

MAX_NESTING = 120
"""Deepest nesting that is parsed. AWS parses deeper, but evaluates nothing below 100 levels."""

BINDING = {
    ".": 75, "[": 80, "{": 70, "(": 80, "@": 80, "#": 80, "?": 20, "+": 50, "-": 50, "*": 60, "/": 60, "%": 60,
    "=": 40, "<": 40, ">": 40, "^": 40, ":=": 10, "!=": 40, "<=": 40, ">=": 40, "~>": 40, "and": 30, "or": 25,
    "in": 40, "&": 50, "?:": 40, "??": 40,
}  # fmt: skip
"""Binding power of each infix operator; what is not here ends an expression."""

_KNOWN = frozenset(BINDING) | frozenset([":", ";", ",", ")", "]", "}", "..", "**", "|"])
_UNARY_OPERAND = 70


MOST_REMEMBERED = 1_000
"""The longest expression whose tree is kept, in characters."""


def parse(text: str, later: bool = False) -> n.Node:
    """The tree of a JSONata 2.0 expression (without `{% %}`). Raises JsonataSyntaxError.

    `later` also admits what came after the version that AWS runs: `??` and `?:`. Short expressions that were parsed
    lately give the same tree again: nobody changes it.
    """
    return _remembered(text, later) if len(text) <= MOST_REMEMBERED else _tree(text, later)


def _tree(text: str, later: bool) -> n.Node:
    try:
        return _Parser(text, later).parse()
    except RecursionError:  # the caller was deep in calls itself
        raise JsonataSyntaxError("D1011", STACK_OVERFLOW, len(text)) from None


_remembered = lru_cache(maxsize=512)(_tree)


class _Parser:
    def __init__(self, text: str, later: bool) -> None:
        self._text = text
        self._tokens = Tokens(text, later)
        self._token: Token | None = None
        self._behind = 0  # where the token before the one at hand ends
        self._nesting = 0

    def parse(self) -> n.Node:
        self._advance()
        node = self._expression(0)
        if self._token is not None:
            raise syntax_error("S0201", self._token.position, self._token.value)
        return resolve_top(resolve(node))

    # the token at hand

    def _sign(self) -> str | None:
        """The operator at hand, if it is one."""
        token = self._token
        return str(token.value) if token is not None and token.kind == "operator" else None

    def _advance(self, infix: bool = False) -> None:
        self._behind = self._tokens.position
        token = self._tokens.next(infix)
        if token is not None and token.kind == "operator" and token.value not in _KNOWN:
            raise syntax_error("S0204", token.position, token.value)
        self._token = token

    def _expect(self, sign: str, infix: bool = False) -> None:
        """Pass over `sign`, or fail for the lack of it."""
        if self._sign() != sign:
            token = self._token
            if token is None:
                raise syntax_error("S0203", len(self._text), "(end)", sign)
            raise syntax_error("S0202", token.position, token.value, sign)
        self._advance(infix)

    def _accept(self, sign: str) -> bool:
        if self._sign() != sign:
            return False
        self._advance()
        return True

    # expressions

    def _expression(self, tighter_than: int) -> n.Node:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            raise JsonataSyntaxError("D1011", STACK_OVERFLOW, self._tokens.position)
        start, token = self._behind, self._token
        self._advance(infix=True)
        left = self._begin(token)
        while (sign := self._sign()) is not None and tighter_than < BINDING.get(sign, 0):
            token = self._token
            assert token is not None
            end = self._behind
            self._advance()
            left = self._continue(token, sign, left)
            if sign == "&" and type(left) is n.Infix:
                left.span = (start, end, token.position, self._behind)
        self._nesting -= 1
        return left

    def _begin(self, token: Token | None) -> n.Node:
        if token is None:
            return n.End(len(self._text))
        if token.kind != "operator":
            return _leaf(token)
        sign = str(token.value)
        if sign in ("and", "or", "in"):
            return n.Name(token.position, sign, operator=True)
        if begin := _BEGIN.get(sign):
            return begin(self, token)
        raise syntax_error("S0211", token.position, token.value)

    def _continue(self, token: Token, sign: str, left: n.Node) -> n.Node:
        if special := _CONTINUE.get(sign):
            return special(self, token, left)
        return n.Infix(token.position, sign, left, self._expression(BINDING[sign]))

    # what begins an expression

    def _negation(self, token: Token) -> n.Node:
        return n.Negate(token.position, self._expression(_UNARY_OPERAND))

    def _block(self, token: Token) -> n.Node:
        expressions: list[n.Node] = []
        while self._sign() != ")":
            expressions.append(self._expression(0))
            if not self._accept(";"):
                break
        self._expect(")", infix=True)
        return n.Block(token.position, expressions)

    def _array(self, token: Token) -> n.Node:
        items: list[n.Node] = []
        if self._sign() != "]":
            items.append(self._item())
            while self._accept(","):
                items.append(self._item())
        self._expect("]", infix=True)
        return n.Array(token.position, items)

    def _item(self) -> n.Node:
        start = self._behind
        item = self._expression(0)
        if self._sign() != "..":
            return item
        end = self._behind
        assert self._token is not None
        position = self._token.position
        self._advance()
        rhs = self._expression(0)
        return n.Infix(position, "..", item, rhs, span=(start, end, position, self._behind))

    def _object(self, token: Token) -> n.Node:
        return n.Object(token.position, self._pairs())

    def _pairs(self) -> list[tuple[n.Node, n.Node]]:
        pairs: list[tuple[n.Node, n.Node]] = []
        if self._sign() != "}":
            pairs.append(self._pair())
            while self._accept(","):
                pairs.append(self._pair())
        self._expect("}", infix=True)
        return pairs

    def _pair(self) -> tuple[n.Node, n.Node]:
        key = self._expression(0)
        self._expect(":")
        return key, self._expression(0)

    def _transform(self, token: Token) -> n.Node:
        pattern = self._expression(0)
        self._expect("|")
        update = self._expression(0)
        delete = self._expression(0) if self._accept(",") else None
        self._expect("|")
        return n.Transform(token.position, pattern, update, delete)

    # what goes on with the expression to its left

    def _call(self, token: Token, left: n.Node) -> n.Node:
        call = n.Call(token.position, left, [])
        if self._sign() != ")":
            self._argument(call)
            while self._accept(","):
                self._argument(call)
        self._expect(")", infix=True)
        if type(left) is n.Name and not left.operator and left.value in ("function", "λ"):
            return self._lambda(call)
        return call

    def _argument(self, call: n.Call) -> None:
        if self._sign() == "?":
            assert self._token is not None
            call.partial = True
            call.arguments.append(n.Placeholder(self._token.position))
            self._advance()
        else:
            call.arguments.append(self._expression(0))

    def _lambda(self, call: n.Call) -> n.Node:
        parameters: list[str] = []
        for number, argument in enumerate(call.arguments, 1):
            if type(argument) is not n.Variable:
                raise syntax_error("S0208", argument.position, argument.token, number)
            parameters.append(argument.name)
        signature = self._signature() if self._sign() == "<" else None
        self._expect("{")
        body = self._expression(0)
        self._expect("}")
        return n.Lambda(call.position, parameters, body, signature)

    def _signature(self) -> str:
        """The text of a signature, put together of its tokens; it is checked here and evaluated elsewhere."""
        assert self._token is not None
        position, depth, signature = self._token.position, 1, "<"
        while depth > 0 and self._token is not None and self._sign() != "{":
            self._advance()
            depth += (self._sign() == "<") - (self._sign() == ">")
            signature += str(self._token.value) if self._token is not None else "(end)"
        self._expect(">")
        check_signature(signature, position)
        return signature

    def _predicate(self, token: Token, left: n.Node) -> n.Node:
        if self._sign() == "]":  # an empty predicate keeps arrays of one
            step = left
            while type(step) is n.Infix and step.op == "[":
                step = step.lhs
            step.keep_array = True
            self._advance()
            return left
        condition = self._expression(0)
        self._expect("]", infix=True)
        return n.Infix(token.position, "[", left, condition)

    def _sort(self, token: Token, left: n.Node) -> n.Node:
        self._expect("(")
        terms = [self._term()]
        while self._accept(","):
            terms.append(self._term())
        self._expect(")")
        return n.Infix(token.position, "^", left, terms=terms)

    def _term(self) -> tuple[bool, n.Node]:
        descending = self._accept(">")
        if not descending:
            self._accept("<")
        return descending, self._expression(0)

    def _group(self, token: Token, left: n.Node) -> n.Node:
        return n.Infix(token.position, "{", left, pairs=self._pairs())

    def _bind(self, token: Token, left: n.Node) -> n.Node:
        if type(left) is not n.Variable:
            raise syntax_error("S0212", left.position, left.token)
        return n.Infix(token.position, ":=", left, self._expression(BINDING[":="] - 1))

    def _step_variable(self, token: Token, left: n.Node) -> n.Node:
        sign = str(token.value)
        name = self._expression(BINDING[sign])
        if type(name) is not n.Variable:
            raise syntax_error("S0214", name.position, sign)
        return n.Infix(token.position, sign, left, name)

    def _condition(self, token: Token, left: n.Node) -> n.Node:
        then = self._expression(0)
        otherwise = self._expression(0) if self._accept(":") else None
        return n.Condition(token.position, left, then, otherwise)


def _leaf(token: Token) -> n.Node:
    """The node of a token that is a whole operand."""
    position, value = token.position, token.value
    match token.kind:
        case "string":
            return n.Text(position, str(value))
        case "number":
            return n.Number(position, value)  # type: ignore[arg-type]
        case "value":
            return n.Constant(position, value)  # type: ignore[arg-type]
        case "regex":
            assert isinstance(value, Regex)
            return n.Pattern(position, value)
        case "variable":
            return n.Variable(position, str(value))
        case _:
            return n.Name(position, str(value))


_BEGIN: dict[str, Callable[[_Parser, Token], n.Node]] = {
    "-": _Parser._negation,
    "*": lambda _, token: n.Wildcard(token.position),
    "**": lambda _, token: n.Descendant(token.position),
    "%": lambda _, token: n.Parent(token.position),
    "(": _Parser._block,
    "[": _Parser._array,
    "{": _Parser._object,
    "|": _Parser._transform,
}

_CONTINUE: dict[str, Callable[[_Parser, Token, n.Node], n.Node]] = {
    "(": _Parser._call,
    "[": _Parser._predicate,
    "^": _Parser._sort,
    "{": _Parser._group,
    ":=": _Parser._bind,
    "@": _Parser._step_variable,
    "#": _Parser._step_variable,
    "?": _Parser._condition,
}
