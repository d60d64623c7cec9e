"""Choice rules as Python source text (see `source` for what such text promises)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from express.expr.choices import KEYS, OPERATORS, ORDERS, TESTS, Operator, matches, wildcard_pieces
from express.expr.jsonpath.select import keys
from express.expr.jsonpath.syntax import parse
from express.expr.python.jsonpath import MAX_DEPTH, MAX_PARTS, Emitter, Reads, display, is_local, is_scalar, path_source
from express.values import JSON, parse_timestamp, utf16_key

_SIGNS = {"Equals": "==", "LessThan": "<", "GreaterThan": ">", "LessThanEquals": "<=", "GreaterThanEquals": ">="}

Emit: TypeAlias = Callable[[str, JSON, Operator, Emitter], str]


def rule_source(rule: dict[str, JSON], emitter: Emitter) -> str | None:
    """The text of a rule that `choices.compile_rule` has accepted; its value is True or False.

    >>> rule_source({"Variable": "$.n", "NumericGreaterThan": 1, "Next": "Big"}, Emitter())
    "((t2 := (t1 := d['n']).__class__) is int or t2 is float) and t1 > 1"
    """
    made = _rule(rule, emitter, 0)
    if made is None:
        return None
    emitter.reads, emitter.reads_if_true = made.otherwise, made.then
    return made.text


class _Rule(NamedTuple):
    """The text of a rule, and what it has read where it is true (`then`) and where it is not."""

    text: str
    then: Reads | None
    otherwise: Reads | None


def _rule(rule: dict[str, JSON], emitter: Emitter, depth: int) -> _Rule | None:
    if depth > MAX_DEPTH:
        return None
    if "Not" in rule:
        inner = _rule(rule["Not"], emitter, depth + 1)
        return None if inner is None else _Rule(f"not ({inner.text})", inner.otherwise, inner.then)
    for name in ("And", "Or"):
        if name in rule:
            return _joined(rule[name], name, emitter, depth)
    text = _test(rule, emitter)
    return None if text is None else _Rule(text, emitter.reads, emitter.reads)


def _joined(rules: list[dict[str, JSON]], name: str, emitter: Emitter, depth: int) -> _Rule | None:
    """And, Or: each part is only run where those before it have not decided."""
    if len(rules) > MAX_PARTS:
        return None
    word = f") {name.lower()} ("
    texts: list[str] = []
    decided: list[Reads] = []
    for rule in rules:
        part = _rule(rule, emitter, depth + 1)
        if part is None:
            return None
        texts.append(part.text)
        emitter.reads, leaving = (part.then, part.otherwise) if name == "And" else (part.otherwise, part.then)
        decided.append(leaving or {})
    common = None if emitter.reads is None else dict(set.intersection(*(set(reads.items()) for reads in decided)))
    text = f"({word.join(texts)})"
    return _Rule(text, emitter.reads, common) if name == "And" else _Rule(text, common, emitter.reads)


def _test(rule: dict[str, JSON], emitter: Emitter) -> str | None:
    op = OPERATORS[next(name for name in rule if name in OPERATORS)]
    path = parse(rule["Variable"])
    if op.name == "IsPresent":
        chain = keys(path)
        return _present(chain, rule[op.name], emitter) if path.root == "$" and chain and len(chain) < 5 else None
    value = path_source(path, emitter)
    if value is None:
        return None
    if not is_local(value) and is_scalar(value):  # Python warns of `1 is None`
        value = f"({emitter.temporary()} := {value})"
    if op.path:
        other = path_source(parse(rule[op.name]), emitter)
        return None if other is None else _paths(value, other, op, emitter)
    return _EMIT[op.family](value, rule[op.name], op, emitter)


def _present(chain: tuple[str | int, ...], wanted: bool, emitter: Emitter) -> str | None:
    """Members looked for one below the other; what is no object has none."""
    if not all(type(name) is str for name in chain):
        return None
    tests, node = [], emitter.data
    found = emitter.held(chain)
    if found is not None:
        value, chain = found
        node = display(value)
    if (chain and not is_local(value if found is not None else node)) or (found is None and emitter.made):
        return repr(not wanted)  # what was made has no such member
    for name in chain:
        tests.append(f"type({node}) is dict and {name!r} in {node}")
        node = f"{node}[{name!r}]"
    text = " and ".join(tests) or "True"
    return text if wanted else f"not ({text})"


def _string(value: str, operand: JSON, op: Operator, emitter: Emitter) -> str:
    sign = _SIGNS[op.name.removeprefix("String")]
    if sign == "==":
        return f"{value} == {operand!r}"
    first, held = emitter.twice(value)
    slow = emitter.bind(_by_unit(op, operand))
    if not operand.isascii():
        return f"{first}.__class__ is str and {slow}({held})"
    return f"{first}.__class__ is str and ({held} {sign} {operand!r} if {held}.isascii() else {slow}({held}))"


def _by_unit(op: Operator, operand: str) -> Callable[[str], bool]:
    compare, key = ORDERS[op.name.removeprefix("String")], utf16_key(operand)
    return lambda value: bool(compare(utf16_key(value), key))


def _number(value: str, operand: JSON, op: Operator, emitter: Emitter) -> str:
    (first, held), kind = emitter.twice(value), emitter.temporary()
    sign = _SIGNS[op.name.removeprefix("Numeric")]
    return f"(({kind} := {first}.__class__) is int or {kind} is float) and {held} {sign} {operand!r}"


def _boolean(value: str, operand: JSON, op: Operator, emitter: Emitter) -> str:
    return f"{value} is {operand!r}"


def _timestamp(value: str, operand: JSON, op: Operator, emitter: Emitter) -> str:
    (first, held), moment = emitter.twice(value), emitter.temporary()
    parse_, wanted = emitter.bind(parse_timestamp), emitter.bind(parse_timestamp(operand))
    sign = _SIGNS[op.name.removeprefix("Timestamp")]
    instant = f"({moment} := {parse_}({held})) is not None"
    return f"{first}.__class__ is str and {instant} and {moment} {sign} {wanted}"


def _pattern(value: str, operand: JSON, op: Operator, emitter: Emitter) -> str:
    pieces = wildcard_pieces(operand)
    if pieces is None:
        return f"{emitter.bind(_fail)}()"
    if len(pieces) == 1:
        return f"{value} == {pieces[0]!r}"
    first, held = emitter.twice(value)
    if len(pieces) == 2 and not pieces[1]:
        return f"{first}.__class__ is str and {held}.startswith({pieces[0]!r})"
    return f"{first}.__class__ is str and {emitter.bind(matches)}({held}, {emitter.bind(pieces)})"


def _fail() -> bool:
    """A pattern with an open escape: the closure's business."""
    raise TypeError("open escape")


_KINDS = {
    "IsNull": "{value} is None",
    "IsString": "type({value}) is str",
    "IsBoolean": "type({value}) is bool",
    "IsNumeric": "({kind} := type({value})) is int or {kind} is float",
    "IsTimestamp": "{test}({value})",
}


def _kind(value: str, operand: JSON, op: Operator, emitter: Emitter) -> str:
    text = _KINDS[op.name].format_map(_Fields(value, op, emitter))
    return f"({text})" if operand else f"not ({text})"


class _Fields(dict[str, str]):
    """What a text of `_KINDS` may ask for, made when it does."""

    def __init__(self, value: str, op: Operator, emitter: Emitter) -> None:
        super().__init__(value=value)
        self._op, self._emitter = op, emitter

    def __missing__(self, name: str) -> str:
        made = self._emitter.bind(TESTS[self._op.name]) if name == "test" else self._emitter.temporary()
        self[name] = made
        return made


def _paths(left: str, right: str, op: Operator, emitter: Emitter) -> str:
    """Both sides are read before either is judged, as the closure does."""
    first, second = emitter.temporary(), emitter.temporary()
    compare = emitter.bind(_judge(op))
    return f"({first} := {left}, {second} := {right}) and {compare}({first}, {second})"


def _judge(op: Operator) -> Callable[[Any, Any], bool]:
    key, compare = KEYS[op.family], op.compare
    assert compare is not None

    def judge(left: JSON, right: JSON) -> bool:
        a, b = key(left), key(right)
        return a is not None and b is not None and bool(compare(a, b))

    return judge


_EMIT: dict[str, Emit] = {
    "String": _string,
    "Numeric": _number,
    "Boolean": _boolean,
    "Timestamp": _timestamp,
    "StringMatches": _pattern,
    "Type": _kind,
}
