"""Random machines with inputs and task scripts: all eight states, nesting up to four, both query languages.

`Maker(rnd)` needs nothing but a `random.Random`, so that hypothesis can drive (and shrink) it through
`st.randoms()` and a long run can drive it by seeds. Every machine it makes is valid: names are unique, every
state can be reached, jumps go forward (loops are counted), inner scopes assign names of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

JSON = Any

ERRORS = ("Boom", "Custom.Bang", "States.TaskFailed", "Lambda.TooManyRequestsException")
RESOURCE = "arn:aws:lambda:us-east-1:123456789012:function:f"
DEPTH = 4


@dataclass
class Example:
    """A machine, its input, and what its tasks answer (in the form of conformance cases)."""

    definition: dict[str, JSON]
    input: JSON
    tasks: list[dict[str, JSON]] = field(default_factory=list)


class Maker:
    """Makes examples. `language`: JSONPath, JSONata or mixed."""

    def __init__(self, rnd: Random, language: str = "mixed") -> None:
        self.rnd = rnd
        self.language = language
        self.names = 0
        self.ticks = 0
        self.tasks: list[dict[str, JSON]] = []
        self.room = 24  # states that may still be made

    def example(self) -> Example:
        """One example."""
        top = "JSONata" if self.language == "JSONata" else "JSONPath"
        definition = self.machine(top, 0, {})
        if top == "JSONata":
            definition["QueryLanguage"] = "JSONata"
        if self.chance(0.05):
            definition["TimeoutSeconds"] = self.rnd.choice([1, 3, 7, 30, 1000])
        return Example(definition, self.data(), self.tasks)

    # Values ------------------------------------------------------------------------------------------------

    def chance(self, share: float) -> bool:
        """True in about this share of calls."""
        return self.rnd.random() < share

    def scalar(self) -> JSON:
        """A JSON scalar."""
        return self.rnd.choice(
            [None, True, False, 0, 1, -3, 2.5, 7, 10, "", "a", "b c", "2024-02-29T10:00:00Z", "Ünïcode"]
        )

    def value(self, depth: int = 2) -> JSON:
        """Any JSON value, small."""
        kind = self.rnd.randrange(6) if depth else 0
        if kind == 1:
            return [self.value(depth - 1) for _ in range(self.rnd.randrange(4))]
        if kind == 2:
            return {key: self.value(depth - 1) for key in self.rnd.sample(["a", "b", "n", "xs"], self.rnd.randrange(4))}
        return self.scalar()

    def data(self) -> JSON:
        """What most states expect: an object with members of known types. Now and then anything at all."""
        if self.chance(0.02):
            return self.value()
        return {
            "n": self.rnd.choice([0, 1, 2, 5, -1, 2.5]),
            "s": self.rnd.choice(["", "a", "abc", "x,y", "Ω"]),
            "b": self.chance(0.5),
            "w": self.rnd.randrange(4),
            "z": None,
            "xs": [self.scalar() for _ in range(self.rnd.randrange(5))],
            "o": {"a": self.scalar(), "b": {"c": self.scalar()}},
            "t": "2024-02-29T10:00:00Z",
        }

    # Machines ----------------------------------------------------------------------------------------------

    def machine(self, language: str, depth: int, outer: dict[str, str]) -> dict[str, JSON]:
        """A `States` map. `outer` holds the variables that can be seen (name → kind of value)."""
        names = [self.name() for _ in range(self.rnd.choice([1, 1, 2, 2, 3, 4] if depth else [2, 3, 4, 5]))]
        scope = Scope(names, dict(outer), language, depth)
        states = {}
        for i, name in enumerate(names):
            states[name] = self.state(scope, i)
        start = names[0]
        if depth < 3 and states[names[-1]].get("End") and self.chance(0.12):
            start = self.loop(scope, states)
        return {"StartAt": start, "States": _reachable(start, states)}

    def loop(self, scope: Scope, states: dict[str, JSON]) -> str:
        """Make the states the body of a counted loop; where it starts."""
        begin, check, count, done = (self.name() for _ in range(4))
        variable = f"c{scope.depth}_{begin}"
        first, last = scope.names[0], scope.names[-1]
        times = self.rnd.choice([1, 2, 3])
        del states[last]["End"]
        states[last]["Next"] = check
        states[begin] = {"Type": "Pass", "Assign": {variable: 0}, "Next": first}
        if scope.language == "JSONata":
            test: dict[str, JSON] = {"Condition": "{% $" + variable + f" < {times} %}}"}
            add: dict[str, JSON] = {variable: "{% $" + variable + " + 1 %}"}
        else:
            test = {"Variable": f"${variable}", "NumericLessThan": times}
            add = {f"{variable}.$": f"States.MathAdd(${variable}, 1)"}
        states[check] = {"Type": "Choice", "Choices": [{**test, "Next": count}], "Default": done}
        states[count] = {"Type": "Pass", "Assign": add, "Next": first}
        states[done] = {"Type": "Succeed"}
        return begin

    def name(self) -> str:
        """A state name nobody has."""
        self.names += 1
        self.room -= 1
        return f"S{self.names}"

    def state(self, scope: Scope, i: int) -> dict[str, JSON]:
        """State number `i` of a scope."""
        last = i == len(scope.names) - 1
        kinds = ["Pass", "Pass", "Task", "Task", "Wait"]
        if scope.depth < DEPTH and self.room > 4:
            kinds += ["Parallel", "Map"]
        kinds += ["Succeed", "Succeed", "Fail"] if last else ["Choice", "Choice"]
        if not last and self.chance(0.04):
            kinds = ["Succeed", "Fail"]
        kind = self.rnd.choice(kinds)
        jsonata = scope.language == "JSONata" or (self.language == "mixed" and self.chance(0.35))
        state = getattr(self, "pass_" if kind == "Pass" else kind.lower())(Here(scope, i, jsonata))
        state = {"Type": kind, **state}
        if jsonata and scope.language != "JSONata":
            state["QueryLanguage"] = "JSONata"
        if kind not in ("Choice", "Succeed", "Fail"):
            state.update({"End": True} if last else {"Next": self.later(scope, i)})
        return state

    def later(self, scope: Scope, i: int) -> str:
        """A state after number `i`; mostly the next one."""
        return scope.names[i + 1] if self.chance(0.75) else self.rnd.choice(scope.names[i + 1 :])

    # Expressions -------------------------------------------------------------------------------------------

    def path(self, here: Here) -> str:
        """A JSONPath that may or may not find something."""
        roots = ["$", "$.n", "$.s", "$.b", "$.z", "$.xs", "$.o", "$.o.b.c", "$['o']['a']", "$.xs[0]", "$.xs[-1]"]
        roots += ["$.xs[*]", "$.xs[0:2]", "$.xs[0,1]", "$.o.*", "$..a", "$$.State.Name", "$$.Execution.Input.n"]
        if self.chance(0.02):
            return self.rnd.choice(["$.none", "$.o.none.x", "$.xs[9]", "$$.Map.Item.Index"])
        return self.rnd.choice(roots + [f"${name}" for name in here.scope.variables])

    def template(self, here: Here, depth: int = 2) -> JSON:
        """A payload template; mostly one whose result has the shape that the other states expect."""
        if self.chance(0.8):
            return {**self.data_template(), **{f"k{i}.$": self.source(here) for i in range(self.rnd.randrange(3))}}
        fields: dict[str, JSON] = {}
        for key in self.rnd.sample(["n", "s", "xs", "o", "k", "b"], self.rnd.randrange(1, 5)):
            if self.chance(0.6):
                fields[key + ".$"] = self.source(here)
            elif depth and self.chance(0.3):
                fields[key] = self.template(here, depth - 1)
            else:
                fields[key] = self.value(1)
        return fields

    def data_template(self) -> dict[str, JSON]:
        """A template for data of the usual shape, part literal, part taken over."""
        data = self.data()
        if not isinstance(data, dict):
            return {}
        keep = [key for key in data if self.chance(0.4)]
        return {
            **{key: value for key, value in data.items() if key not in keep},
            **{f"{key}.$": f"$.{key}" for key in keep},
        }

    def source(self, here: Here) -> str:
        """The text of a `.$` member."""
        return self.intrinsic(here) if self.chance(0.35) else self.path(here)

    def intrinsic(self, here: Here) -> str:
        """An intrinsic call; now and then one that fails."""
        return self.rnd.choice(
            [
                "States.Array($.n, 'a', true, null, 2.5)",
                "States.ArrayLength($.xs)",
                "States.ArrayContains($.xs, 'a')",
                "States.ArrayContains($.xs, 1)",
                "States.ArrayGetItem($.xs, 0)",
                "States.ArrayPartition($.xs, 2)",
                "States.ArrayRange(0, 7, 3)",
                "States.ArrayUnique($.xs)",
                "States.Base64Encode($.s)",
                "States.Base64Decode(States.Base64Encode($.s))",
                "States.Hash($.s, 'SHA-256')",
                "States.JsonMerge($.o, States.StringToJson('{\"a\": 1}'), false)",
                "States.StringToJson('[1, {\"x\": null}]')",
                "States.JsonToString($.n)",
                "States.MathAdd($.n, 2)",
                "States.MathAdd(1.5, -2.5)",
                "States.StringSplit($.s, ',')",
                "States.Format('{}-{}', $.s, $.n)",
                "States.Format('it\\'s {}', States.ArrayLength($.xs))",
            ]
        )

    def expression(self, here: Here, *more: str) -> str:
        """A JSONata expression as `{% … %}`."""
        pool = [
            "$states.input",
            "$states.input.n",
            "$states.input.o.b.c",
            "$states.input.xs",
            "$states.input.xs[0]",
            "$count($states.input.xs)",
            "$states.context.State.Name",
            "$states.context.State.RetryCount",
            "$states.input.s & '-' & $string($states.input.b)",
            "$states.input.b ? 'yes' : 'no'",
            '{"a": $states.input.o.a, "n": 1 + 2 * 3}',
            "[$states.input.n, $states.input.s]",
            "$merge([$states.input, {'k': 1}])",
            "$uppercase($states.input.s)",
            "$map([1, 2, 3], function($v) { $v * 2 })",
            "($x := 3; $x > 2 and true)",
            *more,
        ]
        pool += [f"${name}" for name in here.scope.variables]
        if self.chance(0.02):
            pool = ["$states.input.none", "1 + 'a'", "$number('x')", "$error('no')"]
        return "{% " + self.rnd.choice(pool) + " %}"

    def jsonata(self, here: Here, *more: str) -> JSON:
        """A JSONata value: an expression, or an object with some in it; mostly one of the usual shape."""
        if self.chance(0.75):
            return "{% $merge([$states.input, {'k': " + self.expression(here, *more)[3:-3] + "}]) %}"
        if self.chance(0.4):
            return self.expression(here, *more)
        keys = self.rnd.sample(["n", "s", "xs", "o", "k"], self.rnd.randrange(1, 5))
        return {key: self.expression(here, *more) if self.chance(0.7) else self.value(1) for key in keys}

    # Fields that several states have ------------------------------------------------------------------------

    def flow(self, here: Here, *fields: str, **shares: float) -> dict[str, JSON]:
        """Some of the data-flow fields of a JSONPath state."""
        makers: dict[str, Callable[[], JSON]] = {
            "InputPath": lambda: self.rnd.choice(["$", "$", "$.o", None, "$$.Execution.Input", "$$.Execution.Input"]),
            "Parameters": lambda: self.template(here),
            "ResultSelector": lambda: {"r.$": "$", "k": 1} if self.chance(0.8) else {"r.$": "$.n", "k": 1},
            "ResultPath": lambda: self.rnd.choice(["$.r", "$.o.r", "$.deep.er.r", None, "$.z", "$['q']"]),
            "OutputPath": lambda: self.rnd.choice(["$", "$", "$", "$.o", None, "$.n", "$.xs"]),
        }
        shares = {"InputPath": 0.1, "OutputPath": 0.08, "ResultPath": 0.8, **shares}
        return {name: makers[name]() for name in fields if self.chance(shares.get(name, 0.4))}

    def assign(self, here: Here, *more: str, share: float = 0.25) -> dict[str, JSON]:
        """`Assign`, and the names it brings into the scope for the states that follow."""
        if not self.chance(share):
            return {}
        name = f"v{here.scope.depth}_{here.scope.names[0]}_{self.rnd.randrange(2)}"
        if here.jsonata:
            values = {name: self.expression(here, *more) if self.chance(0.7) else self.value(1)}
        else:
            values = {name + ".$": "$"} if self.chance(0.4) else {name: self.value(1)}
        if here.i == 0 or self.chance(0.4):
            here.scope.variables.setdefault(name, "any")
        return {"Assign": values}

    def guarded(self, here: Here) -> dict[str, JSON]:
        """Retry and Catch. Catchers jump forward, so the last state of a scope has none."""
        fields: dict[str, JSON] = {}
        if self.chance(0.4):
            fields["Retry"] = [self.retrier() for _ in range(self.rnd.choice([1, 1, 2]))]
        if here.i < len(here.scope.names) - 1 and self.chance(0.5):
            fields["Catch"] = [self.catcher(here) for _ in range(self.rnd.choice([1, 1, 2]))]
        for handlers in fields.values():
            if self.chance(0.6):
                handlers[-1]["ErrorEquals"] = ["States.ALL"]
        return fields

    def retrier(self) -> dict[str, JSON]:
        """One entry of Retry."""
        retrier: dict[str, JSON] = {"ErrorEquals": self.errors()}
        if self.chance(0.7):
            retrier["MaxAttempts"] = self.rnd.randrange(4)
        if self.chance(0.5):
            retrier["IntervalSeconds"] = self.rnd.choice([1, 2, 5])
        if self.chance(0.4):
            retrier["BackoffRate"] = self.rnd.choice([1, 1.5, 3])
        if self.chance(0.2):
            retrier["MaxDelaySeconds"] = self.rnd.choice([3, 6])
        return retrier

    def catcher(self, here: Here) -> dict[str, JSON]:
        """One entry of Catch."""
        catcher: dict[str, JSON] = {"ErrorEquals": self.errors(), "Next": self.later(here.scope, here.i)}
        if here.jsonata:
            if self.chance(0.4):
                catcher["Output"] = self.jsonata(here, "$states.errorOutput.Error", "$states.errorOutput")
        elif self.chance(0.6):
            catcher["ResultPath"] = self.rnd.choice(["$.error", "$", None])
        return {**catcher, **self.assign(here, "$states.errorOutput", share=0.15)}

    def errors(self) -> list[str]:
        """Names for ErrorEquals."""
        return self.rnd.sample([*ERRORS, "States.Timeout"], self.rnd.choice([1, 1, 2]))

    def tick(self) -> float:
        """A delay that no other task has, so that few things happen at the same instant."""
        self.ticks += 1
        return 0.25 + self.ticks / 1024

    # One kind of state each ---------------------------------------------------------------------------------

    def pass_(self, here: Here) -> dict[str, JSON]:
        """Pass."""
        if here.jsonata:
            fields = {"Output": self.jsonata(here)} if self.chance(0.4) else {}
        else:
            fields = self.flow(here, "InputPath", "Parameters", "ResultPath", "OutputPath")
            if self.chance(0.3):
                fields["Result"] = self.data() if self.chance(0.9) else self.value()
        return {**fields, **self.assign(here)}

    def task(self, here: Here) -> dict[str, JSON]:
        """Task, with its script."""
        self.script(here)
        fields: dict[str, JSON] = {"Resource": RESOURCE}
        if here.jsonata:
            fields.update({"Arguments": self.jsonata(here)} if self.chance(0.4) else {})
            fields.update({"Output": self.jsonata(here, "$states.result")} if self.chance(0.5) else {})
        else:
            fields.update(self.flow(here, "InputPath", "Parameters", "ResultSelector", "ResultPath", "OutputPath"))
        if self.chance(0.25):
            fields["TimeoutSeconds"] = self.rnd.choice([1, 4])
        return {**fields, **self.assign(here, "$states.result"), **self.guarded(here)}

    def script(self, here: Here) -> None:
        """What a task answers, call by call; the last answer repeats."""
        answers: list[dict[str, JSON]] = []
        for _ in range(self.rnd.choice([1, 1, 2, 3, 4])):
            fate = self.rnd.random()
            if fate < 0.65:
                answers.append({"output": self.data() if self.chance(0.93) else self.value(), "after": self.tick()})
            elif fate < 0.93:
                answers.append({"error": self.rnd.choice(ERRORS), "cause": "why", "after": self.tick()})
            elif fate < 0.97:
                answers.append({"output": {}, "after": 2 + self.tick()})
            else:
                answers.append({"never": True})
        self.tasks.append({"state": here.name, "resource": RESOURCE, "responds": answers})

    def wait(self, here: Here) -> dict[str, JSON]:
        """Wait."""
        if here.jsonata:
            seconds: JSON = self.rnd.choice([0, 1, 2, "{% 1 + 1 %}", "{% $states.input.w %}", "{% $states.input.w %}"])
            seconds = "{% $states.input.s %}" if self.chance(0.03) else seconds
            kind: dict[str, JSON] = {"Timestamp": "{% $states.input.t %}"} if self.chance(0.2) else {"Seconds": seconds}
            return {**kind, **({"Output": self.jsonata(here)} if self.chance(0.2) else {}), **self.assign(here)}
        kind = self.rnd.choice(
            [
                {"Seconds": self.rnd.choice([0, 1, 2, 4])},
                {"Seconds": 400 if self.chance(0.1) else 3},
                {"SecondsPath": "$.n" if self.chance(0.1) else "$.w"},
                {"Timestamp": "2024-02-29T10:00:07Z"},
                {"TimestampPath": "$.t"},
            ]
        )
        return {**kind, **self.flow(here, "OutputPath"), **self.assign(here)}

    def choice(self, here: Here) -> dict[str, JSON]:
        """Choice: rules jump forward."""
        rules = [self.rule(here) for _ in range(self.rnd.choice([1, 2, 3]))]
        fields: dict[str, JSON] = {"Choices": rules}
        if self.chance(0.95):
            fields["Default"] = self.later(here.scope, here.i)
        if here.jsonata and self.chance(0.3):
            fields["Output"] = self.jsonata(here)
        if not here.jsonata:
            fields.update(self.flow(here, "InputPath", "OutputPath") if self.chance(0.2) else {})
        return {**fields, **(self.assign(here) if "Default" in fields else {})}

    def rule(self, here: Here) -> dict[str, JSON]:
        """One rule."""
        target = {"Next": self.later(here.scope, here.i)}
        if not here.jsonata:
            return {**self.test(2), **target, **self.assign(here, share=0.1)}
        condition = self.rnd.choice(
            [
                "{% $states.input.n > 1 %}",
                "{% $states.input.b %}",
                "{% $states.input.s = 'abc' %}",
                "{% $exists($states.input.o) %}",
                "{% $count($states.input.xs) >= 2 %}",
                "{% $states.input.b and $states.input.n = 5 %}",
                True,
                False,
            ]
        )
        extra = {"Output": self.jsonata(here)} if self.chance(0.2) else {}
        return {"Condition": condition, **target, **extra, **self.assign(here, share=0.1)}

    def test(self, depth: int) -> dict[str, JSON]:
        """A data test, or And, Or, Not over some."""
        kind = self.rnd.randrange(8) if depth else 7
        if kind < 2:
            tests = [self.test(depth - 1) for _ in range(self.rnd.choice([1, 2, 3]))]
            return {"And" if kind else "Or": tests}
        if kind == 2:
            return {"Not": self.test(depth - 1)}
        variable = self.rnd.choice(["$.n", "$.s", "$.b", "$.z", "$.xs[0]", "$.o.a", "$.t"])
        if self.chance(0.02):
            variable = "$.none"
        return {"Variable": variable, **self.operator()}

    def operator(self) -> dict[str, JSON]:
        """One comparison operator with its operand."""
        compare = self.rnd.choice(["Equals", "LessThan", "GreaterThan", "LessThanEquals", "GreaterThanEquals"])
        literals: dict[str, list[JSON]] = {
            "String": ["a", "abc", "", "Ω"],
            "Numeric": [0, 1, 2.5, -1],
            "Timestamp": ["2024-02-29T10:00:00Z", "2024-02-29T12:00:00+02:00", "2020-01-01T00:00:00Z"],
        }
        family = self.rnd.choice(list(literals))
        paths = {"String": "$.s", "Numeric": "$.n", "Timestamp": "$.t"}
        return self.rnd.choice(
            [
                {family + compare: self.rnd.choice(literals[family])},
                {family + compare: self.rnd.choice(literals[family])},
                {f"{family}{compare}Path": paths[family]},
                {"BooleanEquals": self.chance(0.5)},
                {"StringMatches": self.rnd.choice(["a*", "*", "*b*c", "x,?", "a\\*", ""])},
                {self.rnd.choice(["IsNull", "IsPresent", "IsNumeric", "IsString"]): self.chance(0.6)},
                {self.rnd.choice(["IsBoolean", "IsTimestamp"]): self.chance(0.6)},
            ]
        )

    def succeed(self, here: Here) -> dict[str, JSON]:
        """Succeed."""
        if here.jsonata:
            return {"Output": self.jsonata(here)} if self.chance(0.4) else {}
        return self.flow(here, "InputPath", "OutputPath")

    def fail(self, here: Here) -> dict[str, JSON]:
        """Fail."""
        if not here.jsonata and self.chance(0.2):
            return {"ErrorPath": "$.s", "CausePath": "$.s"}
        if here.jsonata and self.chance(0.3):
            return {"Error": "{% 'E' & $states.context.State.Name %}", "Cause": "{% $string($states.input.n) %}"}
        return self.rnd.choice([{"Error": self.rnd.choice(ERRORS), "Cause": "because"}, {"Error": "Boom"}, {}])

    def parallel(self, here: Here) -> dict[str, JSON]:
        """Parallel with up to three branches."""
        top = here.scope.language
        count = self.rnd.choice([1, 2, 2, 3])
        fields: dict[str, JSON] = {
            "Branches": [self.machine(top, here.scope.depth + 1, here.scope.variables) for _ in range(count)]
        }
        if here.jsonata:
            fields.update({"Arguments": self.jsonata(here)} if self.chance(0.3) else {})
            fields.update({"Output": self.jsonata(here, "$states.result")} if self.chance(0.85) else {})
        else:
            fields.update(self.flow(here, "InputPath", "Parameters", "ResultSelector", "ResultPath", "OutputPath"))
        return {**fields, **self.assign(here, "$states.result"), **self.guarded(here)}

    def map(self, here: Here) -> dict[str, JSON]:
        """Map over a few items."""
        body = self.machine(here.scope.language, here.scope.depth + 1, here.scope.variables)
        fields: dict[str, JSON] = {"ItemProcessor": body}
        if self.chance(0.6):
            fields["MaxConcurrency"] = self.rnd.choice([0, 1, 2])
        item = self.rnd.choice(["$.n", "$$.Map.Item.Value", "$$.Map.Item.Index", "$"])
        if here.jsonata:
            fields["Items"] = self.rnd.choice(["{% $states.input.xs %}", "{% [1, 2, 3] %}", [1, "a", {"n": 2}], []])
            if self.chance(0.85):
                value = "{% $merge([$states.input, {'n': $states.context.Map.Item.Index}]) %}"
                other = {"n": "{% $states.context.Map.Item.Index %}", "o": "{% $states.context.Map.Item.Value %}"}
                fields["ItemSelector"] = value if self.chance(0.8) else other
            fields.update({"Output": self.jsonata(here, "$states.result")} if self.chance(0.85) else {})
        else:
            fields["ItemsPath"] = self.rnd.choice(["$.xs", "$.xs", "$.xs", "$.n"] if self.chance(0.2) else ["$.xs"])
            if self.chance(0.85):
                fields["ItemSelector"] = {**self.data_template(), "item.$": "$$.Map.Item", "it.$": item}
            fields.update(self.flow(here, "ResultSelector", "ResultPath", "OutputPath"))
        if self.chance(0.2):
            fields["Iterator"] = fields.pop("ItemProcessor")
        if "ItemSelector" in fields and not here.jsonata and self.chance(0.2):
            fields["Parameters"] = fields.pop("ItemSelector")
        return {**fields, **self.assign(here, "$states.result"), **self.guarded(here)}


@dataclass
class Scope:
    """One `States` map in the making: its state names, the variables seen so far, language and depth."""

    names: list[str]
    variables: dict[str, str]
    language: str
    depth: int


@dataclass
class Here:
    """Where a state stands: its scope, its number, its language."""

    scope: Scope
    i: int
    jsonata: bool

    @property
    def name(self) -> str:
        """The state's name."""
        return self.scope.names[self.i]


def _reachable(start: str, states: dict[str, JSON]) -> dict[str, JSON]:
    """Only the states that can be reached: AWS refuses the others."""
    found: list[str] = []
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in found:
            found.append(name)
            state = states[name]
            todo += [state[key] for key in ("Next", "Default") if key in state]
            todo += [rule["Next"] for rule in [*state.get("Choices", ()), *state.get("Catch", ())]]
    return {name: state for name, state in states.items() if name in found}
