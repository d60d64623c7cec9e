"""The parser: trees, and the errors AWS shows when a machine is created."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.expr.jsonata import JsonataSyntaxError, parse
from express.expr.jsonata import nodes as n
from express.expr.jsonata.parser import MAX_NESTING

from .support import SHARED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a[1,2)", 'Expected "]", got ","'),
        ('"unterminated', "String literal must be terminated by a matching quote"),
        ("1 +", "Unexpected end of expression"),
        ('{"a":}', 'The symbol "}" cannot be used as a unary operator'),
        ("$x :=", "Unexpected end of expression"),
        ('$match("a", /abc', "No terminating / in regular expression"),
    ],
)
def test_messages_are_those_that_aws_answered(text: str, message: str) -> None:
    """What AWS said to these definitions (published measurements) is said here, without the code."""
    with pytest.raises(JsonataSyntaxError) as caught:
        parse(text)
    assert caught.value.message == str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "code", "position", "token"),
    [
        ("1 2", "S0201", 3, 2),
        ("$x $y", "S0201", 5, "y"),
        ("10 + * 2", "S0201", 8, 2),
        ("[1", "S0203", 2, "(end)"),
        ("1 ~ 2", "S0204", 3, "~"),
        ("function(1){1}", "S0208", 10, 1),
        ("$a{b:c}[0]", "S0209", 8, None),
        ("a{b:c}{d:e}", "S0210", 7, None),
        ("1 := 2", "S0212", 1, 1),
        ("a.true", "S0213", 6, None),
        ("a@b", "S0214", 3, "@"),
        ("a[0]@$b", "S0215", 5, None),
        ("%", "S0217", 1, "parent"),
        ("//", "S0301", 1, None),
        ("/* open", "S0106", 0, None),
        (r'"\x"', "S0103", 2, "x"),
        ("1e999", "S0102", 0, "1e999"),
        ("function($x)<s<n>>{1}", "S0401", 15, None),
        ("`open", "S0105", 5, None),
        ("", "S0207", 0, "(end)"),
    ],
)
def test_errors_have_the_reference_code_position_and_token(text: str, code: str, position: int, token: object) -> None:
    """Each mistake has the reference implementation's code and place."""
    with pytest.raises(JsonataSyntaxError) as caught:
        parse(text)
    assert (caught.value.code, caught.value.position, caught.value.token) == (code, position, token)


def test_every_syntax_error_of_the_suite_is_reported_exactly() -> None:
    """Code, text, position and token of all the suite's syntax errors agree, and nothing else is refused."""
    file = SHARED / "conformance/jsonata/cases.jsonl"
    if not file.exists():
        pytest.skip("shared/conformance/jsonata is not there")
    for case in map(json.loads, file.read_text("ascii").splitlines()):
        reference = case.get("reference_error") or {}
        wanted = reference if reference.get("code", "").startswith("S") else None
        try:
            parse(case["expr"], later=True)
            got = None
        except JsonataSyntaxError as error:
            got = {"code": error.code, "message": error.message, "position": error.position, "token": error.token}
        assert got == wanted, case["id"]


@pytest.mark.parametrize("text", ["$a ?? 1", "$a ?: 1"])
def test_operators_that_aws_does_not_have_are_refused(text: str) -> None:
    """What JSONata got after 2.0 is a syntax error as it is on AWS, unless it is asked for."""
    with pytest.raises(JsonataSyntaxError):
        parse(text)
    assert type(parse(text, later=True)) is n.Binary


def test_a_path_becomes_its_steps() -> None:
    """Dots, quoted names, strings and predicates are flattened into one path."""
    path = parse("$states.`my input`.'b'[0].c")
    assert type(path) is n.Path
    assert [getattr(step, "value", None) for step in path.steps] == [None, "my input", "b", "c"]
    assert path.steps[2].stages is not None


def test_comments_and_surrogate_pairs_are_read_as_the_reference_reads_them() -> None:
    """Comments vanish; two escapes that make a pair are one character."""
    text = parse(r'/* a "comment" */ "\ud83d\ude00"')
    assert type(text) is n.Text
    assert text.value == "\U0001f600"


@pytest.mark.parametrize("text", ["(" * 5000 + "1" + ")" * 5000, "[" * 5000, "-" * 5000 + "1", "{'a':" * 5000])
def test_nesting_is_bounded(text: str) -> None:
    """Thousands of brackets end in an error, not in Python's recursion limit."""
    with pytest.raises(JsonataSyntaxError, match="Stack overflow error"):
        parse(text)


def test_long_chains_are_not_nesting() -> None:
    """A chain of ten thousand operators parses; it is a matter of evaluation that AWS refuses it."""
    assert type(parse("+".join(["1"] * 10_000))) is n.Binary
    assert type(parse("(" * (MAX_NESTING - 1) + "1" + ")" * (MAX_NESTING - 1))) is n.Block


@given(st.text(alphabet="$a1.[](){}<>'\"`/*+-=:;,?@#%^|&~!\\ \n\ud800é", max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    """Whatever the text, the parser returns a tree or raises its own error."""
    try:
        position = parse(text).position
    except JsonataSyntaxError as error:
        position = error.position
    assert 0 <= position <= len(text)
