"""The shared subset of our dialect and RFC 9535 means the same: jsonpath-rfc9535 is the oracle."""

from typing import Any

import jsonpath_rfc9535
from hypothesis import given
from hypothesis import strategies as st

from tests.expr.support import SCOPE, documents
from tests.expr.written import compile_path

small = st.integers(-3, 3)
member = st.sampled_from(["a", "b", "c"])
bound = st.none() | small


def _slice(parts: tuple[int | None, int | None, int | None]) -> str:
    start, stop, step = ("" if part is None else str(part) for part in parts)
    return f"[{start}:{stop}:{step}]" if step != "0" else f"[{start}:{stop}]"


comparable = st.sampled_from(["@.a", "@.b.c", "@", "1", "2", "'a'", "true", "null"])
comparison = st.tuples(st.sampled_from(["@.a", "@.b", "@.a.b"]), st.sampled_from(["==", "!="]), comparable).map(
    " ".join
)
ordered = st.tuples(
    st.sampled_from(["@.a", "@.b"]), st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from(["1", "2"])
).map(" ".join)
condition = st.recursive(
    comparison | ordered | st.sampled_from(["@.a", "@.b.c", "@[0]"]),
    lambda inner: (
        st.tuples(inner, st.sampled_from([" && ", " || "]), inner).map("".join) | inner.map(lambda text: f"!({text})")
    ),
    max_leaves=4,
)
step = (
    member.map(lambda name: f".{name}")
    | member.map(lambda name: f"['{name}']")
    | st.just("[*]")
    | st.just(".*")
    | st.tuples(bound, bound, bound).map(_slice)
    | member.map(lambda name: f"..{name}")
    | st.just("..*")
)
paths = st.lists(step, min_size=1, max_size=4).map("".join)
leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b"])


def _ours(path: str, data: Any) -> list[Any]:
    return compile_path(path, "InputPath")(data, SCOPE)


def _oracle(path: str, data: Any) -> list[Any]:
    return [node.value for node in jsonpath_rfc9535.find(path, data)]


@given(paths, documents(leaves))
def test_names_wildcards_slices_and_descent(path: str, data: Any) -> None:
    """Same nodes, same order. (A leading `[*]` keeps the path indefinite, so that misses are empty arrays.)"""
    assert _ours(f"$[*]{path}", data) == _oracle(f"$[*]{path}", data)


@given(condition, st.lists(documents(leaves), max_size=5))
def test_filters_over_arrays(text: str, data: list[Any]) -> None:
    """Same elements pass. Left out: what the dialect means otherwise (text that spells numbers; absent = absent)."""
    if _absent_equals_absent(text):
        return
    assert _ours(f"$[?({text})]", data) == _oracle(f"$[?{text}]", data)


def _absent_equals_absent(text: str) -> bool:
    """In the RFC nothing equals nothing; in Jayway, and so on AWS, nothing equals anything."""
    return any(f"{op} @" in text for op in ("==", "!="))


@given(documents(leaves))
def test_a_negative_index_counts_from_the_end(data: Any) -> None:
    """An existing element is the same one."""
    found = _oracle("$[*][-1]", data)

    assert [value for value in _ours("$[*][-1]", data) if value is not None] == [v for v in found if v is not None]
