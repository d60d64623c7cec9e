"""The scanner: the same data as a JSON parser, with places; errors in the words of AWS's parser."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from express.asl.scan import LONGEST_TEXT, load_definition, problem_of, scan
from express.errors import DefinitionError, Diagnostic
from express.values import JSON, long_integer

EXPECTED_VALUE = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

values: st.SearchStrategy[JSON] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def refusal(text: str) -> Diagnostic:
    """The one finding about a text that is not JSON."""
    with pytest.raises(DefinitionError) as caught:
        scan(text)
    (finding,) = caught.value.diagnostics
    return finding


@given(values, st.sampled_from([None, 0, 2]), st.booleans())
def test_it_reads_what_json_is(value: JSON, indent: int | None, ascii_only: bool) -> None:
    """Whatever the layout and escapes, the data is that of a JSON parser."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert scan(text).data == value


@given(st.text(alphabet='{}[]",:\\ \n0123456789.eE-+truefalsn\x00é', max_size=30))
@example("9223372036854775808")
@example("[-9223372036854775808]")
def test_it_agrees_with_orjson_on_what_json_is(text: str) -> None:
    """A text is refused if orjson refuses it, or for an integer beyond a long; else the data is the same."""
    try:
        expected = orjson.loads(text)
    except ValueError:
        assert problem_of(text) is not None
        return
    if long_integer(text.encode()) is not None:
        assert problem_of(text) is not None
    else:
        assert scan(text).data == expected


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("not a definition", f"Unrecognized token 'not': was expecting {EXPECTED_VALUE}", 1, 4),
        ("{'not': 1}", "Unexpected character (''' (code 39)): was expecting double-quote to start field name", 1, 3),
        (
            '{"a" 1}',
            "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value",
            1,
            7,
        ),
        (
            '{"a": 1\n "b": 2}',
            "Unexpected character ('\"' (code 34)): was expecting comma to separate Object entries",
            2,
            3,
        ),
        ("[1 2]", "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries", 1, 5),
        ('{"a":1,}', "Unexpected character ('}' (code 125)): was expecting double-quote to start field name", 1, 9),
        ('{"a":"\\x"}', "Unrecognized character escape 'x' (code 120)", 1, 9),
        ('"abc', "Unexpected end-of-input: was expecting closing quote for a string value", 1, 5),
        ("1e999", "Numeric value (1e999) out of range", 1, 6),
        ('"\\ud800"', "A lone surrogate in a string value", 1, 9),
    ],
)
def test_errors_are_in_the_words_of_aws(text: str, message: str, line: int, column: int) -> None:
    """Message, and the column behind the offending character, in message and location alike."""
    found = refusal(text)
    where = f'[Source: (String)"{text}"; line: {line}, column: {column}]'
    assert (found.code, found.rule) == ("INVALID_JSON_DESCRIPTION", "E0001")
    assert (found.message, found.location) == (f"{message}\n at {where}", where)


def test_an_unclosed_object_names_its_start() -> None:
    """The end of the text inside an object or array points back at the bracket that is open."""
    found = refusal('{"a": [1,\n')
    assert "expected close marker for Array (start marker at [Source:" in found.message
    assert "line: 1, column: 7])" in found.message


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_text(text: str) -> None:
    """AWS has a sentence of its own for nothing at all."""
    assert refusal(text).message == "Definition must be a valid JSON object"


def test_a_long_text_is_shown_by_its_beginning() -> None:
    """The source in a message is cut after 500 characters, as AWS's parser does."""
    found = refusal('{"a": "' + "x" * 1000 + '" 1}')
    assert "[truncated 511 chars]; line: 1, column: 1011]" in found.location


def test_too_long_and_too_deep_are_clean_errors() -> None:
    """The quota of characters, and a bound on nesting far below what would hurt."""
    assert refusal(" " * (LONGEST_TEXT + 1)).rule == "E0003"
    assert refusal("[" * 100_000).rule == "E0004"


def test_every_part_has_its_place() -> None:
    """Fields are found by name or by value, elements by index, and what is missing by its nearest ancestor."""
    scanned = scan('{\n  "StartAt": "A",\n  "States": {"A/b[0]": {"Choices": [1,\n {"Next": "é"}]}}\n}')

    def at(location: str, *, by_name: bool = True) -> tuple[int, int, int]:
        position = scanned.find(location, by_name=by_name)
        return position.line, position.column, position.length

    assert at("") == (1, 1, 1)
    assert at("/StartAt") == (2, 3, 9)
    assert at("/StartAt", by_name=False) == (2, 14, 3)
    assert at("/States/A/b[0]") == (3, 14, 8)
    assert at("/States/A/b[0]/Choices[0]") == (3, 37, 1)
    assert at("/States/A/b[0]/Choices[1]/Next", by_name=False) == (4, 11, 3)
    assert at("/States/A/b[0]/Choices[7]") == (3, 25, 9)
    assert at("/States/Nowhere") == (3, 3, 8)
    assert scanned.line(4) == ' {"Next": "é"}]}}'


def test_names_given_twice_are_noted() -> None:
    """The last value counts, and each repetition is known by its place."""
    scanned = scan('{"a": 1, "b": {"a": 2}, "a": 3}')
    assert scanned.data == {"a": 3, "b": {"a": 2}}
    assert [(d.location, d.name, d.offset) for d in scanned.duplicates] == [("/a", "a", 24)]


@pytest.mark.parametrize("placeholder", ["${Wait}", "{{ wait }}", "#{wait}", "<%= wait %>", "%WAIT%"])
def test_a_placeholder_may_stand_where_a_value_stands(placeholder: str) -> None:
    """Unquoted, it becomes a text; without leave it is an error."""
    text = f'{{"Seconds": {placeholder}, "End": true}}'
    assert scan(text, placeholders=True).data == {"Seconds": placeholder, "End": True}
    assert refusal(text).rule == "E0001"


def test_loading_is_fast_and_explains_itself() -> None:
    """`load_definition` gives the data, and the scanner's finding for what is not JSON or not UTF-8."""
    assert load_definition(b'{"a": 1}') == {"a": 1}
    with pytest.raises(DefinitionError, match="Unrecognized token 'not'"):
        load_definition("not json")
    with pytest.raises(DefinitionError, match="Not UTF-8"):
        load_definition(b'{"a": "\xff"}')
    with pytest.raises(DefinitionError, match="more than the 1048576 allowed"):
        load_definition(b" " * (LONGEST_TEXT + 1))
    assert load_definition(('{"a": "' + "é" * 600_000 + '"}').encode()) == {"a": "é" * 600_000}
