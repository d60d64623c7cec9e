"""Answers for tasks from a file: Step Functions Local's mock configuration, with latencies for load tests.

The format is read as it is: `StateMachines.NAME.TestCases.CASE` maps states to entries of `MockedResponses`; an entry
maps invocations of the state within an execution (`"0"` the first call, `"1-2"` the next two, whether they are retries,
iterations of a Map or the state entered again) to `Return` or `Throw`. States that a test case does not name are called
for real. Ours are three additions:

* `"Latency"` beside Return or Throw: "20ms", {"Uniform": ["5ms", "20ms"]}, {"Exponential": "20ms"} (its mean), or
  {"LogNormal": {"p50": "20ms", "p99": "90ms"}};
* invocations `"*"`: every one not named, as one answer or a list of answers drawn by `"Weight"`;
* `"Concurrency"` beside the invocations: so many calls at a time, others wait in line.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import orjson

from express.config import choose
from express.config.files import read_text
from express.config.quantities import Duration
from express.engine.effects import StartTask
from express.errors import RUNTIME, ConfigError, StatesError
from express.ports import Integration, TaskContext
from express.values import JSON

_INVOCATIONS = re.compile(r"(\d+)(?:-(\d+))?\Z")
_Z99 = 2.3263478740408408
"""The 99th percentile of the standard normal distribution."""

MOST_INVOCATIONS = 100_000
"""Invocations that one range may name."""

MOST_EXECUTIONS = 100_000
"""Executions whose invocations are counted at a time; those that have called nothing for longest are forgotten."""

Draw = Callable[[], float]


class Answer:
    """The answer to a call, and its delay. `error` None: it succeeds."""

    __slots__ = ("error", "latency", "result", "weight")

    def __init__(self, entry: dict[str, Any], place: str, chance: random.Random) -> None:
        _known(entry, {"Return", "Throw", "Latency", "Weight"}, place)
        if ("Return" in entry) == ("Throw" in entry):
            raise ConfigError(f"{place}: exactly one of Return and Throw is needed")
        throw = entry.get("Throw")
        if throw is not None and not (isinstance(throw, dict) and isinstance(throw.get("Error"), str)):
            raise ConfigError(f"{place}: Throw needs an Error, and may have a Cause")
        self.error = None if throw is None else (throw["Error"], throw.get("Cause"))
        self.result: JSON = entry.get("Return")
        self.latency = _latency(entry["Latency"], f"{place}/Latency", chance) if "Latency" in entry else None
        self.weight = _weight(entry.get("Weight", 1), place)

    def give(self) -> JSON:
        """The result. Raises StatesError."""
        if self.error is not None:
            raise StatesError(*self.error)
        return self.result


class Response:
    """The answers of one mocked response, by invocation. None at all is no mistake until somebody asks."""

    def __init__(self, name: str, entry: JSON, chance: random.Random) -> None:
        place = f"MockedResponses/{name}"
        if not isinstance(entry, dict):
            raise ConfigError(f"{place}: expected an object of invocations")
        self._name = name
        self._chance = chance
        self._named: dict[int, Answer] = {}
        self._others: list[Answer] = []
        concurrency = entry.get("Concurrency")
        if concurrency is not None and (type(concurrency) is not int or concurrency < 1):
            raise ConfigError(f"{place}/Concurrency: expected a whole number above 0")
        self._room = None if concurrency is None else asyncio.Semaphore(concurrency)
        for invocations, answer in entry.items():
            if invocations != "Concurrency":
                self._add(invocations, answer, f"{place}/{invocations}")

    @property
    def counted(self) -> bool:
        """Return whether it matters which invocation is answered."""
        return bool(self._named) or not self._others

    def start(self, invocation: int) -> JSON | Awaitable[JSON]:
        """Answer a call: at once if that takes no time. Raises StatesError."""
        answer = self._named.get(invocation) or self._draw(invocation)
        if answer.latency is None and self._room is None:
            return answer.give()
        return self._later(answer)

    def _draw(self, invocation: int) -> Answer:
        if not self._others:
            known = ", ".join(map(str, sorted(self._named))) or "none"
            raise StatesError(
                RUNTIME,
                f"The mocked response {self._name} has no answer for invocation {invocation} of the state; "
                f"it answers: {known}",
            )
        if len(self._others) == 1:
            return self._others[0]
        return self._chance.choices(self._others, [answer.weight for answer in self._others])[0]

    async def _later(self, answer: Answer) -> JSON:
        if self._room is None:
            await _pause(answer)
        else:
            async with self._room:
                await _pause(answer)
        return answer.give()

    def _add(self, invocations: str, entry: JSON, place: str) -> None:
        if invocations == "*":
            entries = entry if isinstance(entry, list) and entry else [entry]
            self._others = [Answer(_object(one, place), place, self._chance) for one in entries]
            return
        match = _INVOCATIONS.match(invocations)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ConfigError(f'{place}: invocations are written "0", "1-3" or "*"')
        if int(match[2] or match[1]) - int(match[1]) >= MOST_INVOCATIONS:
            raise ConfigError(f"{place}: a range holds {MOST_INVOCATIONS:,} invocations at most")
        answer = Answer(_object(entry, place), place, self._chance)
        for invocation in range(int(match[1]), int(match[2] or match[1]) + 1):
            self._named[invocation] = answer


TestCase: TypeAlias = Mapping[str, Response]
"""State → its answers."""


class Invocations:
    """Counts of the calls that the states of each execution have made."""

    def __init__(self, most: int = MOST_EXECUTIONS) -> None:
        """`most`: executions that are counted at a time."""
        self._most = most
        self._counts: OrderedDict[str, Counter[str]] = OrderedDict()

    def next(self, execution_arn: str, state: str) -> int:
        """Count an invocation of `state`, and return its number within the execution, from 0."""
        counts = self._counts.get(execution_arn)
        if counts is None:
            counts = self._counts[execution_arn] = Counter()
            if len(self._counts) > self._most:
                self._counts.popitem(last=False)
        else:
            self._counts.move_to_end(execution_arn)
        counts[state] += 1
        return counts[state] - 1


class MockedTasks(Integration):
    """An `Integration` around another: what the test case names is answered from it."""

    def __init__(self, inner: Integration, case: TestCase) -> None:
        """`case` comes from `load_case` or `parse_case`."""
        self._inner = inner
        self._case = case
        self._invocations = Invocations()
        self._preparing = getattr(inner, "prepare", None)

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Answer this invocation. Raises StatesError for a Throw, and where none is written for the invocation."""
        response = self._case.get(task.state)
        if response is None:
            return self._inner.start(task, context)
        counted = response.counted
        return response.start(self._invocations.next(context.execution_arn, task.state) if counted else 0)

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """A task that is called for real, with what its parameters make; raises Unsendable."""
        if self._preparing is None or task.state in self._case:
            return task
        prepared: StartTask = self._preparing(task, context)
        return prepared


class MockedExecutions(Integration):
    """An `Integration` around another for a server: each execution may have been started with a test case."""

    def __init__(self, inner: Integration, file: str) -> None:
        """Read the mock file. Raises ConfigError."""
        self._inner = inner
        self._file = file
        self._text = read_mocks(file)
        parse_object(self._text, file)
        self._running: dict[str, MockedTasks] = {}

    def begin(self, execution_arn: str, machine: str, case: str) -> None:
        """Answer the tasks of an execution from a test case until `end`. Raises ConfigError where there is none."""
        self._running[execution_arn] = MockedTasks(
            self._inner, parse_case(self._text, machine, case, 1, self._file, only=False)
        )

    def end(self, execution_arn: str) -> None:
        """Forget an execution."""
        self._running.pop(execution_arn, None)

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """Answer from the execution's test case, or call for real."""
        return (self._running.get(context.execution_arn) or self._inner).start(task, context)

    def prepare(self, task: StartTask, context: TaskContext) -> StartTask:
        """Return the task with what its parameters make, where it is called for real; raises Unsendable."""
        performer = self._running.get(context.execution_arn) or self._inner
        return performer.prepare(task, context)


def load_case(place: str, machine: str, seed: int = 1) -> TestCase:
    """The test case that `FILE#TESTCASE` names; of a file with one test case, `FILE` is enough.

    Raises ConfigError that names the file, the place in it, and what is wrong there.
    """
    file, _, case = place.partition("#")
    return parse_case(read_mocks(file), machine, case or None, seed, file)


def read_mocks(file: str) -> str:
    """The text of a mock file. Raises ConfigError."""
    return read_text(file, "the mock file")


def parse_object(text: str, file: str) -> dict[str, Any]:
    """Return the mock file as an object. Raises ConfigError."""
    try:
        return _object(orjson.loads(text), file)
    except ValueError as error:
        raise ConfigError(f"{file} is not JSON: {error}") from None


def parse_case(
    text: str, machine: str, case: str | None, seed: int, file: str = "the mock file", *, only: bool = True
) -> TestCase:
    """One test case of `machine`. `case` None: the only one there is. `seed` is for weights and latencies.

    `only`: a file that does not know `machine` but one other machine means that one. Raises ConfigError that names
    the place.
    """
    chance = random.Random(seed)
    data = parse_object(text, file)
    machines = _object(data.get("StateMachines", {}), f"{file}: StateMachines")
    name = next(iter(machines)) if only and len(machines) == 1 else machine
    choose(name, machines, f"state machine in {file}:")
    cases = _object(_object(machines[name], f"{file}: StateMachines/{name}").get("TestCases", {}), "TestCases")
    if case is None and len(cases) != 1:
        raise ConfigError(f"{file} has {len(cases)} test cases; name one, --mock FILE#TESTCASE: {', '.join(cases)}")
    case = next(iter(cases)) if case is None else case
    choose(case, cases, f"test case in {file}:")
    table = _object(data.get("MockedResponses", {}), f"{file}: MockedResponses")
    responses: dict[str, Response] = {}
    for state, response in _object(cases[case], f"{file}: TestCases/{case}").items():
        choose(str(response), table, f"mocked response in {file}:")
        responses[state] = Response(response, table[response], chance)
    return responses


async def _pause(answer: Answer) -> None:
    if answer.latency is not None:
        await asyncio.sleep(answer.latency())


def _latency(entry: JSON, place: str, chance: random.Random) -> Draw:
    if isinstance(entry, str):
        constant = _seconds(entry, place)
        return lambda: constant
    if not isinstance(entry, dict) or len(entry) != 1:
        raise ConfigError(f'{place}: expected a duration such as "20ms", or one of {", ".join(DISTRIBUTIONS)}')
    name, argument = next(iter(entry.items()))
    choose(name, DISTRIBUTIONS, f"distribution in {place}:")
    return DISTRIBUTIONS[name](argument, place, chance)


def _uniform(argument: JSON, place: str, chance: random.Random) -> Draw:
    if not isinstance(argument, list) or len(argument) != 2:
        raise ConfigError(f'{place}: Uniform takes two durations: ["5ms", "20ms"]')
    low, high = (_seconds(end, place) for end in argument)
    return lambda: chance.uniform(low, high)


def _exponential(argument: JSON, place: str, chance: random.Random) -> Draw:
    mean = _seconds(argument, place)
    if not mean:
        raise ConfigError(f"{place}: the mean of Exponential must be above 0")
    return lambda: chance.expovariate(1 / mean)


def _log_normal(argument: JSON, place: str, chance: random.Random) -> Draw:
    given = _object(argument, place)
    _known(given, {"p50", "p99"}, place)
    middle, high = _seconds(given.get("p50"), place), _seconds(given.get("p99"), place)
    if not 0 < middle < high:
        raise ConfigError(f"{place}: LogNormal needs 0 < p50 < p99")
    mu, sigma = math.log(middle), math.log(high / middle) / _Z99
    return lambda: chance.lognormvariate(mu, sigma)


DISTRIBUTIONS: dict[str, Callable[[JSON, str, random.Random], Draw]] = {
    "Uniform": _uniform,
    "Exponential": _exponential,
    "LogNormal": _log_normal,
}


def _seconds(text: JSON, place: str) -> float:
    try:
        return float(Duration.parse(text))
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from None


def _weight(value: JSON, place: str) -> float:
    if type(value) not in (int, float) or value <= 0:
        raise ConfigError(f"{place}/Weight: expected a number above 0")
    return float(value)


def _object(value: JSON, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{place}: expected an object")
    return value


def _known(entry: dict[str, Any], names: set[str], place: str) -> None:
    for name in entry:
        choose(name, names, f"key in {place}:")
