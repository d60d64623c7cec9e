"""The States Language, read from the definition state by state: no compilation, no sharing, no tricks.

Deliberately slow: every visit of a state looks its fields up again, every value is copied, every path is read
from its text. It models results, error names, the path taken and virtual time, not cause texts or history.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import jlens

from .choices import RFC3339, holds
from .failure import Failure, handles
from .paths import Surroundings, fill, read, value_of, write
from .threads import Body, Capped, Clock, Fork, Sleep

JSON = Any
LIMIT = 262_144


class Answer(Protocol):
    """What a task meets with (see tests.conformance.script)."""

    @property
    def kind(self) -> str:
        """`succeed`, `fail` or `silence`."""

    @property
    def output(self) -> JSON:
        """The raw result."""

    @property
    def error(self) -> str | None:
        """The error name."""

    @property
    def cause(self) -> str | None:
        """The cause."""

    @property
    def delay(self) -> float:
        """Seconds until it comes."""


class World(Protocol):
    """What answers the tasks."""

    def answer(self, state: str, parameters: JSON) -> Answer:
        """The answer to a call of `state`."""


@dataclass
class Result:
    """How it went. `path` names the states entered, in order; `racy`: see `threads.Clock`."""

    status: str
    output: JSON = None
    error: str | None = None
    path: list[str] = field(default_factory=list)
    transitions: int = 0
    at: float = 0.0
    racy: bool = False


def check_size(value: JSON) -> None:
    """Payloads and the variables of one Assign may have 256 KiB of JSON text."""
    if len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()) > LIMIT:
        raise Failure("States.DataLimitExceeded")


def interpret(definition: dict[str, JSON], data: JSON, world: World, *, started: float = 0.0) -> Result:
    """Run a machine on a virtual clock that begins at 0; `started` is the wall time then."""
    run = Interpreter(definition, data, world, started)
    limit = min(300.0, definition.get("TimeoutSeconds", 300))
    clock = run.clock = Clock(limit)
    result = Result("SUCCEEDED")
    try:
        result.output = clock.run(run.machine(definition, copy.deepcopy(data), Place({}, {})))
    except Failure as failure:
        result.status, result.error = "FAILED", failure.error
    except Capped:
        result.status, result.error = "TIMED_OUT", "States.Timeout"
    result.path, result.transitions, result.at, result.racy = run.path, run.transitions, clock.now, clock.racy
    return result


@dataclass
class Place:
    """Where a state runs: the variables of its scope (those of outer scopes copied in) and its Map item."""

    variables: dict[str, JSON]
    context: dict[str, JSON]


@dataclass
class Visit:
    """One stay in a state: its name and definition, its language, what it was given."""

    name: str
    state: dict[str, JSON]
    raw: JSON
    place: Place
    jsonata: bool
    retries: int = 0
    context: dict[str, JSON] = field(default_factory=dict)

    def around(self) -> Surroundings:
        """What paths may start from."""
        return Surroundings(self.context, self.place.variables)


class Interpreter:
    """One execution."""

    clock: Clock

    def __init__(self, definition: dict[str, JSON], data: JSON, world: World, started: float) -> None:
        self.language = definition.get("QueryLanguage", "JSONPath")
        self.input = data
        self.world = world
        self.started = started
        self.path: list[str] = []
        self.transitions = 0

    def machine(self, machine: dict[str, JSON], data: JSON, place: Place) -> Body:
        """Run one `States` map; its result is the output."""
        name: str | None = machine["StartAt"]
        while name is not None:
            self.path.append(name)
            self.transitions += 1
            state = machine["States"][name]
            language = state.get("QueryLanguage", self.language)
            visit = Visit(name, state, data, place, language == "JSONata")
            name, data = yield from self.visit(visit)
        return data

    def visit(self, visit: Visit) -> Generator[Any, Any, tuple[str | None, JSON]]:
        """Run one state with its Retry and Catch: the next state's name, and the data for it."""
        used: dict[int, int] = {}
        while True:
            visit.context = self.context(visit)
            try:
                done: tuple[str | None, JSON] = yield from getattr(self, "do_" + visit.state["Type"].lower())(visit)
                return done
            except Failure as failure:
                wait = self.retry(visit, failure, used)
                if wait is None:
                    return self.catch(visit, failure)
            yield Sleep(self.clock.now + wait)
            self.transitions += 1
            visit.retries += 1

    def retry(self, visit: Visit, failure: Failure, used: dict[int, int]) -> float | None:
        """Seconds until the next attempt, None if there is none."""
        for i, retrier in enumerate(visit.state.get("Retry", ())):
            if handles(retrier["ErrorEquals"], failure.error):
                attempt = used[i] = used.get(i, 0) + 1
                if attempt > retrier.get("MaxAttempts", 3):
                    return None
                wait = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** (attempt - 1)
                return float(min(wait, retrier.get("MaxDelaySeconds", wait)))
        return None

    def catch(self, visit: Visit, failure: Failure) -> tuple[str, JSON]:
        """Go where the first catcher for this failure says, or fail on."""
        for catcher in visit.state.get("Catch", ()):
            if handles(catcher["ErrorEquals"], failure.error):
                cause = "" if failure.cause is None and failure.error is not None else failure.cause
                return catcher["Next"], self.caught(visit, catcher, {"Error": failure.error, "Cause": cause})
        raise failure

    def caught(self, visit: Visit, catcher: dict[str, JSON], error: JSON) -> JSON:
        if visit.jsonata:
            states = {"input": visit.raw, "errorOutput": error}
            output = self.evaluate(catcher["Output"], states, visit) if "Output" in catcher else error
            check_size(output)
            self.assign(visit, catcher, self.evaluate(catcher.get("Assign", {}), states, visit))
            return output
        output = write(catcher.get("ResultPath", "$"), visit.raw, error)
        check_size(output)
        self.assign(visit, catcher, fill(catcher.get("Assign", {}), error, visit.around()))
        return output

    def assign(self, visit: Visit, where: dict[str, JSON], values: dict[str, JSON]) -> None:
        """New values of variables; what reads them comes later."""
        if "Assign" in where:
            check_size(values)
            visit.place.variables.update(values)

    # One kind of state each --------------------------------------------------------------------------------

    def do_pass(self, visit: Visit) -> Any:
        state = visit.state
        if visit.jsonata:
            return self.leave(visit, visit.raw)
        result = self.parameters(visit, self.effective(visit))
        if "Result" in state:
            result = copy.deepcopy(state["Result"])
        return self.leave(visit, result)
        yield

    def do_succeed(self, visit: Visit) -> Any:
        return None, self.leave(visit, visit.raw if visit.jsonata else self.effective(visit))[1]
        yield

    def do_fail(self, visit: Visit) -> Any:
        state = visit.state
        texts = []
        for name in ("Error", "Cause"):
            text = state.get(name)
            if name + "Path" in state:
                text = value_of(state[name + "Path"], visit.raw, visit.around())
                if not isinstance(text, str):
                    raise Failure("States.Runtime")
            elif visit.jsonata and text is not None:
                text = self.typed(text, visit, str)
            texts.append(text)
        raise Failure(*texts)
        yield

    def do_wait(self, visit: Visit) -> Any:
        until = self.until(visit)
        if until > self.clock.now:
            yield Sleep(until)
        return self.leave(visit, visit.raw if visit.jsonata else self.effective(visit))

    def do_choice(self, visit: Visit) -> Any:
        state = visit.state
        data = visit.raw if visit.jsonata else self.effective(visit)
        for rule in state["Choices"]:
            if self.typed(rule["Condition"], visit, bool) if visit.jsonata else holds(rule, data, visit.around()):
                return rule["Next"], self.leave(visit, data, rule)[1]
        if "Default" not in state:
            raise Failure("States.Runtime")
        return state["Default"], self.leave(visit, data)[1]
        yield

    def do_task(self, visit: Visit) -> Any:
        parameters = self.payload(visit)
        timeout = self.timeout(visit)
        answer = self.world.answer(visit.name, copy.deepcopy(parameters))
        started = self.clock.now
        if answer.kind == "silence" or answer.delay > timeout:
            yield Sleep(started + timeout)
            raise Failure("States.Timeout", None)
        yield Sleep(started + answer.delay)
        if answer.kind == "fail":
            raise Failure(answer.error, answer.cause)
        check_size(answer.output)
        return self.leave(visit, copy.deepcopy(answer.output))

    def do_parallel(self, visit: Visit) -> Any:
        data = self.payload(visit)
        branches = visit.state["Branches"]

        def branch(i: int) -> Body:
            place = Place(copy.deepcopy(visit.place.variables), visit.place.context)
            return self.machine(branches[i], copy.deepcopy(data), place)

        results = yield Fork(len(branches), len(branches), branch)
        return self.leave(visit, results)

    def do_map(self, visit: Visit) -> Any:
        state = visit.state
        items, data = self.items(visit)
        processor = state.get("ItemProcessor") or state["Iterator"]
        selector = state.get("ItemSelector", state.get("Parameters"))

        def iteration(i: int) -> Body:
            item = {"Map": {"Item": {"Index": i, "Value": items[i]}}}
            value = items[i]
            if selector is not None:
                inner = Visit(visit.name, state, visit.raw, visit.place, visit.jsonata)
                inner.context = {**visit.context, **item}
                if visit.jsonata:
                    value = self.evaluate(selector, {"input": visit.raw}, inner)
                else:
                    value = fill(selector, data, inner.around())
            place = Place(copy.deepcopy(visit.place.variables), {**visit.place.context, **item})
            return self.machine(processor, copy.deepcopy(value), place)

        results = yield Fork(len(items), state.get("MaxConcurrency", 0), iteration)
        return self.leave(visit, results)

    # Data on its way through a state -----------------------------------------------------------------------

    def effective(self, visit: Visit) -> JSON:
        path = visit.state.get("InputPath", "$")
        return {} if path is None else read(path, visit.raw, visit.around())

    def payload(self, visit: Visit) -> JSON:
        """What a Task sends and the branches of a Parallel are given: Parameters or Arguments."""
        if not visit.jsonata:
            return self.parameters(visit, self.effective(visit))
        return self.optional("Arguments", visit)

    def optional(self, name: str, visit: Visit) -> JSON:
        """A JSONata field whose default is the state's input."""
        return self.evaluate(visit.state[name], {"input": visit.raw}, visit) if name in visit.state else visit.raw

    def parameters(self, visit: Visit, data: JSON) -> JSON:
        if "Parameters" not in visit.state:
            return data
        return fill(visit.state["Parameters"], data, visit.around())

    def leave(self, visit: Visit, result: JSON, rule: dict[str, JSON] | None = None) -> tuple[str | None, JSON]:
        """What every state does with its result: ResultSelector, ResultPath, OutputPath or Output; and Assign."""
        state = visit.state
        place_of_output = rule if rule is not None and "Output" in rule else state
        assigning = rule if rule is not None else state
        if visit.jsonata:
            states = {"input": visit.raw}
            if state["Type"] in ("Task", "Parallel", "Map"):
                states["result"] = result
            values = self.evaluate(assigning.get("Assign", {}), states, visit)
            output = self.evaluate(place_of_output["Output"], states, visit) if "Output" in place_of_output else result
        else:
            values = fill(assigning.get("Assign", {}), result, visit.around())
            output = fill(state["ResultSelector"], result, visit.around()) if "ResultSelector" in state else result
            if state["Type"] in ("Pass", "Task", "Parallel", "Map"):
                output = write(state.get("ResultPath", "$"), visit.raw, output)
            output = self.output_path(visit, output)
        check_size(output)
        self.assign(visit, assigning, values)
        return state.get("Next"), output

    def output_path(self, visit: Visit, output: JSON) -> JSON:
        path = visit.state.get("OutputPath", "$")
        return {} if path is None else read(path, output, visit.around())

    def items(self, visit: Visit) -> tuple[list[JSON], JSON]:
        if visit.jsonata:
            items = self.optional("Items", visit)
            if not isinstance(items, list):
                raise Failure("States.QueryEvaluationError")
            return items, visit.raw
        data = self.effective(visit)
        try:
            items = read(visit.state.get("ItemsPath", "$"), data, visit.around())
        except Failure as failure:
            raise Failure("States.ReferencePathConflict") from failure
        if not isinstance(items, list):
            raise Failure("States.Runtime")
        return items, data

    def until(self, visit: Visit) -> float:
        """When a Wait ends, in virtual time."""
        state = visit.state
        data = visit.raw if visit.jsonata else self.effective(visit)
        if "Seconds" in state:
            seconds = self.typed(state["Seconds"], visit, int, float) if visit.jsonata else state["Seconds"]
            return self.clock.now + float(seconds)
        if "SecondsPath" in state:
            seconds = read(state["SecondsPath"], data, visit.around())
            if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds < 0:
                raise Failure("States.Runtime")
            return self.clock.now + seconds
        if "Timestamp" in state:
            text = self.typed(state["Timestamp"], visit, str) if visit.jsonata else state["Timestamp"]
        else:
            text = read(state["TimestampPath"], data, visit.around())
        try:
            if not RFC3339.fullmatch(text):
                raise ValueError(text)
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            return max(self.clock.now, moment.astimezone(UTC).timestamp() - self.started)
        except (ValueError, TypeError) as error:
            raise Failure("States.QueryEvaluationError" if visit.jsonata else "States.Runtime") from error

    def timeout(self, visit: Visit) -> float:
        state = visit.state
        if "TimeoutSecondsPath" in state:
            seconds = read(state["TimeoutSecondsPath"], visit.raw, visit.around())
            if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
                raise Failure("States.Runtime")
            return seconds
        seconds = state.get("TimeoutSeconds", float("inf"))
        return float(self.typed(seconds, visit, int) if isinstance(seconds, str) else seconds)

    # JSONata and the Context object ------------------------------------------------------------------------

    def evaluate(self, template: JSON, states: dict[str, JSON], visit: Visit) -> JSON:
        """A JSONata template: whole strings `{% … %}` are expressions, all else is literal."""
        if isinstance(template, list):
            return [self.evaluate(item, states, visit) for item in template]
        if isinstance(template, dict):
            return {key: self.evaluate(value, states, visit) for key, value in template.items()}
        if not isinstance(template, str) or not (template.startswith("{%") and template.endswith("%}")):
            return template
        bindings = {**visit.place.variables, "states": {"context": visit.context, **states}}
        try:
            found = jlens.Expression(f'{{"value": ({template[2:-2]})}}').evaluate({}, bindings, timeout=5.0)
        except jlens.JlensError as error:
            raise Failure("States.QueryEvaluationError") from error
        if "value" not in found:
            raise Failure("States.QueryEvaluationError")
        return found["value"]

    def typed(self, template: JSON, visit: Visit, *kinds: type) -> JSON:
        """A JSONata field whose value must be of a kind."""
        value = self.evaluate(template, {"input": visit.raw}, visit)
        if type(value) not in kinds:
            raise Failure("States.QueryEvaluationError")
        return value

    def context(self, visit: Visit) -> dict[str, JSON]:
        """The part of the Context object that generated machines may look at."""
        state: dict[str, JSON] = {"Name": visit.name}
        if visit.state["Type"] in ("Task", "Parallel", "Map"):
            state["RetryCount"] = visit.retries
        return {**visit.place.context, "Execution": {"Input": self.input}, "State": state}
