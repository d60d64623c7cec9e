"""The complete evaluator: jlens behind the one adapter that knows it.

Chosen among five libraries because its error texts are the reference implementation's and because it alone
stops every runaway expression (time, depth, steps, and sizes are all bounded on every call). Data goes
in as the *input* document, which jlens reads one level at a time; as bindings it would be converted whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Final

import jlens

from express.expr.jsonata import functions
from express.expr.jsonata.bounds import MARK, MAX_ITEMS, MAX_STRING, RANGE_END, RANGE_START, REPLACE, Ranges, bounded
from express.expr.jsonata.errors import OUT_OF_MEMORY, STACK_OVERFLOW, TIMED_OUT, JsonataError
from express.expr.jsonata.names import FUNCTIONS
from express.expr.jsonata.nodes import Node
from express.expr.jsonata.numbers import escaped
from express.expr.jsonata.references import References
from express.expr.jsonata.replace import replace
from express.expr.jsonata.sequences import UNDEFINED
from express.expr.scope import Scope
from express.values import INTEGER_MAX, INTEGER_MIN, JSON, dumps

TIMEOUT: Final = 0.010
"""Seconds of wall time for one expression (AWS: about one); what reaches it is tried once more, see `_run`."""

MAX_DEPTH: Final = 100
"""Levels of evaluation, as on AWS: 100 terms of `1+1+…` pass and 101 don't."""

MAX_STEPS: Final = 200_000
"""Steps of evaluation, some 7 ms: what stops a runaway expression at the same place on every machine."""

MAX_RESULT: Final = 2 * 1_048_576
"""Bytes of a result as JSON; a payload may have an eighth of it."""

_NONE: frozenset[str] = frozenset()
_WRAPPING = 2  # levels of evaluation that `wrapped` adds
_MEMORY = ("U1001", "D2015", "D2016")
_TIME = ("D1012", "U1006")
_NUMBERS = ("D2014", "D3060", "D3061", "D3100")  # whose texts jlens gives numbers like 37.0
_WHOLE = re.compile(r"(\d)\.0\b")


class Exact:
    """One expression, evaluated completely; compiled when first needed.

    Raises JsonataError: with AWS's text and no code where a bound was hit.
    """

    __slots__ = ("_expressions", "_plain", "_ranges", "_refs", "_text", "_variables")

    def __init__(self, text: str, node: Node, refs: References) -> None:
        self._plain = text
        self._text = bounded(text, node)
        self._refs = refs
        self._ranges = Ranges() if RANGE_END in self._text else None
        names = enumerate(sorted(refs.free))
        self._variables = tuple((f"v{number}", name, name in FUNCTIONS) for number, name in names)
        self._expressions: dict[frozenset[str], jlens.Expression] = {}

    def evaluate(self, states: Mapping[str, JSON], scope: Scope) -> JSON:
        """The value, or UNDEFINED. `states` lacks `context`, which is asked for only if it is needed."""
        refs = self._refs
        if refs.context:
            states = {**states, "context": scope.context()}
        document: dict[str, JSON] = {"states": states}
        expression = self._expression(document, scope)
        if self._ranges is not None:
            self._ranges.clear()
        return _run(expression, document, self._bindings(scope), _now(refs, scope))

    def is_function(self, states: Mapping[str, JSON], scope: Scope) -> bool:
        """Whether an expression that gave nothing gave a function (AWS tells the two apart)."""
        return bool(self._probe("type", states, scope) == "function")

    def is_nan(self, states: Mapping[str, JSON], scope: Scope) -> bool:
        """Whether an expression that gave null gave what is no number (AWS tells the two apart)."""
        return bool(self._probe("string", states, scope) == "D3001")

    def _probe(self, function: str, states: Mapping[str, JSON], scope: Scope) -> JSON:
        """What a function says about the value, or the code of its error."""
        probe = copy(self)
        probe._expressions = {}
        probe._plain, probe._text = f"${function}({self._plain})", f"${function}({self._text})"
        try:
            return probe.evaluate(states, scope)
        except JsonataError as error:
            return error.code

    def _expression(self, document: dict[str, JSON], scope: Scope) -> jlens.Expression:
        """The compiled form for the variables that are set; an unset one that is a function stays that."""
        shadowing = _NONE
        if self._variables:
            variables = scope.variables()
            for key, name, standard in self._variables:
                if name in variables:
                    document[key] = variables[name]
                    if standard:
                        shadowing |= {name}
        expression = self._expressions.get(shadowing)
        if expression is None:
            expression = self._expressions[shadowing] = self._compile(shadowing)
        return expression

    def _compile(self, shadowing: frozenset[str]) -> jlens.Expression:
        refs = self._refs
        bound = [f"${name}:=$$.{key};" for key, name, standard in self._variables if not standard or name in shadowing]
        text = self._plain if "replace" in shadowing else self._text
        expression = compile_text(wrapped(text, "".join(bound)))
        for name, function in functions.PURE.items():
            if name in refs.free:
                expression.register_function(name, _hosted(function))
        if "replace" in refs.free:
            expression.register_function(REPLACE, replace, "<s-(sf)(sf)n?:s>")
        if self._ranges is not None:
            expression.register_function(RANGE_START, self._ranges.start)
            expression.register_function(RANGE_END, self._ranges.end)
        if "distinct" in refs.free:
            expression.register_function("distinct", functions.distinct, "<x:x>")
        return expression

    def _bindings(self, scope: Scope) -> dict[str, Callable[..., JSON]] | None:
        free = self._refs.free
        if "random" not in free and "uuid" not in free:
            return None
        return {"random": functions.random_of(scope), "uuid": functions.uuid_of(scope)}


def _hosted(function: Callable[..., JSON]) -> Callable[..., JSON]:
    """A function for jlens, to which None is nothing."""

    def hosted(*arguments: JSON) -> JSON:
        value = function(*arguments)
        return None if value is UNDEFINED else value

    return hosted


def wrapped(text: str, bound: str) -> str:
    """The text that jlens is given: `$states` bound to the input, the value put where nothing shows."""
    return f'($states:=$$.states;{bound}{{"v":{text}\n}})'


def compile_text(text: str) -> jlens.Expression:
    """An expression of jlens. Raises JsonataError for what only jlens refuses, a bad regular expression."""
    try:
        return jlens.Expression(escaped(text))
    except jlens.JlensError as error:
        raise worded(error) from None


def run_plain(
    expression: jlens.Expression,
    text: str | None,
    bindings: dict[str, JSON] | None,
    timeout: float,
    max_depth: int,
) -> str | None:
    """Plain JSONata from JSON text to JSON text, None being nothing; raises JsonataError with jlens's own texts."""
    try:
        result: str | None = expression.evaluate_json(text, bindings, timeout=timeout, max_depth=max_depth)
    except jlens.JlensError as error:
        raise worded(error) from None
    return result


def _now(refs: References, scope: Scope) -> Any:
    """The time of `$now` and `$millis`: when the state was entered, the same whenever the events are the same."""
    if "now" not in refs.free and "millis" not in refs.free:
        return None
    return scope.context().get("State", {}).get("EnteredTime")


def _run(
    expression: jlens.Expression,
    document: dict[str, JSON],
    bindings: dict[str, Callable[..., JSON]] | None,
    now: Any,
) -> JSON:
    """Evaluate within the bounds.

    The time limit is wall time, so a process that had to wait for its processor looks like an expression
    that never ends; that hardly happens twice, hence the second try.
    """
    for last in (False, True):
        try:
            result = expression.evaluate(
                document,
                bindings,
                timeout=TIMEOUT,
                max_depth=MAX_DEPTH + _WRAPPING,
                max_steps=MAX_STEPS,
                max_string_length=MAX_STRING,
                max_array_length=MAX_ITEMS,
                max_result_size=MAX_RESULT,
                now=now,
            )
        except jlens.JlensError as error:
            if error.code != "D1012" or last:
                raise _mapped(error) from None
        else:
            return _doubles(result.get("v", UNDEFINED))
    raise AssertionError("the second try returns or raises")


def _doubles(value: JSON) -> JSON:
    """Return a result with doubles for whole numbers beyond 64 bits: JSONata's numbers are doubles, all of them."""
    try:
        dumps(value)
    except TypeError:
        return _walked(value)
    return value


def _walked(value: JSON) -> JSON:
    if type(value) is dict:
        return {key: _walked(item) for key, item in value.items()}
    if type(value) is list:
        return [_walked(item) for item in value]
    return float(value) if type(value) is int and not INTEGER_MIN <= value <= INTEGER_MAX else value


def _mapped(error: jlens.JlensError) -> JsonataError:
    """An error of jlens with AWS's code and text; AWS names no code where a bound was hit."""
    if error.code == "D1011":
        return JsonataError(None, STACK_OVERFLOW)
    if error.code in _TIME:
        return JsonataError(None, TIMED_OUT)
    if error.code in _MEMORY:
        return JsonataError(None, OUT_OF_MEMORY)
    return worded(error)


def worded(error: jlens.JlensError) -> JsonataError:
    """An error of jlens, with whole numbers in its text written as the reference implementation does."""
    message = _WHOLE.sub(r"\1", str(error)) if error.code in _NUMBERS else str(error)
    if error.token and error.token.endswith(MARK):
        message = message.replace(error.token, error.token[: -len(MARK)])
    return JsonataError(error.code, message, error.position, error.token)
