"""The grammar of paths: what is accepted, what it means, what is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.errors import ExpressionError
from express.expr.jsonpath.nodes import Descend, Index, Name, Slice, Wild
from express.expr.jsonpath.syntax import parse


@pytest.mark.parametrize(
    ("text", "root", "steps"),
    [
        ("$", "$", ()),
        ("$.a.b", "$", (Name(("a",)), Name(("b",)))),
        ("$$", "$$", ()),
        ("$$.Execution.Id", "$$", (Name(("Execution",)), Name(("Id",)))),
        ("$$MyVar", "$$", (Name(("MyVar",)),)),
        ("$total", "total", ()),
        ("$été.a", "été", (Name(("a",)),)),
        ("$_x1[0]", "_x1", (Index((0,)),)),
        ("$.a-b.c:d", "$", (Name(("a-b",)), Name(("c:d",)))),
        ("$['a b']", "$", (Name(("a b",)),)),
        ('$["a"]', "$", (Name(("a",)),)),
        (r"$['it\'s \u00e9']", "$", (Name((r"it\'s \u00e9",)),)),
        ("$.['a'].[0]", "$", (Name(("a",)), Index((0,)))),
        ("$['a','b']", "$", (Name(("a", "b")),)),
        ("$[ 'a' , 'b' ]", "$", (Name(("a", "b")),)),
        ("$[-1]", "$", (Index((-1,)),)),
        ("$[0, 2]", "$", (Index((0, 2)),)),
        ("$[1:]", "$", (Slice(1, None, None),)),
        ("$[:-1:2]", "$", (Slice(None, -1, 2),)),
        ("$[(@.length-1)]", "$", (Index((-1,)),)),
        ("$.*", "$", (Wild(),)),
        ("$[*].a", "$", (Wild(), Name(("a",)))),
        ("$..a", "$", (Descend(), Name(("a",)))),
        ("$..[0]", "$", (Descend(), Index((0,)))),
        ("$.a ", "$", (Name(("a",)),)),
    ],
)
def test_steps(text: str, root: str, steps: tuple[object, ...]) -> None:
    """Each form of a path has its steps and its root."""
    path = parse(text)

    assert (path.root, path.steps) == (root, steps)


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "@.a", "$.", "$..", "$...", "$.a.", "$[", "$[]", "$['a", "$['a'", "$[a]", "$[1:2:0]", "$[1 2]",
        "$.a b", "$.a.length()", "$.a[?(@.x ==)]", "$[?(@.x]", "$[?()]", "$[?(@.x ~ 1)]", "$[?('a')]",
        "$[?(@.x =~ /a)]", "$[?(@.x =~ /(/)]", "$[12345678901234567890]", r"$['a\']", "$" + ".a" * 300,
        "$[?(" + "(" * 60 + "@.a" + ")" * 60 + ")]", "$[(@.length-1)", "$.a[?(@.b == [1, 2)]",
    ],
)  # fmt: skip
def test_refused(text: str) -> None:
    """What is no path is refused when it is compiled, in words that name the path."""
    with pytest.raises(ExpressionError) as caught:
        parse(text)

    assert text.rstrip() in str(caught.value) or "regular expression" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "definite", "reference"),
    [
        ("$.a[0].b", True, True),
        ("$.a[-1]", True, False),
        ("$.a['b','c']", True, False),
        ("$['a','b'].c", False, False),
        ("$[*]", False, False),
        ("$[0,1]", False, False),
        ("$[0:1]", False, False),
        ("$..a", False, False),
        ("$[?(@.a)]", False, False),
    ],
)
def test_kinds(text: str, definite: bool, reference: bool) -> None:
    """A definite path denotes one value; a Reference Path has only names and indexes from the start."""
    path = parse(text)

    assert (path.definite, path.reference) == (definite, reference)


def test_a_context_path_is_shown_without_its_first_dollar() -> None:
    """AWS names `$$.x` as `$.x` in its failures (recorded for ItemsPath)."""
    assert parse("$$.x").shown == "$.x"
    assert parse("$v.x").shown == "$v.x"


@given(st.text(st.sampled_from("$@.[]()'\"*:,?&|!=<>~/ab01- \\é"), max_size=30))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    """The parser never fails in any other way, whatever it is given."""
    with contextlib.suppress(ExpressionError):
        assert parse("$" + text).text.startswith("$")
