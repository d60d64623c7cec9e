"""Reading by a path: what is found, and what AWS says when nothing is."""

import copy
from typing import Any

import pytest
from hypothesis import given

from express.errors import RUNTIME, StatesError
from express.expr.jsonpath.compile import compile_reader
from express.expr.jsonpath.nodes import Name, Path
from express.expr.jsonpath.select import Miss, walk
from express.expr.scope import Constants
from tests.expr.support import CONTEXT, SCOPE, documents
from tests.expr.written import compile_input_path, compile_path

DATA = {
    "a": {"b": [1, 2, {"c": 3}], "s": "text", "n": None},
    "users": [
        {"name": "Ada", "status": 0, "tags": ["x"], "age": 36},
        {"name": "Bob", "status": 1, "tags": [], "age": "36"},
        {"name": "Cyd", "status": 1},
        "not an object",
    ],
    "k-1": {"x y": True},
}


def read(text: str, data: Any = DATA, scope: Constants = SCOPE) -> Any:
    return compile_path(text, "InputPath")(data, scope)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$", DATA),
        ("$.a.b[2].c", 3),
        ("$.a.b[-1].c", 3),
        ("$['a']['b'][0]", 1),
        ("$.k-1['x y']", True),
        ("$.a.n", None),
        ("$.a['b','n']", {"b": [1, 2, {"c": 3}], "n": None}),
        ("$.a['n','gone']", {"n": None}),
        ("$$.Execution.Name", "run"),
        ("$$", CONTEXT),
        ("$v.xs[1]", 20),
        ("$name", "Ada"),
        ("$.users[*].name", ["Ada", "Bob", "Cyd"]),
        ("$.users[1:].name", ["Bob", "Cyd"]),
        ("$.users[0,2].name", ["Ada", "Cyd"]),
        ("$.users[::-2].name", ["Bob"]),
        ("$.users[*]['name','age']", [{"name": "Ada", "age": 36}, {"name": "Bob", "age": "36"}, {"name": "Cyd"}]),
        ("$['a','k-1'].s", ["text"]),
        ("$..c", [3]),
        ("$..name", ["Ada", "Bob", "Cyd"]),
        ("$..['name','age']", [{"name": "Ada", "age": 36}, {"name": "Bob", "age": "36"}]),
        ("$.a.*", [[1, 2, {"c": 3}], "text", None]),
        ("$.a.b[0,7]", [1, None]),
    ],
)  # fmt: skip
def test_found(text: str, value: Any) -> None:
    """A path gives what it denotes; an indefinite one gives an array of all it finds."""
    assert read(text) == value


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("@.status == 0", ["Ada"]),
        ("@.status != 0", ["Bob", "Cyd"]),
        ("@.status > 0 && @.age", ["Bob"]),
        ("@.status == 0 || @.name == 'Cyd'", ["Ada", "Cyd"]),
        ("!@.age", ["Cyd"]),
        ("!(@.age || @.status == 0)", ["Cyd"]),
        ("@.age == 36", ["Ada", "Bob"]),
        ("@.age == '36'", ["Ada", "Bob"]),
        ("@.age >= 36", ["Ada"]),
        ("@.name < 'B'", ["Ada"]),
        ('@.name <= "Bob"', ["Ada", "Bob"]),
        ("@.name == Bob", ["Bob"]),
        ("@.name =~ /b.*/i", ["Bob"]),
        ("@.name =~ /[AC].d?a?/", ["Ada", "Cyd"]),
        ("@.name in ['Ada', \"Cyd\"]", ["Ada", "Cyd"]),
        ("@.name nin ['Ada']", ["Bob", "Cyd"]),
        ("'x' in @.tags", ["Ada"]),
        ("@.tags contains 'x'", ["Ada"]),
        ("@.name contains 'o'", ["Bob"]),
        ("@.tags size 0", ["Bob"]),
        ("@.tags empty true", ["Bob"]),
        ("@.tags subsetof ['x', 'y']", ["Ada", "Bob"]),
        ("@.tags anyof ['x']", ["Ada"]),
        ("@.tags noneof ['x']", ["Bob"]),
        ("@.tags == ['x']", ["Ada"]),
        ("@['status'] == $.a.b[0]", ["Bob", "Cyd"]),
        ("@.tags[0] == 'x'", ["Ada"]),
        ("@..name", ["Ada", "Bob", "Cyd"]),
        ("@.age == null", []),
        ("@.status == true", []),
        ("@.status in []", []),
        ("@.status == 1 && (@.age || @.name == 'Cyd')", ["Bob", "Cyd"]),
    ],
)
def test_filters(condition: str, found: list[str]) -> None:
    """A filter keeps the elements for which its condition holds; what a path misses equals nothing."""
    assert read(f"$.users[?({condition})].name") == found


def test_a_filter_on_an_object_tests_the_object() -> None:
    """Members of objects are not iterated by filters (published: `$.[?(@.OU > 0)]`)."""
    assert read("$.[?(@.OU > 0)]", {"OU": 1}) == [{"OU": 1}]
    assert read("$.[?(@.OU > 0)]", {"OU": 0}) == []


def test_a_filter_below_descend_finds_every_object_once() -> None:
    """`..` with a filter meets each object itself, wherever it lies."""
    data = {"k": 1, "in": [{"k": 1, "id": 1}, {"k": 2, "deep": {"k": 1, "id": 2}}]}

    assert [node.get("id") for node in read("$..[?(@.k == 1)]", data)] == [None, 1, 2]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("$.gone", "Invalid path '$.gone' : No results for path: $['gone']"),
        ("$.a.gone", "Invalid path '$.a.gone' : No results for path: $['a']['gone']"),
        ("$.no.such", "Invalid path '$.no.such' : Missing property in path $['no']"),
        ("$.a.no.such", "Invalid path '$.a.no.such' : Missing property in path $['a']['no']"),
        ("$$.Gone", "Invalid path '$.Gone' : No results for path: $['Gone']"),
        ("$v.gone", "Invalid path '$v.gone' : No results for path: $['gone']"),
        (
            "$.a.s[0].x",
            "Invalid path '$.a.s[0].x' : Filter: [0]['x'] can only be applied to arrays. Current context is: \"text\"",
        ),
        ("$.a.b[9][0]", "Invalid path '$.a.b[9][0]' : The path $['a']['b'][9] is null"),
    ],
)
def test_missed(text: str, reason: str) -> None:
    """A definite path that finds nothing fails the execution in AWS's words."""
    with pytest.raises(StatesError) as caught:
        read(text)

    assert (caught.value.error, caught.value.cause, caught.value.located) == (RUNTIME, reason, True)


def test_a_member_of_what_is_no_object_is_missed() -> None:
    """The words are the JSONPath library's that AWS runs."""
    with pytest.raises(StatesError, match=r"Expected to find an object with property \['x'\] in path \$\['a'\]\['s'\]"):
        read("$.a.s.x")


def test_an_unknown_variable_is_missed() -> None:
    """A variable that was never assigned fails like any other path."""
    with pytest.raises(StatesError, match=r"Invalid path '\$nobody.x' : "):
        read("$nobody.x")


@pytest.mark.parametrize("text", ["$.gone[*]", "$.gone.x[1:].y", "$.a.s[*]", "$.gone[?(@.x)]", "$..gone"])
def test_an_indefinite_path_finds_nothing(text: str) -> None:
    """Finding nothing is an empty array where a path may find several (recorded)."""
    assert read(text) == []


def test_an_index_beyond_the_end_reads_as_null() -> None:
    """AWS's library gives null for an element that an array does not have."""
    assert read("$.a.b[9]") is None
    assert read("$.a.b[-9]") is None


def test_text_is_no_array() -> None:
    """An index into a string is a miss, though Python would give a character."""
    for text in ("$.s[0]", "$.s[-1]", "$[0]"):
        with pytest.raises(StatesError):
            read(text, {"s": "abc"} if text != "$[0]" else "abc")


def test_input_path() -> None:
    """`$` is nothing to do; null reads as an empty object."""
    empty = compile_input_path(None, "InputPath")

    assert compile_input_path("$", "InputPath") is None
    assert empty is not None
    assert empty({"a": 1}, SCOPE) == {}


def _plain(steps: tuple[Name, ...], data: Any) -> Any:
    for step in steps:
        data = data[step.names[0]]
    return data


@given(documents(), documents())
def test_every_node_is_found_by_its_own_path(data: Any, other: Any) -> None:
    """The path built from where a node lies finds just that node, at every depth, and changes nothing."""
    before = copy.deepcopy(data)
    stack: list[tuple[str, Any]] = [("$", data)]
    while stack:
        text, node = stack.pop()
        assert read(text, data) is node
        if type(node) is dict:
            stack += [(f"{text}['{name}']", child) for name, child in node.items()]
        elif type(node) is list:
            stack += [(f"{text}[{i}]", child) for i, child in enumerate(node)]
    assert data == before


@given(documents())
def test_the_chain_and_the_walk_agree(data: Any) -> None:
    """The fast reading of a Reference Path gives what the careful walk gives, found or not."""
    for text in ("$.a", "$.a.b", "$.a.b.c", "$.a.b.c.a", "$.a[0]", "$[1].a", "$[0][0]", "$.b['x y']", "$['k-1'][-1]"):
        fast = compile_reader(path := _parsed(text), lambda data, scope, miss: ("missed", miss.reason))
        assert fast(data, SCOPE) == _careful(path, data)


def _parsed(text: str) -> Path:
    from express.expr.jsonpath.syntax import parse

    return parse(text)


def _careful(path: Path, data: Any) -> Any:
    try:
        return walk(path.steps, data)
    except Miss as miss:
        return ("missed", miss.reason)
