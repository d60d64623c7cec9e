"""What the generator puts into each field of the model, by the field's name in the States Language.

`unknown_fields` names those of `express.asl.model` that have no entry here: a test wants none. The values are such as
`lint` accepts in one query language or the other, or only warns about, and now and then refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from express.asl import model

from .expressions import ACTIVITY, FUNCTION, RESOURCES

if TYPE_CHECKING:
    from .derive import Derived
    from .generate import Here

JSON = Any
Values: TypeAlias = "Callable[[Derived, Here], JSON]"

STATES: dict[str, type[msgspec.Struct]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        model.Pass,
        model.Choice,
        model.Wait,
        model.Succeed,
        model.Fail,
        model.Task,
        model.Parallel,
        model.Map,
    )
}
OTHERS: tuple[type[msgspec.Struct], ...] = (model.Retrier, model.Catcher, model.Machine)


def one_of(*values: JSON) -> Values:
    """Return one of some values."""
    return lambda maker, here: maker.rnd.choice(values)


def either(jsonpath: Values, jsonata: Values) -> Values:
    """Return what the state's query language takes."""
    return lambda maker, here: (jsonata if here.jsonata else jsonpath)(maker, here)


def path(maker: Derived, here: Here) -> JSON:
    """A path."""
    return maker.path(here)


def seconds(*values: JSON) -> Values:
    """Numbers; in JSONata an expression that gives one, too."""
    return lambda maker, here: maker.rnd.choice(
        [*values, *(["{% 1 + 1 %}", "{% $states.input.w + 1 %}", "{% $states.input.s %}"] if here.jsonata else [])]
    )


def template(maker: Derived, here: Here) -> JSON:
    """A payload template, mostly an object."""
    if maker.chance(0.15):
        return maker.rnd.choice([[], ["$", {"a.$": "$.n"}], "text", 7, None, {"deep": {"er": [{"x.$": "$.s"}]}}])
    return maker.template(here)


def expression(*more: str) -> Values:
    """A JSONata value; `more` are what else can be asked for here."""
    return lambda maker, here: maker.jsonata(here, *more)


def assign(*more: str) -> Values:
    """Variables, of which those that follow may make use."""
    return lambda maker, here: maker.assigned(here, *more)


def selected(maker: Derived, here: Here) -> JSON:
    """A ResultSelector, which is an object."""
    chosen = maker.template(here)
    return (
        chosen if maker.chance(0.5) else maker.rnd.choice([{"r.$": "$", "k": 1}, {"r.$": "$$.State.EnteredTime"}, {}])
    )


def item(maker: Derived, here: Here) -> JSON:
    """An ItemSelector."""
    if here.jsonata:
        return maker.rnd.choice(
            [
                "{% $merge([$states.input, {'n': $states.context.Map.Item.Index}]) %}",
                {"n": "{% $states.context.Map.Item.Index %}", "t": "{% $now() %}"},
            ]
        )
    return {**maker.data_template(), "item.$": maker.rnd.choice(["$$.Map.Item", "$$.Map.Item.Value", "$.n", "$"])}


def timer(jsonpath: JSON) -> Values:
    """A Wait's time, a text in both languages or an expression."""
    return either(one_of(*jsonpath), one_of(*jsonpath, "{% $states.input.t %}", "{% $now() %}", "{% 'x' %}"))


def machine(maker: Derived, here: Here) -> JSON:
    """An inner machine."""
    return maker.machine(here.scope.language, here.scope.depth + 1, here.scope.variables)


VALUES: dict[str, Values] = {
    "Comment": one_of("a comment", "", "{% $x %}", "$$"),
    "QueryLanguage": one_of("JSONPath", "JSONata"),
    "Next": lambda maker, here: maker.later(here.scope, here.i),
    "End": one_of(True),
    # Data flow
    "InputPath": lambda maker, here: maker.rnd.choice(["$", "$.o", None, "$$.Execution.Input", maker.path(here)]),
    "OutputPath": lambda maker, here: maker.rnd.choice(["$", "$", "$.o", None, "$.n", "$$", maker.path(here)]),
    "Output": expression(),
    "Assign": assign(),
    "Parameters": template,
    "Arguments": expression(),
    "Result": lambda maker, here: maker.rnd.choice([maker.data(), maker.value(), {"a.$": "$.b"}, "$.x", None]),
    "ResultSelector": selected,
    "ResultPath": one_of("$", None, "$.r", "$.o.r", "$.deep.er.r", "$.z", "$['q']", "$.xs[0]", "$['a b']", "$.s.t"),
    # Choice
    "Choices": lambda maker, here: [maker.rule(here) for _ in range(maker.rnd.choice([1, 2, 3]))],
    "Default": lambda maker, here: maker.later(here.scope, here.i),
    # Wait
    "Seconds": seconds(0, 1, 5, 400),
    "SecondsPath": one_of("$.w", "$.n", "$.s", "$$.State.RetryCount", "$.none"),
    "Timestamp": timer(["2027-01-15T08:00:07Z", "2024-02-29T10:00:00Z", "2027-01-15T09:00:03.5+01:00"]),
    "TimestampPath": one_of("$.t", "$$.Execution.StartTime", "$.s", "$.none"),
    # Fail
    "Error": either(one_of("Boom", "", "States.TaskFailed"), one_of("Boom", "{% 'E' & $states.input.s %}", "{% 1 %}")),
    "Cause": either(one_of("why", ""), one_of("why", "{% $now() %}", "{% $string($states.input) %}")),
    "ErrorPath": one_of("$.s", "$.n", "$.none", "$$.State.Name", "States.Format('{}', $.s)"),
    "CausePath": one_of("$.s", "$$.State.EnteredTime", "States.JsonToString($)", "States.UUID()"),
    # Task
    "Resource": one_of(*RESOURCES),
    "TimeoutSeconds": seconds(1, 4, 30),
    "TimeoutSecondsPath": one_of("$.w", "$.n", "$.s", "$.none"),
    "HeartbeatSeconds": seconds(1, 2, 3),
    "HeartbeatSecondsPath": one_of("$.w", "$.n", "$.none"),
    "Credentials": either(
        one_of({"RoleArn": "arn:aws:iam::123456789012:role/r"}, {"RoleArn.$": "$.s"}, {"RoleArn.$": "$.none"}),
        one_of({"RoleArn": "{% $states.input.s %}"}, {"RoleArn": "arn:aws:iam::123456789012:role/r"}, "{% 'r' %}"),
    ),
    "Retry": lambda maker, here: [maker.entry(here, model.Retrier) for _ in range(maker.rnd.choice([1, 1, 2]))],
    "Catch": lambda maker, here: [maker.entry(here, model.Catcher) for _ in range(maker.rnd.choice([1, 1, 2]))],
    # Parallel and Map
    "Branches": lambda maker, here: [machine(maker, here) for _ in range(maker.rnd.choice([1, 2, 2, 3]))],
    "ItemProcessor": machine,
    "Iterator": machine,
    "ItemsPath": one_of("$.xs", "$.xs", "$.xs", "$", "$.n", "$$.Execution.Input.xs", "$.none"),
    "Items": one_of("{% $states.input.xs %}", "{% [1, 2, 3] %}", [1, "{% $now() %}", {"n": 2}], [], "{% 7 %}"),
    "ItemSelector": item,
    "MaxConcurrency": either(one_of(0, 1, 2), one_of(0, 1, 2, "{% 2 %}", "{% 'x' %}")),
    "MaxConcurrencyPath": one_of("$.w", "$.n", "$.s", "$.none"),
    "ToleratedFailureCount": seconds(0, 2),
    "ToleratedFailureCountPath": one_of("$.w", "$.s"),
    "ToleratedFailurePercentage": seconds(0, 50.5),
    "ToleratedFailurePercentagePath": one_of("$.w", "$.s"),
    "Label": one_of("label"),
    "ItemReader": one_of({"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"}}),
    "ItemBatcher": one_of({"MaxItemsPerBatch": 2}),
    "ResultWriter": one_of({"WriterConfig": {"OutputType": "JSON", "Transformation": "NONE"}}),
}
"""Field → its values, in every state or entry that has it."""

SPECIAL: dict[tuple[str, str], Values] = {
    **{(kind, "Output"): expression("$states.result", "[$states.result]") for kind in ("Task", "Parallel", "Map")},
    **{(kind, "Assign"): assign("$states.result") for kind in ("Task", "Parallel", "Map")},
    ("Map", "Parameters"): item,
    ("Retrier", "ErrorEquals"): lambda maker, here: maker.errors(),
    ("Retrier", "IntervalSeconds"): one_of(1, 2, 5),
    ("Retrier", "MaxAttempts"): one_of(0, 1, 2, 3, 20),
    ("Retrier", "BackoffRate"): one_of(1.0, 1, 1.5, 3),
    ("Retrier", "MaxDelaySeconds"): one_of(3, 6),
    ("Retrier", "JitterStrategy"): one_of("FULL", "NONE"),
    ("Catcher", "ErrorEquals"): lambda maker, here: maker.errors(),
    ("Catcher", "ResultPath"): one_of("$", None, "$.error", "$.o.e", "$.xs[0]"),
    ("Catcher", "Output"): expression("$states.errorOutput", "$states.errorOutput.Error"),
    ("Catcher", "Assign"): assign("$states.errorOutput", "$states.errorOutput.Cause"),
    ("Machine", "StartAt"): lambda maker, here: here.name,
    ("Machine", "States"): lambda maker, here: {},
    ("Machine", "Version"): one_of("1.0"),
    ("Machine", "TimeoutSeconds"): one_of(1, 3, 7, 30, 1000),
    ("Machine", "ProcessorConfig"): one_of({"Mode": "INLINE"}, {}),
}
"""The same for a field that means something of its own in one place."""


def names(kind: type[msgspec.Struct]) -> Iterable[str]:
    """Return the fields of a struct of the model, as the States Language names them."""
    return [field.encode_name for field in model.fields(kind)]


def values_of(kind: type[msgspec.Struct], name: str) -> Values | None:
    """Return what makes the values of a field."""
    return SPECIAL.get((kind.__name__, name)) or VALUES.get(name)


def unknown_fields(kinds: Iterable[type[msgspec.Struct]] = (*STATES.values(), *OTHERS)) -> list[str]:
    """Return the fields of the model that no values are known for."""
    return [f"{kind.__name__}.{name}" for kind in kinds for name in names(kind) if values_of(kind, name) is None]


__all__ = ["ACTIVITY", "FUNCTION", "STATES", "names", "unknown_fields", "values_of"]
