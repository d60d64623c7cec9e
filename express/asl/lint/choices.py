"""Choice rules: one test each, nested by And, Or and Not, or one Condition in JSONata states."""

from __future__ import annotations

from express.asl.lint.fieldcheck import BOTH, JSONATA, JSONPATH, Field, check_fields, required
from express.asl.lint.jsonata import INPUT, assign_value, value
from express.asl.lint.jsonata import expression as check_expression
from express.asl.lint.paths import LOOKS_DYNAMIC, path
from express.asl.lint.report import View
from express.asl.lint.templates import assign_template
from express.asl.lint.values import boolean, comment, expect, filled_array, number, text
from express.asl.lint.values import timestamp as rfc3339
from express.expr.jsonata import is_expression
from express.expr.operators import BOOLEAN, NUMBER, PATH, STRING, TIMESTAMP
from express.expr.operators import OPERATORS as _OPERATORS
from express.values import JSON

DEEPEST_TEST = 100
MOST_RULES = 10_000


def _string(view: View, operand: JSON, location: str) -> None:
    if type(operand) is not str:
        expect(view, operand, location, "String")
    elif LOOKS_DYNAMIC.match(operand):
        view.add(
            "W0411",
            location,
            "Value looks like a path, but the field name does not end with 'Path'",
            hint=f"did you mean '{location.rpartition('/')[2]}Path'?",
        )


_OPERANDS = {STRING: _string, NUMBER: number, BOOLEAN: boolean, TIMESTAMP: rfc3339, PATH: path}

OPERATORS: dict[str, Field] = {name: Field(_OPERANDS[op.operand], JSONPATH) for name, op in _OPERATORS.items()}
"""Comparison operator → its operand."""


def _condition(view: View, condition: JSON, location: str) -> None:
    if type(condition) is str and is_expression(condition):
        check_expression(view, condition, location)
    elif type(condition) is not bool:
        view.refuse("E0508", condition, location, "Expected value of type Boolean or a JSONata expression")


def _ignore(view: View, part: JSON, location: str) -> None:
    """And, Or and Not are walked by `_test`."""


_assign_jsonata = assign_value(INPUT)


def _assign(view: View, names: JSON, location: str) -> None:
    (_assign_jsonata if view.jsonata else assign_template)(view, names, location)


TEST: dict[str, Field] = {
    "Variable": Field(path, JSONPATH),
    "And": Field(_ignore, JSONPATH),
    "Or": Field(_ignore, JSONPATH),
    "Not": Field(_ignore, JSONPATH),
    "Comment": Field(comment, BOTH),
    **OPERATORS,
}
RULE: dict[str, Field] = {
    **TEST,
    "Condition": Field(_condition, JSONATA),
    "Output": Field(value(INPUT), JSONATA),
    "Next": Field(text, BOTH),
    "Assign": Field(_assign, BOTH),
}
_COMBINERS = ("And", "Or", "Not")


def choices(view: View, rules: JSON, location: str) -> None:
    """The rules of a Choice state."""
    if not filled_array(view, rules, location):
        return
    if len(rules) > MOST_RULES:
        view.add("E1101", location, f"A Choice state may have at most {MOST_RULES} rules")
        return
    for index, rule in enumerate(rules):
        here = f"{location}[{index}]"
        if type(rule) is not dict:
            expect(view, rule, here, "Object")
        elif view.jsonata:
            check_fields(view, rule, here, RULE)
            required(view, rule, here, ("Condition", "Next"))
        else:
            _top_rule(view, rule, here)


def _top_rule(view: View, rule: dict[str, JSON], location: str) -> None:
    check_fields(view, rule, location, RULE)
    _shape(view, rule, location, 0)
    required(view, rule, location, ("Next",))


def _shape(view: View, rule: dict[str, JSON], location: str, depth: int) -> None:
    """One test: a combiner, or a variable with one operator."""
    if depth > DEEPEST_TEST:
        view.add("E0004", location, f"Choice tests are nested deeper than {DEEPEST_TEST} levels")
        return
    combiners = [name for name in _COMBINERS if name in rule]
    operators = [name for name in rule if name in OPERATORS]
    kinds = [*combiners, *operators]
    if len(kinds) > 1 or (combiners and "Variable" in rule):
        listed = ", ".join(kinds if len(kinds) > 1 else ["Variable", *kinds])
        view.add("E0104", location, f"There should only be one of the following fields: [{listed}]")
    if not kinds and "Condition" not in rule:
        misspelt = any(view.report.slip_of(name, rule) for name in (*_COMBINERS, *OPERATORS))
        message = "A Choice rule needs a comparison operator, And, Or or Not"
        view.add("E0301", location, message, follows="E0102" if misspelt else None)
    elif operators and not combiners:
        required(view, rule, location, ("Variable",))
    for name in combiners:
        _combined(view, name, rule[name], f"{location}/{name}", depth)


def _combined(view: View, name: str, part: JSON, location: str, depth: int) -> None:
    if name == "Not":
        _nested(view, part, location, depth + 1)
    elif filled_array(view, part, location):
        for index, test in enumerate(part):
            _nested(view, test, f"{location}[{index}]", depth + 1)


def _nested(view: View, test: JSON, location: str, depth: int) -> None:
    if type(test) is not dict:
        expect(view, test, location, "Object")
    else:
        check_fields(view, test, location, TEST)
        _shape(view, test, location, depth)
