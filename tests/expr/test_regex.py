"""Patterns of filters: Java's meaning, in linear time."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from express.errors import ExpressionError
from express.expr.jsonpath.regex import Matcher


def matches(source: str, text: str, flags: str = "") -> bool:
    return Matcher(source, flags).matches(text, lambda amount: None)


atoms = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", "[a-c]", r"\d", r"\w", r"\.", "(?:)", "1"])
patterns = st.recursive(
    atoms,
    lambda inner: (
        st.tuples(inner, inner).map("".join)
        | st.tuples(inner, inner).map("|".join).map("({})".format)
        | st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        )
    ),
    max_leaves=8,
)


@given(patterns, st.text("abc1.", max_size=8))
def test_it_matches_what_re_matches(source: str, text: str) -> None:
    """On what both know, the whole text matches exactly when Python's `re.fullmatch` finds it."""
    assert matches(source, text) is (re.fullmatch(source, text) is not None)


@pytest.mark.parametrize(
    ("source", "flags", "text", "expected"),
    [
        ("^a.c$", "", "abc", True),
        ("a", "", "ab", False),
        ("", "", "", True),
        ("A[b-d]+", "i", "aBC", True),
        ("a.c", "", "a\nc", False),
        ("a.c", "s", "a\nc", True),
        (r"\x41\u00e9\t", "", "Aé\t", True),
        (r"[\d\-x]+", "", "1-x", True),
        ("[]a]", "", "]", True),
        ("[a-]+", "", "a-a", True),
        (r"\S+\s\D", "", "ab c", True),
        ("a|b|", "", "", True),
    ],
)
def test_forms(source: str, flags: str, text: str, expected: bool) -> None:
    """Anchors, flags, classes and escapes have Java's meaning."""
    assert matches(source, text, flags) is expected


@pytest.mark.parametrize(
    "source",
    [
        "(", ")", "[", "[a", "a**b{", "*", "a{2,1}", "a{99999}", "(?=a)", "(?<n>a)", r"\1", r"\b", "a*+", "\\",
        "[b-a]", "[a[b]]", "((((a{9}){9}){9}){9})", "(" * 60 + ")" * 60, r"\u12", "[a&&b]",
    ],
)  # fmt: skip
def test_refused(source: str) -> None:
    """What can't be bounded, or isn't understood, is refused when the path is compiled."""
    with pytest.raises(ExpressionError):
        Matcher(source, "")


def test_unknown_flags_are_refused() -> None:
    """A flag that would change the meaning is not passed over."""
    with pytest.raises(ExpressionError):
        Matcher("a", "x")


def test_catastrophic_patterns_cost_their_length() -> None:
    """Every character is paid for about once, whatever the pattern."""
    paid = 0

    def spend(amount: int) -> None:
        nonlocal paid
        paid += amount

    assert not Matcher("(a|aa)+(a*)*b", "").matches("a" * 50_000, spend)
    assert paid < 60_000


def test_a_full_cache_starts_anew() -> None:
    """Texts of ever new characters can't make the memory of a pattern grow without bound."""
    matcher = Matcher(".*x?.*", "")

    assert matcher.matches("".join(map(chr, range(0x4E00, 0x4E00 + 60_000))), lambda amount: None)
    assert matcher._cached <= 200_000
