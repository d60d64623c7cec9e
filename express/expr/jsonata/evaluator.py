"""The complete evaluator: jlens behind the one adapter that knows it.

Chosen among five libraries because its error texts are the reference implementation's and because it alone
stops runaway expressions (time, depth, steps, and sizes are all bounded on every call). Data goes
in as the *input* document, which jlens reads one level at a time; as bindings it would be converted whole.

What it does below one step of its own is paid for by a prelude (`charges`), where values may be large: where the
data is, or where the expression could make them so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Final

import jlens

from express.budget import UNITS, Budget, Exhausted
from express.expr.jsonata import functions
from express.expr.jsonata.charges import HOSTED, SPEND
from express.expr.jsonata.errors import OUT_OF_MEMORY, STACK_OVERFLOW, TIMED_OUT, JsonataError
from express.expr.jsonata.function_table import FUNCTIONS
from express.expr.jsonata.growing import Growing, growing, nesting
from express.expr.jsonata.limits import MARK, RANGE_END, RANGE_START, REPLACE, Ranges, bounded
from express.expr.jsonata.nodes import Descendant, Node, walk
from express.expr.jsonata.numbers import escaped
from express.expr.jsonata.preludes import prelude
from express.expr.jsonata.references import References
from express.expr.jsonata.replace import replace
from express.expr.jsonata.sequences import UNDEFINED
from express.expr.jsonata.sharing import HELD
from express.expr.jsonata.sizes import MAX_ITEMS, MAX_STRING
from express.expr.scope import Scope
from express.expr.weight import weight
from express.values import INTEGER_MAX, INTEGER_MIN, JSON, dumps

TIMEOUT: Final = 0.010
"""Seconds of wall time for one expression (AWS: about one); what reaches it may be tried once more, see `_run`."""

TRIES: Final = 5
"""Tries of an expression that reaches the wall time and has hardly used the processor."""

SMALL: Final = 2_000
"""Data of less weight is small: no function of the library takes long over it."""

VISIT: Final = 3
"""Units of each value that `**` may visit: it is one step of the evaluator."""

CALL: Final = 8
"""Units of any call of a function that pays."""

MAX_DEPTH: Final = 100
"""Levels of evaluation, as on AWS: 100 terms of `1+1+…` pass and 101 don't."""

MAX_STEPS: Final = 200_000
"""Steps of evaluation, some 7 ms: what stops a runaway expression at the same place on every machine."""

MAX_RESULT: Final = 524_288
"""Bytes of a result as JSON, and of what a function of ours is given; a payload may have half of it."""

_HOSTED = {name: f.hosted for name, f in FUNCTIONS.items() if f.hosted is not None}
_BEHIND = {name: f.behind for name, f in FUNCTIONS.items() if f.behind is not None}
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

    __slots__ = (
        "_asked",
        "_descends",
        "_expressions",
        "_growing",
        "_longest",
        "_meter",
        "_node",
        "_paid",
        "_plain",
        "_ranges",
        "_refs",
        "_text",
        "_variables",
    )

    def __init__(self, text: str, node: Node, refs: References) -> None:
        self._plain = text
        self._node = node
        self._asked = ""
        self._text = bounded(text, node)
        self._paid = bounded(text, node, paid=True)
        self._growing = growing(node, refs)
        self._longest = MAX_STRING // 4 if nesting(node) else MAX_STRING
        self._descends = any(type(part) is Descendant for part in walk(node))
        self._meter = Meter()
        self._refs = refs
        self._ranges = Ranges() if RANGE_END in self._text else None
        names = enumerate(sorted(refs.free))
        self._variables = tuple((f"v{number}", name, name in FUNCTIONS) for number, name in names)
        self._expressions: dict[tuple[frozenset[str], bool], jlens.Expression] = {}

    def evaluate(self, states: Mapping[str, JSON], scope: Scope) -> JSON:
        """The value, or UNDEFINED. `states` lacks `context`, which is asked for only if it is needed."""
        refs = self._refs
        if refs.context:
            states = {**states, "context": scope.context()}
        document: dict[str, JSON] = {"states": states}
        shadowing = self._shadowing(document, scope)
        large = self._large(document)
        expression = self._expression(shadowing, large)
        self._meter.budget = scope.budget()
        if self._descends:
            self._meter.pay(VISIT * weight(document, UNITS // VISIT + 1))

        def begin() -> None:
            if self._ranges is not None:
                self._ranges.clear()

        return _run(
            expression, document, self._bindings(scope), _now(refs, scope), self._meter.budget, begin, self._longest
        )

    def _large(self, document: dict[str, JSON]) -> bool:
        """Return whether values may be so large that functions must be paid for."""
        if self._growing is Growing.NEVER:
            return False
        return self._growing is Growing.ALWAYS or weight(document, SMALL) >= SMALL

    def is_function(self, states: Mapping[str, JSON], scope: Scope) -> bool:
        """Return whether an expression that gave nothing gave a function (AWS tells the two apart)."""
        return bool(self._probe("type", states, scope) == "function")

    def is_nan(self, states: Mapping[str, JSON], scope: Scope) -> bool:
        """Return whether an expression that gave null gave what is no number (AWS tells the two apart)."""
        return bool(self._probe("string", states, scope) == "D3001")

    def _probe(self, function: str, states: Mapping[str, JSON], scope: Scope) -> JSON:
        """Return what a function says about the value, or the code of its error."""
        probe = copy(self)
        probe._expressions = {}
        probe._asked = function
        try:
            return probe.evaluate(states, scope)
        except JsonataError as error:
            return error.code

    def _shadowing(self, document: dict[str, JSON], scope: Scope) -> frozenset[str]:
        """Put the variables that are set into the document; the names of those that hide a function."""
        shadowing = _NONE
        if self._variables:
            variables = scope.variables()
            for key, name, standard in self._variables:
                if name in variables:
                    document[key] = variables[name]
                    if standard:
                        shadowing |= {name}
        return shadowing

    def _expression(self, shadowing: frozenset[str], large: bool) -> jlens.Expression:
        """The compiled form for the variables that are set; an unset one that is a function stays that."""
        expression = self._expressions.get((shadowing, large))
        if expression is None:
            expression = self._expressions[shadowing, large] = self._compile(shadowing, large)
        return expression

    def _compile(self, shadowing: frozenset[str], large: bool) -> jlens.Expression:
        refs = self._refs
        bound = [f"${name}:=$$.{key};" for key, name, standard in self._variables if not standard or name in shadowing]
        text = self._plain if "replace" in shadowing else self._text
        if large:
            text = bounded(self._plain, self._node, paid=True, hidden=shadowing) if shadowing else self._paid
            bound.insert(0, prelude(refs.free - shadowing, text))
        asked = f"${self._asked}({text})" if self._asked else text
        expression = compile_text(wrapped(asked, "".join(bound)))
        for name, hosted in _HOSTED.items():
            if name in refs.free:
                expression.register_function(name, self._meter.paying(hosted), hosted.signature)
        replacing = functions.Hosted(replace, functions.replacing, "<s-(sf)(sf)n?:s>")
        for name, hosted in {**_BEHIND, "replace": replacing}.items():
            if large:
                expression.register_function(f"{name}{HOSTED}", self._meter.paying(hosted), hosted.signature)
        if large:
            expression.register_function(SPEND, self._meter.spend)
            expression.register_function(f"{HELD}{MARK}", self._meter.paying(functions.HOLDING))
        if "replace" in refs.free:
            expression.register_function(REPLACE, self._meter.paying(replacing), replacing.signature)
        if self._ranges is not None:
            expression.register_function(RANGE_START, self._ranges.start)
            expression.register_function(RANGE_END, self._ranges.end)
        return expression

    def _bindings(self, scope: Scope) -> dict[str, Callable[..., JSON]] | None:
        free = self._refs.free
        if "random" not in free and "uuid" not in free:
            return None
        return {"random": functions.random_of(scope), "uuid": functions.uuid_of(scope)}


class Meter:
    """The meter that the functions of one expression pay."""

    __slots__ = ("budget",)

    def __init__(self) -> None:
        self.budget = Budget()

    def spend(self, *units: JSON) -> None:
        """Pay some units, which may be none, for a function that will be called next."""
        self.pay(CALL + (int(units[0]) if units and units[0] else 0))

    def paying(self, hosted: functions.Hosted) -> Callable[..., JSON]:
        """A function of ours that pays first, for jlens, to which None is nothing."""

        def call(*arguments: JSON) -> JSON:
            self.pay(CALL + hosted.units(*arguments))
            value = hosted.function(*arguments)
            return None if value is UNDEFINED else value

        return call

    def pay(self, units: int) -> None:
        """Pay; raises JsonataError where there is too little left."""
        try:
            self.budget.spend(units)
        except Exhausted:
            raise JsonataError(None, TIMED_OUT) from None


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
    budget: Budget,
    begin: Callable[[], None],
    longest: int,
) -> JSON:
    """Evaluate within the bounds.

    The time limit is wall time, so a process that had to wait for its processor looks like an expression that never
    ends: it is tried again as long as there is processor time left, which all evaluations of a state share.
    """
    units, clock = budget.units, budget.clock
    for left in range(TRIES, 0, -1):
        if budget.seconds <= 0:
            break
        begin()
        budget.units = units
        started = clock() if clock else 0.0
        try:
            result = expression.evaluate(
                document,
                bindings,
                timeout=TIMEOUT,
                max_depth=MAX_DEPTH + _WRAPPING,
                max_steps=MAX_STEPS,
                max_string_length=longest,
                max_array_length=MAX_ITEMS,
                max_result_size=MAX_RESULT,
                now=now,
            )
        except jlens.JlensError as error:
            if error.code != "D1012" or (not clock and left < TRIES):
                raise _mapped(error) from None
        else:
            return _doubles(result.get("v", UNDEFINED))
        finally:
            if clock:
                budget.seconds -= clock() - started
    raise JsonataError(None, TIMED_OUT)


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
        message = message.replace(error.token, error.token.rstrip(MARK))
    return JsonataError(error.code, message, error.position, error.token)
