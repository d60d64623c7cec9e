"""Step Functions Local's mock configuration: the answers of tasks, from a file, instead of calls.

`StateMachines.NAME.TestCases.CASE` maps states to entries of `MockedResponses`; an entry maps attempts (`"0"`, `"1-2"`:
the first call and its retries) to `Return` or `Throw`. States that a test case does not name are called for real.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from express.config.shape import nearest
from express.engine.effects import StartTask
from express.errors import RUNTIME, ConfigError, StatesError
from express.ports import Integration, TaskContext
from express.values import JSON, loads


class Throw(msgspec.Struct, frozen=True):
    """An answer that is an error."""

    error: str
    cause: str | None


class Return(msgspec.Struct, frozen=True):
    """An answer that is a result."""

    output: JSON


class Attempts(msgspec.Struct, frozen=True):
    """What the attempts from `first` to `last` are answered with."""

    first: int
    last: int
    answer: Return | Throw


TestCase: TypeAlias = Mapping[str, tuple[Attempts, ...]]


class MockedTasks:
    """An `Integration` around another: what the test case names is answered from it."""

    def __init__(self, inner: Integration, case: TestCase) -> None:
        """`case` comes from `load_case`."""
        self._inner = inner
        self._case = case

    def start(self, task: StartTask, context: TaskContext) -> JSON | Awaitable[JSON]:
        """The answer for this attempt. Raises StatesError for a Throw, and where none is written for the attempt."""
        attempts = self._case.get(task.state)
        if attempts is None:
            return self._inner.start(task, context)
        for row in attempts:
            if row.first <= task.attempt <= row.last:
                if isinstance(row.answer, Throw):
                    raise StatesError(row.answer.error, row.answer.cause)
                return row.answer.output
        raise StatesError(RUNTIME, f"The mocked response of {task.state!r} says nothing of attempt {task.attempt}")


def load_case(place: str, machine: str) -> TestCase:
    """The test case `FILE#CASE` of a state machine; a file with one machine only is for any.

    Raises ConfigError that names the place in the file and what is wrong there.
    """
    file, _, name = place.partition("#")
    if not name:
        raise ConfigError(f"--mock {place}: expected FILE#TESTCASE")
    tree = _read(file)
    machines = _table(tree, "StateMachines", file)
    if machine not in machines and len(machines) == 1:
        machine = next(iter(machines))
    cases = _table(_entry(machines, machine, file, "state machine"), "TestCases", f"{file}: {machine}")
    responses = _table(tree, "MockedResponses", file)
    case = _entry(cases, name, file, "test case")
    return {
        state: _attempts(_entry(responses, str(response), file, "mocked response"), f"{file}: {response}")
        for state, response in case.items()
    }


def _read(file: str) -> dict[str, JSON]:
    try:
        tree = loads(Path(file).read_bytes())
    except OSError as error:
        raise ConfigError(f"the mock file {file} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"the mock file {file} is not JSON: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"the mock file {file} is not an object")
    return tree


def _table(tree: dict[str, JSON], key: str, place: str) -> dict[str, JSON]:
    found = tree.get(key)
    if not isinstance(found, dict) or not found:
        raise ConfigError(f"{place}: {key} is missing, or not an object")
    return found


def _entry(table: dict[str, JSON], name: str, file: str, what: str) -> dict[str, JSON]:
    if name not in table:
        raise ConfigError(f"{file}: there is no {what} {name!r}; {nearest(name, table)}")
    found = table[name]
    if not isinstance(found, dict):
        raise ConfigError(f"{file}: the {what} {name!r} is not an object")
    return found


def _attempts(response: dict[str, JSON], place: str) -> tuple[Attempts, ...]:
    return tuple(_row(attempts, answer, f"{place}[{attempts!r}]") for attempts, answer in response.items())


def _row(attempts: str, answer: JSON, place: str) -> Attempts:
    first, _, last = attempts.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) < int(first):
        raise ConfigError(f'{place}: expected an attempt such as "0", or a range such as "1-2"')
    return Attempts(int(first), int(last or first), _answer(answer, place))


def _answer(answer: JSON, place: str) -> Return | Throw:
    if isinstance(answer, dict) and len(answer) == 1:
        if "Return" in answer:
            return Return(answer["Return"])
        thrown = answer.get("Throw")
        if isinstance(thrown, dict) and isinstance(thrown.get("Error"), str):
            return Throw(thrown["Error"], thrown.get("Cause"))
    raise ConfigError(f"{place}: expected either Return, or Throw with Error and Cause")
