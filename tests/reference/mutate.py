"""Broken definitions: valid ones with a few places changed, so that most of the machine still makes sense."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

JSON = Any

ODD: tuple[JSON, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 1.5, 1e308, -0.0, "", " ", "$", "$$", "$.", "$.a[", "$..",
    "$[?(@.a)]", "$.a[?(@.b =~ /(a+)+$/)]", "$x", "$states", "{%%}", "{% $ %}", "{% $states.result %}",
    "{% ( %}", "{% $x := 1 %}", "{% function($f) { $f($f) }(function($f) { $f($f) }) %}",
    "{% [1..1000000000] %}", "{% $pad('a', 1000000000) %}", "States.Format('{}', ", "States.Nope()",
    "States.ArrayRange(0, 1000000, 1)", "States.UUID()", "\x00", "\ud7ff", "é" * 100, "2016-13-01T00:00:00Z",
    "2016-03-14T01:59:00Z", [], {}, [[]], {"a.$": "$"}, {"a.$": 1}, {"a": {"b.$": "$.x"}}, ["States.ALL"],
    "arn:aws:states:::lambda:invoke", "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "arn:aws:states:::nope:nope", "JSONata", "JSONPath", "Pass", "Task", "Map", "Parallel", "Choice", "Wait",
    "Succeed", "Fail", "DISTRIBUTED",
)  # fmt: skip

FIELDS = (
    "Type", "Next", "End", "Default", "Choices", "Variable", "Condition", "And", "Not", "StringMatches",
    "IsPresent", "InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "Result", "Arguments",
    "Output", "Assign", "Retry", "Catch", "ErrorEquals", "MaxAttempts", "IntervalSeconds", "BackoffRate",
    "JitterStrategy", "MaxDelaySeconds", "TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "Seconds",
    "SecondsPath", "Timestamp", "TimestampPath", "Error", "Cause", "ErrorPath", "CausePath", "Branches",
    "ItemProcessor", "Iterator", "Items", "ItemsPath", "ItemSelector", "MaxConcurrency", "MaxConcurrencyPath",
    "ToleratedFailureCount", "ItemReader", "ItemBatcher", "ResultWriter", "Label", "Resource", "Credentials",
    "QueryLanguage", "Comment", "StartAt", "States", "Version", "Nope",
)  # fmt: skip


def mutated(definition: JSON, rnd: Random) -> JSON:
    """The definition with one to four places changed: values replaced, members added, dropped, renamed, moved."""
    changed = copy.deepcopy(definition)
    for _ in range(rnd.choice([1, 1, 2, 3, 4])):
        places = list(_places(changed))
        if places:
            _change(rnd.choice(places), rnd, places)
    return changed


def _places(value: JSON) -> Any:
    """Every (container, key) in a value."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in list(keys):
        yield value, key
        yield from _places(value[key])


def _change(place: tuple[Any, Any], rnd: Random, places: list[Any]) -> None:
    container, key = place
    kind = rnd.randrange(6)
    if kind <= 1:
        container[key] = copy.deepcopy(rnd.choice(ODD))
    elif kind == 2 and isinstance(container, dict):
        container[rnd.choice(FIELDS)] = copy.deepcopy(rnd.choice(ODD))
    elif kind == 3:
        del container[key]
    elif kind == 4 and isinstance(container, dict):
        container[rnd.choice(FIELDS)] = container.pop(key)
    else:
        other, name = rnd.choice(places)
        if isinstance(other, dict) or name < len(other):
            container[key] = copy.deepcopy(other.get(name) if isinstance(other, dict) else other[name])
