"""The scripted world of a case: what its tasks answer, and in which order.

Of a Task state's answers, the first unused one whose `when` matches the call is taken; if none matches, the
first unused one; when all are used, the last repeats. A Task state without an entry must not be called.

One addition to the recorded format: `after`, the seconds of virtual time until the answer comes (0 if absent).
"""

from __future__ import annotations

from typing import Any

import msgspec

from .compare import difference

JSON = Any

_STAGES = {
    "TaskStartFailed": "start",
    "LambdaFunctionStartFailed": "start",
    "TaskSubmitFailed": "submit",
    "LambdaFunctionScheduleFailed": "schedule",
    "ActivityScheduleFailed": "schedule",
}


class Answer(msgspec.Struct, frozen=True):
    """What one call of a task meets with.

    `kind` is `succeed`, `fail` or `silence`; `submitted`, if any, comes before. `delay` is in seconds.
    """

    kind: str
    output: JSON = None
    error: str | None = None
    cause: str | None = None
    stage: str = "run"
    submitted: list[JSON] = []  # at most one value
    delay: float = 0.0


class Script:
    """The answers of a case, used up call by call. `problems` lists calls that the case does not foresee."""

    def __init__(self, tasks: list[dict[str, JSON]]) -> None:
        self._echo: set[str | None] = set()
        self._answers: dict[str | None, list[dict[str, JSON]]] = {}
        self._used: dict[str | None, set[int]] = {}
        self.calls: list[tuple[str, JSON]] = []
        self.problems: list[str] = []
        self.surprises: list[str] = []
        for task in tasks:
            self._answers.setdefault(task.get("state"), []).extend(task.get("responds", ()))
            if task.get("behaviour") == "echo":
                self._echo.add(task.get("state"))

    def answer(self, state: str, parameters: JSON) -> Answer:
        """The answer to a call of `state` with these effective parameters."""
        self.calls.append((state, parameters))
        entry = state if state in self._answers else None
        if entry in self._echo:
            return Answer("succeed", output=parameters)
        answers = self._answers.get(entry)
        if not answers:
            self.problems.append(f"task {state!r} must not be called")
            return Answer("fail", error="Conformance.UnexpectedCall")
        return _read(self._pick(entry, answers, state, parameters))

    def _pick(self, entry: str | None, answers: list[dict[str, JSON]], state: str, parameters: JSON) -> dict[str, JSON]:
        used = self._used.setdefault(entry, set())
        unused = [i for i in range(len(answers)) if i not in used]
        if not unused:
            return answers[-1]
        misfits = {i: difference(expand(answers[i].get("when", "{{any}}")), parameters) for i in unused}
        choice = next((i for i in unused if misfits[i] is None), unused[0])
        if misfits[choice] is not None:
            self.surprises.append(f"task {state!r} was called unlike recorded: {misfits[choice]}")
        used.add(choice)
        return answers[choice]


def expand(value: JSON) -> JSON:
    """`value` with every `{"$repeat": [text, n]}` replaced by the text n times."""
    if isinstance(value, list):
        return [expand(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$repeat"}:
        text, times = value["$repeat"]
        return text * times
    return {key: expand(item) for key, item in value.items()}


def _read(data: dict[str, JSON]) -> Answer:
    submitted = [expand(data["submitted"])] if "submitted" in data else []
    delay = data.get("after", 0.0)
    if data.get("timeout") or data.get("never"):
        return Answer("silence", submitted=submitted)
    if "output" in data:
        return Answer("succeed", output=expand(data["output"]), submitted=submitted, delay=delay)
    stage = _STAGES.get(data.get("at", ""), "run")
    return Answer(
        "fail", error=data.get("error"), cause=data.get("cause"), stage=stage, submitted=submitted, delay=delay
    )
