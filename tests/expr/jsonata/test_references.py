"""Static references: what AWS checks when a machine is created, and what the engine must provide."""

import json

import pytest

from express.expr.jsonata import parse, references
from express.expr.jsonata.expression import is_expression, source_of

from .support import SHARED


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("phone", ("phone",)),
        ("Account.Order[0].Product", ("Account",)),
        ("$", ("$",)),
        ("$$", ("$$",)),
        ("$$.a + $.b + c", ("$$", "$", "c")),
        ("$sum(prices) & name", ("prices", "name")),
        ("$states.input.items[price > 5].name", ()),
        ("$states.input.items^(>price).{'n': name, 'all': $}", ()),
        ("$map($states.input.a, function($v) { $v.b & c })", ()),
        ("$states.input.a.($ + 1)", ()),
        ("($a := b; $a.c)", ("b",)),
        ("{'k': v}", ("v",)),
        ("$states.input{name: $}", ()),
        ("$x ~> |a|{'b': c}|", ()),
    ],
)
def test_a_name_is_at_the_top_level_where_there_is_no_context(text: str, found: tuple[str, ...]) -> None:
    """Names, `$` and `$$` are found outside path steps, predicates and lambdas, in order and once each."""
    assert references(parse(text)).top_level == found


def test_variables_are_those_that_nothing_in_the_expression_binds() -> None:
    """Blocks, lambdas and step variables bind; a value is read before its name is bound."""
    refs = references(parse("($a := $a + $b; $f := function($c) { $f($c, $d) }; $f($a); $list@$e.($e) + $count)"))
    assert refs.variables == {"a", "b", "d", "list"}
    assert "count" in refs.free


def test_functions_are_the_names_that_are_called() -> None:
    """Calls and applications count, locally bound functions don't."""
    refs = references(parse("($g := function() { 1 }; $g(); $sum([1]) ~> $string; $mine(2))"))
    assert refs.functions == {"sum", "string", "mine"}
    assert refs.variables == set()


def test_members_of_states_are_told_apart() -> None:
    """What is named is known; `$states` as a value means all of it."""
    assert references(parse("$states.input.a & $states.result")).states == {"input", "result"}
    assert not references(parse("$states.input")).context
    assert references(parse("$states.context.Execution.Id")).context
    assert references(parse("$keys($states)")).whole_states
    assert references(parse("$states")).context


def test_long_chains_do_not_recurse() -> None:
    """Ten thousand operands are walked without recursion."""
    refs = references(parse("+".join(f"$v{i}" for i in range(10_000))))
    assert len(refs.variables) == 10_000


def test_published_definitions_have_no_top_level_references() -> None:
    """Every JSONata expression of the valid definitions parses and passes AWS's check."""
    folder = SHARED / "conformance/definitions/valid"
    if not folder.exists():
        pytest.skip("shared/conformance/definitions is not there")
    seen = 0
    for file in sorted(folder.glob("*.json")):
        for text in _expressions(json.loads(file.read_text("utf-8")), jsonata=False):
            assert references(parse(source_of(text))).top_level == (), (file.name, text)
            seen += 1
    assert seen > 200


def _expressions(value: object, jsonata: bool) -> list[str]:
    """The expressions below a machine or a state that is in JSONata mode; templates' placeholders aside."""
    if isinstance(value, dict):
        mode = value.get("QueryLanguage", "JSONata" if jsonata else "JSONPath") == "JSONata"
        return [text for item in value.values() for text in _expressions(item, mode)]
    if isinstance(value, list):
        return [text for item in value for text in _expressions(item, jsonata)]
    return [value] if jsonata and isinstance(value, str) and is_expression(value) and "${" not in value else []
