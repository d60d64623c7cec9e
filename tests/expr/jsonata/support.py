"""What the JSONata tests share: a scope, evaluation in one line, and strategies for data and expressions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from express.expr.scope import Constants
from tests.expr.written import compile_value

SHARED = Path(__file__).parents[4] / "shared"
CONTEXT = {
    "State": {"Name": "S", "EnteredTime": "2026-01-15T08:30:00.123Z"},
    "Execution": {"Id": "arn:aws:states:us-east-1:111111111111:express:m:e:1", "Input": {"a": 1}},
}
SCOPE = Constants(CONTEXT, {"x": 5, "list": [1, 2, 3], "o": {"a": "b"}})


def evaluate(expression: str, data: Any = None, scope: Constants = SCOPE, **phases: Any) -> Any:
    """The value of one expression as `Output` of a state with this input."""
    return compile_value(f"{{% {expression} %}}", "Output")({"input": data, **phases}, scope)


NAMES = ("a", "b", "c", "n")
_TEXTS = ["", "a", "b", "A b", "  x  y ", "é", "10", "1.5", "-3e2", "null", "\U0001f600", "￿", "a,b,c", "0x1"]
_NUMBERS = [0, 1, -1, 2, 3, 7, 1.5, -2.5, 0.1, 0.2, 1.0, 2**53 - 1, 2**53, 2**60, 1e21, 1e-7, 123456789.123]

scalars = st.sampled_from([*_TEXTS, *_NUMBERS, True, False, None])
documents = st.recursive(
    scalars | st.just([]) | st.just({}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=10,
)
records = st.lists(st.dictionaries(st.sampled_from(NAMES), scalars, min_size=2, max_size=4), max_size=4)
inputs = st.fixed_dictionaries(dict.fromkeys(NAMES, documents) | {"r": records})


def _joined(parts: st.SearchStrategy[Any], template: str) -> st.SearchStrategy[str]:
    return parts.map(lambda values: template.format(*values))


literals = st.sampled_from(
    [json.dumps(text) for text in _TEXTS] + ["0", "1", "2", "1.5", "0.1", "9007199254740991", "true", "false", "null"]
)
_bases = st.sampled_from(["$states.input"] * 3 + ["$states.result", "$x", "$list", "$o", "$states.context", "$v"])
_steps = st.lists(st.sampled_from(["." + name for name in NAMES] * 3 + ["[0]", "[-1]"]), max_size=3).map("".join)
paths = _joined(st.tuples(_bases, _steps), "{}{}")
_conditions = st.sampled_from(
    ["a = 'a'", "b > 1", "$.a = 1", "n", "a != 'b' and b", "a & b = 'x'", "$ = 'a'", "$exists(a)", "$x = a", "c[0] = 1"]
)
_after = st.sampled_from(["", "", ".a", ".a.b"])
filters = _joined(st.tuples(st.sampled_from(["r", "a"]), _conditions, _after), "$states.input.{}[{}]{}")

_UNARY = [
    *[
        "string",
        "length",
        "uppercase",
        "lowercase",
        "trim",
        "number",
        "boolean",
        "not",
        "exists",
        "count",
        "sum",
        "max",
    ],
    *["min", "average", "floor", "ceil", "round", "keys", "type", "merge", "reverse", "join", "abs", "distinct"],
    "encodeUrl",
]
_PAIRS = ["append", "contains", "split", "join", "substring", "substringBefore", "substringAfter", "lookup"]
_OPERATORS = ["+", "-", "*", "/", "%", "&", "=", "!=", "<", "<=", ">", ">=", "and", "or"]


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        _joined(st.tuples(inner, st.sampled_from(_OPERATORS), inner), "({} {} {})"),
        _joined(st.tuples(inner, inner, inner), "({} ? {} : {})"),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=3).map(
            lambda members: "{" + ", ".join(f'"{k}": {v}' for k, v in members.items()) + "}"
        ),
        _joined(st.tuples(st.sampled_from(_UNARY), inner), "${}({})"),
        _joined(st.tuples(st.sampled_from(_PAIRS), inner, inner), "${}({}, {})"),
        _joined(st.tuples(inner, st.sampled_from(_UNARY)), "({} ~> ${})"),
        _joined(st.tuples(st.sampled_from(["map", "filter"]), inner, inner), "${}({}, function($v) {{ {} }})"),
        _joined(st.tuples(inner, inner), "($v := {}; {})"),
        _joined(st.tuples(inner), '({} in ["a", "b"])'),
        _joined(st.tuples(inner), "(-{})"),
        _joined(st.tuples(inner, _steps), "({}){}"),
        _joined(st.tuples(inner, _steps), "$merge([{}]){}"),
    )


expressions = st.recursive(paths | literals | filters, _compound, max_leaves=8)
"""Expressions of the fast subset and a little beyond it."""
