"""One state on the real engine: the row that an execution would run, with neighbours that only have names.

The state is lowered as the compiler lowers it, but every stage of its data flow is watched, and every failure
passes by here before Retry and Catch see it. A mocked Map or Parallel runs as what it then is: a Task whose
answer is known. So TestState has no interpreter of its own that could differ from an execution.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from express.api.teststate.items import MapFacts, inspect_map
from express.api.teststate.request import STATE, Question
from express.asl import model
from express.asl.resources import Resource
from express.engine import About, Entropy, Execution, Program, advance, deliver
from express.engine.effects import Effect, StartTask
from express.engine.events import Event, TaskFailed, TaskSucceeded, TimerFired
from express.engine.execution import RETRY, WAIT_OVER, Frame
from express.engine.program import END, CatchRow, Row, Scope, Step, matches
from express.engine.recovery import Failed
from express.errors import EXCEED_TOLERATED_FAILURE_THRESHOLD, DefinitionError, StatesError
from express.states import KINDS
from express.states.lowering import Lowering
from express.values import JSON

Step_ = TypeVar("Step_", bound=Callable[..., Any])

MOCKED = Resource(kind="other", arn="arn:express:teststate:::mock")
"""The resource of the Task that a mocked Map or Parallel becomes."""


class _Frame(Frame):
    """A frame whose Context object may be given, and whose role may be missing."""

    __slots__ = ("given", "role")

    given: dict[str, JSON] | None
    role: str | None

    def context(self) -> dict[str, JSON]:
        if self.given is not None:
            return self.given
        context = super().context()
        context["Execution"]["RoleArn"] = self.role
        return context


class Probe:
    """A state under test: what it asked for, what it gave, and what its stages saw on the way.

    `task` is the call that somebody must perform, None where a mock has answered or there is none.
    """

    def __init__(self, question: Question, about: About, entropy: Entropy) -> None:
        self.question = question
        self.seen: dict[str, JSON] = {}
        self.failure: StatesError | None = None
        self.caught: int | None = None
        self.map: MapFacts | None = None
        self.task: StartTask | None = None
        self.arguments: JSON = UNSET
        self.result: JSON = UNSET
        self._retriers: tuple[Any, ...] = ()
        self._frame = self._start(about, entropy)
        self._take(advance(self._frame.x, 0.0))

    # What came out -------------------------------------------------------------------------------------

    @property
    def output(self) -> JSON:
        """The state's output, once it has been left."""
        return self._frame.data

    @property
    def variables(self) -> dict[str, JSON]:
        """The variables after the state."""
        return dict(self._frame.vars)

    @property
    def next_state(self) -> str | None:
        """The state that comes next, None at an end."""
        return self._frame.rows[self._frame.at].name if self._frame.at else None

    @property
    def retrying(self) -> bool:
        """Return whether a retrier would run the state again."""
        x = self._frame.x
        return any(role == RETRY for _, role in x.pending.values())

    @property
    def failed(self) -> bool:
        """Return whether nothing handled the failure of the state."""
        finished = self._frame.x.finished
        return finished is not None and finished.status == "FAILED"

    def retrier(self) -> tuple[int, int] | None:
        """The retrier that matches the failure, with the seconds it would wait; None where there is none."""
        if self.failure is None:
            return None
        for i, row in enumerate(self._retriers):
            if matches(row.errors, self.failure.error):
                used = self.question.settings.retrier_retry_count or 0
                return i, int(row.delay(used + 1))
        return None

    # Events --------------------------------------------------------------------------------------------

    def answer(self, event: Event) -> None:
        """Take the answer to `task`."""
        if isinstance(event, TaskSucceeded):
            self.result = event.output
        elif isinstance(event, TaskFailed):
            self.failure = StatesError(event.error, event.cause)
        self._take(deliver(self._frame.x, event, 0.0))

    def _take(self, effects: list[Effect]) -> None:
        """Answer from the mock; let a Wait be over at once. What the engine takes for a bug is raised here.

        That may be a refusal of ours (ApiError) which only the running state could bring to light.
        """
        for effect in effects:
            if isinstance(effect, StartTask):
                self.arguments = effect.input
                mock = self.question.mock
                if mock is None:
                    self.task = effect
                elif mock.fails:
                    self.answer(TaskFailed(effect.seq, mock.error, mock.cause))
                else:
                    self.answer(self._mocked(effect.seq, mock.result))
        x = self._frame.x
        if x.bug is not None:
            raise x.bug
        for seq, (_, role) in list(x.pending.items()):
            if role == WAIT_OVER:
                self._take(deliver(x, TimerFired(seq), x.now))

    def _mocked(self, seq: int, result: JSON) -> Event:
        if self.map is not None and self.map.exceeded(self.question.settings.map_iteration_failure_count, result):
            return TaskFailed(
                seq, EXCEED_TOLERATED_FAILURE_THRESHOLD, "The specified tolerated failure threshold was exceeded"
            )
        return TaskSucceeded(seq, result)

    # Making it ready -----------------------------------------------------------------------------------

    def _start(self, about: About, entropy: Entropy) -> _Frame:
        question = self.question
        row, neighbours = self._lower()
        program = Program(scope=Scope((row, *neighbours), 0))
        x = Execution(program, question.data, 0.0, about, entropy, None, None)
        frame = _Frame(x, program.scope.rows, question.data)
        frame.given = question.context
        frame.role = question.role_arn
        frame.bound = 1 << 62
        frame.vars = question.variables
        used = question.settings.retrier_retry_count
        if used and row.retry:
            frame.retries = [used] * len(row.retry)
            frame.retry_count = used
        x.ready.append((frame, 0))
        return frame

    def _lower(self) -> tuple[Row, list[Row]]:
        """The row of the state, watched, and a row that ends for each state it may lead to."""
        question = self.question
        state = question.state
        if isinstance(state, model.Map | model.Parallel):
            state = as_task(state)
        names = list(dict.fromkeys(model.targets(state)))
        low = Lowering(
            name=STATE,
            jsonata=question.jsonata,
            targets={"": END, **{name: i for i, name in enumerate(names, 1)}},
            scope=lambda machine: Scope((), 0),
            location=f"/States/{STATE}",
            findings=[],
            resources=[],
            watch=self._watch,
        )
        row = KINDS[state.__struct_config__.tag](state, low)  # type: ignore[index]  # tagged, every one
        if low.findings:
            raise DefinitionError(low.findings)
        self._retriers = row.retry
        return self._guard(row), [Row(name=name, kind="Succeed", enter=_end) for name in names]

    def _watch(self, field: str, compiled: Any) -> Any:
        """Note what a stage gives."""
        if compiled is None:
            return None

        @wraps(compiled)
        def noted(*given: Any) -> JSON:
            value = compiled(*given)
            if self.caught is None and self.failure is None:
                self.seen[field] = value
            return value

        return noted

    def _guard(self, row: Row) -> Row:
        """`row` with its failures noted; they go on without the place, which TestState does not tell."""
        enter = self._noting(row.enter)
        if isinstance(self.question.state, model.Map):
            enter = self._noting(self._map_first(row.enter))
        return msgspec.structs.replace(
            row,
            enter=enter,
            resume=None if row.resume is None else self._noting(row.resume),
            catch=tuple(self._catcher(i, catcher) for i, catcher in enumerate(row.catch)),
        )

    def _noting(self, step: Step_) -> Step_:
        @wraps(step)
        def noted(*given: Any) -> Any:
            try:
                return step(*given)
            except StatesError as failure:
                self.failure = failure
                raise Failed(failure.error, failure.cause) from failure

        return noted  # type: ignore[return-value]  # the same callable, watched

    def _catcher(self, position: int, catcher: CatchRow) -> CatchRow:
        def leave(frame: Frame, output: JSON) -> None:
            self.caught = position
            catcher.leave(frame, output)

        return CatchRow(catcher.errors, catcher.next, self._noting(leave))

    def _map_first(self, enter: Callable[[Execution, Frame, Row], Step]) -> Callable[[Execution, Frame, Row], Step]:
        """A Map looks at its items and limits before its work begins."""

        def looked(x: Execution, frame: Frame, row: Row) -> Step:
            state = self.question.state
            assert isinstance(state, model.Map)
            self.map = inspect_map(state, frame, self.question, self._watch)
            return enter(x, frame, row)

        return looked


def _end(x: Execution, frame: Frame, row: Row) -> Step:
    return END


def as_task(state: model.Map | model.Parallel) -> model.Task:
    """The Task that a mocked Map or Parallel is: the same data flow around an answer from elsewhere."""
    shared = {name: getattr(state, name) for name in model.Guarded.__struct_fields__}
    if isinstance(state, model.Map):
        shared["parameters"] = UNSET  # the old name of ItemSelector, which is for the items
    return model.Task(resource=MOCKED, **shared)
