"""Fields of a state: templates, the checks of results, and AWS's texts for what fails."""

from typing import Any

import pytest

from express.errors import EvaluationError, ExpressionError
from express.expr.jsonata import JsonataSyntaxError, is_expression
from express.expr.scope import Constants
from tests.expr.written import compile_expression, compile_value

from .support import SCOPE, evaluate


def cause(expression: str, data: Any = None, expect: str | None = None, field: str = "Output") -> str:
    """The cause of a failure."""
    with pytest.raises(EvaluationError) as caught:
        compile_expression(f"{{% {expression} %}}", field, expect)({"input": data}, SCOPE)
    assert caught.value.error == "States.QueryEvaluationError"
    assert caught.value.located
    assert caught.value.location == field
    return str(caught.value.cause)


def test_an_undefined_result_is_named_with_its_expression_and_field() -> None:
    """Recorded: the expression without delimiters, the field with its path."""
    with pytest.raises(EvaluationError) as caught:
        compile_value({"a": [1, {"b": "{% $doesNotExist %}"}]}, "Catch[0]/Output")({"input": {}}, SCOPE)
    assert caught.value.cause == (
        "The JSONata expression '$doesNotExist' specified for the field 'Catch[0]/Output/a[1]/b' "
        "returned nothing (undefined)."
    )
    assert caught.value.location == "Catch[0]/Output/a[1]/b"


@pytest.mark.parametrize(
    ("expression", "kind", "shown"),
    [
        ("1", "number", "1"),
        ("null", "null", "null"),
        ("true", "boolean", "true"),
        ('{"foo": "bar"}', "object", '{"foo":"bar"}'),
        ("'x'", "string", '"x"'),
    ],
)
def test_an_unexpected_type_is_named_with_its_value(expression: str, kind: str, shown: str) -> None:
    """Recorded for Items: what was wanted, what came, and the value as JSON."""
    assert cause(expression, expect="array", field="Items") == (
        f"The JSONata expression '{expression}' specified for the field 'Items' returned an unexpected result type. "
        f"Expected 'array', but was '{kind}' for value: {shown}"
    )


def test_an_error_of_the_expression_has_its_code() -> None:
    """Recorded: unknown functions, and `$eval`, which Step Functions takes away."""
    for call in ("$randomSeeded(1)", '$eval("1+1")'):
        assert cause(call) == (
            f"The JSONata expression '{call}' specified for the field 'Output' threw an error during evaluation. "
            "T1006: Attempted to invoke a non-function"
        )


def test_an_error_keeps_the_reference_text() -> None:
    """Measured: argument numbers, function names and types are in the text."""
    assert cause("$sum(['a'])").endswith('T0412: Argument 1 of function "sum" must be an array of "numbers"')
    assert cause('$formatNumber(1, "x")').endswith(
        "D3086: The sub-picture must not contain a passive character that is preceded by an active character "
        "and that is followed by another active character"
    )


def test_a_bound_that_is_hit_has_no_code() -> None:
    """Measured: memory and stack are told apart, and no code is shown."""
    before = "specified for the field 'Output' threw an error during evaluation: "
    assert cause("[1..900000] ~> $count()").endswith(
        before + "Expression evaluation memory limit exceeded: Check for excessive memory usage"
    )
    assert cause("+".join(["1"] * 200)).endswith(
        before + "Stack overflow error: Check for non-terminating recursive function. "
        "Consider rewriting as tail-recursive."
    )


@pytest.mark.parametrize("expression", ["$sum", "function($x) { $x }", "/a/", "$map(?, $string)"])
def test_a_function_is_no_result(expression: str) -> None:
    """Functions are told apart from nothing."""
    assert cause(expression).endswith("returned an unsupported result type.")


def test_undefined_members_vanish_only_inside_an_expression() -> None:
    """An object constructor drops a member that is nothing; a template may not have one. Null stays."""
    assert evaluate("{'a': 1, 'b': $states.input.missing, 'c': null}", {}) == {"a": 1, "c": None}
    assert evaluate("[1, $states.input.missing, 2]", {}) == [1, 2]
    assert evaluate("null") is None


def test_only_whole_strings_with_exact_delimiters_are_expressions() -> None:
    """Recorded: blanks around the delimiters make a literal, and nothing is interpolated."""
    assert is_expression("{% 1 %}")
    for text in (" {% 1 %}", "{% 1 %} ", "a {% 1 %}", "{%1%", "{%}"):
        assert not is_expression(text)
        assert compile_value(text, "Output")({"input": None}, SCOPE) == text


def test_templates_evaluate_every_expression_in_them() -> None:
    """Strings in objects and arrays are evaluated, everything else is kept, keys are never touched."""
    template = {"{% $x %}": 1, "n": [None, True, 1.5, "{% $x + 1 %}", {"d": "{% $states.input.a %}"}], "s": "x"}
    value = compile_value(template, "Output")({"input": {"a": [1]}}, SCOPE)
    assert value == {"{% $x %}": 1, "n": [None, True, 1.5, 6, {"d": [1]}], "s": "x"}


def test_a_constant_template_is_the_same_object_every_time() -> None:
    """What can't change is built once and says so."""
    constant, dynamic = compile_value({"a": [1, "x"]}, "Output"), compile_value({"a": "{% 1 %}"}, "Output")
    assert constant.constant
    assert not dynamic.constant
    assert constant({}, SCOPE) is constant({}, SCOPE)


def test_a_path_gives_the_input_itself() -> None:
    """Neither a large value nor one on the way to it is copied."""
    data = {"a": {"b": [{"c": 1}]}}
    assert evaluate("$states.input.a", data) is data["a"]
    assert evaluate("$states.input", data) is data


def test_members_that_are_absent_in_a_phase_are_nothing() -> None:
    """`$states.result` outside its phase gives nothing."""
    assert cause("$states.result").endswith("returned nothing (undefined).")
    assert evaluate("$states.result.x", {}, result={"x": 1}) == 1
    assert evaluate("$states.errorOutput.Error", {}, errorOutput={"Error": "E", "Cause": ""}) == "E"


class Watched(Constants):
    """A scope that counts what it is asked."""

    asked = 0

    def context(self) -> dict[str, Any]:
        """The Context object, counted."""
        self.asked += 1
        return super().context()


def test_the_context_object_is_only_built_when_it_is_read() -> None:
    """Expressions that don't mention it don't ask for it, whichever tier evaluates them."""
    scope = Watched({"State": {"Name": "S", "EnteredTime": "2026-01-15T08:30:00.123Z"}})
    for expression in ("$states.input.a", "$states.input.b.c ~> $exists", "$reduce([1, 2], function($a, $b) { $a })"):
        evaluate(expression, {"a": 1}, scope)
    assert scope.asked == 0
    assert evaluate("$states.context.State.Name", {}, scope) == "S"
    assert scope.asked == 1


def test_time_is_that_of_the_state() -> None:
    """`$now` and `$millis` are the same whenever the events are the same."""
    assert evaluate("$now()") == "2026-01-15T08:30:00.123Z"
    assert evaluate("$millis()") == 1768465800123
    assert evaluate("$map([1, 2], function($v, $i, $a) { $now() })[1]") == "2026-01-15T08:30:00.123Z"


def test_variables_hide_functions() -> None:
    """A variable named like a function is that variable, called or not; without it the function is there."""
    scope = Constants({}, {"count": 7, "sum": 3})
    assert evaluate("$count + 1", {}, scope) == 8
    assert evaluate("$string($count) & $sum", {}, scope) == "73"
    assert evaluate("$map(['a', 'b'], $uppercase)", {}, scope) == ["A", "B"]
    with pytest.raises(EvaluationError, match="T1006"):
        evaluate("$count([1])", {}, scope)


def test_assignments_stay_in_their_evaluation() -> None:
    """`:=` changes no variable of the machine."""
    assert evaluate("($x := $x + 1; $x)") == 6
    assert evaluate("$variable := 1") == 1
    assert evaluate("$x") == 5


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1/0", "Infinity"),
        ("-1/0", "-Infinity"),
        ("1e308 * 10", "Infinity"),
        ("0/0", "NaN"),
        ('$parseInteger("abc", "0")', "NaN"),
        ("[1/0]", ["Infinity"]),
        ('{"a": [1, -1/0]}', {"a": [1, "-Infinity"]}),
        ("1.0", 1),
        ("0.5 + 0.5", 1),
        ("$states.input.f", 2),
        ("9007199254740993", 9007199254740992),
    ],
)
def test_numbers_go_out_as_aws_writes_them(expression: str, value: Any) -> None:
    """Whole numbers without fraction; what is not finite as text (measured)."""
    result = evaluate(expression, {"f": 2.0})
    assert (result, type(result)) == (value, type(value))


def test_a_number_that_is_not_finite_can_not_be_used() -> None:
    """Arithmetic on it and `$string` of it fail as the language has it."""
    assert "D1001" in cause("1/0 + 1")
    assert cause("$string(1/0)").endswith("D3001: Attempting to invoke string function on Infinity or NaN")


def test_mistakes_are_found_when_compiling() -> None:
    """Syntax errors and bad regular expressions are no matter of run time."""
    for text in ("{% 1 + %}", '{% $match("a", /(/) %}', "{%%}"):
        with pytest.raises(JsonataSyntaxError):
            compile_value({"a": text}, "Output")
    deep: Any = "{% 1 %}"
    for _ in range(150):
        deep = [deep]
    with pytest.raises(ExpressionError, match="nested"):
        compile_value(deep, "Output")


def test_paths_over_arrays_follow_jsonata() -> None:
    """Names are mapped over arrays, the results flattened, a single one unwrapped; no array is made of nothing."""
    data = {"o": [{"i": [{"n": 1}, {"n": 2}]}, {"i": {"n": 3}}, {"j": 1}], "one": [{"n": 5}], "k": [7], "e": []}
    assert evaluate("$states.input.o.i.n", data) == [1, 2, 3]
    assert evaluate("$states.input.one.n", data) == 5
    assert evaluate("$states.input.k", data) == [7]
    assert evaluate("$states.input.e", data) == []
    assert evaluate("$sum($states.input.o.i.n)", data) == 6
    assert cause("$states.input.o.x", data).endswith("returned nothing (undefined).")
