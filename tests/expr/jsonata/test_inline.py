"""Values held in local names: what states that follow each other share gives what each of them gives alone."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from express.expr.scope import Constants
from express.values import equal
from tests.expr.written import compile_value, inline

from .support import documents, expressions

BUILTINS = {"type": type, "len": len, "bool": bool, "int": int, "str": str, "float": float, "list": list}

counting = st.sampled_from(
    [
        "$states.input.n + 1", "$states.input.n * $states.input.n", "$states.input.n", "$states.input.name & '!'",
        "$x", "$x + $states.input.n", "$states.input.n > 3 and $x < 7", "$string($states.input.n)", "$states.input.o.p",
        "$states.input.n = $x", "{'n': $x, 'o': $states.input}", "$states.input", "$states.input.name in ['a', 'b']",
        "$states.input.o", "$sum([$states.input.n, $x])", "$merge([$states.input.o, {'p': $x}])", "-$x", "$not($x)",
        "$exists($states.input.gone)", "$states.input.gone & 'x'", "[$x, $states.input.n]", "$x ? 1 : 2.0",
    ]
)  # fmt: skip
texts = (counting | expressions).map(lambda text: f"{{% {text} %}}")
templates = (
    st.dictionaries(st.sampled_from(["n", "name", "o"]), texts | documents, min_size=1, max_size=3)
    | texts
    | st.just("{% {'n': $states.input.n + 1, 'name': $x, 'o': $states.input} %}")
)
numbers = st.sampled_from([1, 2.0, 0.5, 2**52, -(2**53), 2**63, 1e300, 5.0, 0]) | st.integers()
inputs = st.fixed_dictionaries({"n": numbers | documents, "name": st.text(max_size=3) | documents, "o": documents})


@settings(max_examples=400)
@given(st.lists(st.tuples(templates, texts), min_size=1, max_size=4), inputs, documents | numbers)
@example([({"n": "{% $states.input.n + 1 %}"}, "{% $states.input.n + 1 %}")] * 3, {"n": 2**52 - 1}, 0)
@example([({"n": "{% $states.input.n %}"}, "{% $states.input.n %}")] * 2, {"n": 2.0}, 0)
@example([({"n": 2.0, "o": "{% $x %}"}, "{% $states.input.n %}")] * 2, {"n": 2.0}, 0)
def test_chains_agree(steps: list[tuple[Any, str]], data: Any, x: Any) -> None:
    """Where the text gives values, each state alone gives the same; the data it was given is not changed."""
    before = repr((data, x))
    made = together(steps, data, x)
    if made is None:
        return
    for output, value in zip(made, alone(steps, data, x), strict=False):
        assert equal(output, value)
        assert repr(output) == repr(value) or not plain(value)
    assert repr((data, x)) == before


def plain(value: Any) -> bool:
    """A scalar: how its text looks matters, for 2.0 is 2 on AWS."""
    return not isinstance(value, dict | list)


def together(steps: list[tuple[Any, str]], data: Any, x: Any) -> list[Any] | None:
    """All steps as one function; None where it leaves the decision to the complete evaluator."""
    known: dict[tuple[str, str], Any] = {}
    lines, bound, made = [], {}, []
    for at, (output, assigned) in enumerate(steps):
        first = inline(output, f"a{at}", known, {})
        if first is None or first.used - {"si", "v"}:
            return None
        second = inline({"x": assigned}, f"b{at}", {**known, **first.read}, first.seen)
        if second is None or second.used - {"si", "v"} or "x" in first.called | second.called:
            return None
        lines += [*first.statements, f"o{at} = {first.source}", *second.statements, f"x{at} = {second.source}"]
        lines += [f"si = o{at}", f"v = {{**v, **x{at}}}"]
        made += [f"o{at}", f"x{at}['x']"]
        bound |= {**first.bound, **second.bound}
        known = {("si", key): code for key, code in first.members.items()}
        known |= {("v", key): code for key, code in second.members.items()}
    text = "def together(si, v):\n    " + "\n    ".join(lines) + f"\n    return [{', '.join(made)}]\n"
    namespace: dict[str, Any] = {**bound, "__builtins__": BUILTINS}
    exec(compile(text, "<together>", "exec"), namespace)  # noqa: S102 - text of our own making
    try:
        values: list[Any] = namespace["together"](data, {"x": x})
    except Exception:
        return None
    return values


def alone(steps: list[tuple[Any, str]], data: Any, x: Any) -> list[Any]:
    """Each step by itself, as the table evaluates it."""
    made = []
    for output, assigned in steps:
        states, scope = {"input": data}, Constants({}, {"x": x})
        value = compile_value(output, "Output")(states, scope)
        x = compile_value(assigned, "Assign")(states, scope)
        made += [value, x]
        data = value
    return made
