"""A host without a world: performs effects on a virtual clock, so that Waits and timeouts take no time.

Timers and answers lie in one heap by (time, order asked for). Nothing here knows a case.
"""

from __future__ import annotations

import heapq
import random
import uuid
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from express.engine import About, History, advance, deliver, start
from express.engine.effects import Cancel, Effect, Finish, StartTask, StartTimer, Yield
from express.engine.events import UNSENT, Event, TaskFailed, TaskStarted, TaskSubmitted, TaskSucceeded, TimerFired
from express.engine.execution import Execution, Prepare
from express.engine.handover import inflate, start_recorded
from express.engine.program import END, cap
from express.engine.segments import PENDING, Call, begin, transitions
from express.engine.snapshot import decode, encode
from express.errors import Unsendable
from express.values import dumps

from .script import Answer

JSON = Any

YIELD_SECONDS = 1.0
"""Virtual seconds that one used-up step budget takes, so that an endless loop meets its cap soon."""

FREE_YIELDS = 100
"""So many take no time: rows and segments have budgets of their own, and a run that ends is to see no difference."""


class Entropy:
    """Seeded chance: the same seed gives the same numbers and ids."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def random(self) -> float:
        """A number in [0, 1)."""
        return self._random.random()

    def uuid(self) -> str:
        """A version-4 UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def token(self, key: str) -> str:
        """A task token, made of the attempt's key."""
        return f"token:{key}"

    def spent(self) -> float:
        """No time."""
        return 0.0


class World(Protocol):
    """What answers the tasks."""

    def answer(self, state: str, parameters: JSON) -> Answer:
        """What a call of `state` with these parameters meets with."""


class Run(msgspec.Struct):
    """How an execution went. `started` and `cancelled` hold seqs; `at` is the virtual time of the end."""

    status: str
    output: JSON
    error: str | None
    cause: str | None
    transitions: int
    at: float
    history: History | None
    execution: Any
    started: set[int]
    answered: set[int]
    cancelled: set[int]
    yielded: bool = False

    @property
    def leaked(self) -> set[int]:
        """Seqs that were neither answered nor cancelled when the execution ended."""
        return self.started - self.answered - self.cancelled


class Host:
    """Runs one execution to its end. `meddle`, if given, sees each event just before it is delivered."""

    def __init__(
        self,
        world: World,
        meddle: Callable[[Any, Event, float], None] | None = None,
        prepare: Prepare | None = None,
    ) -> None:
        """`prepare` looks at the parameters of every call, as the integrations of a worker do."""
        self._world = world
        self._prepare = prepare
        self._meddle = meddle
        self._queue: list[tuple[float, int, Event]] = []
        self._order = self._yields = 0
        self._now = 0.0
        self._started: set[int] = set()
        self._answered: set[int] = set()
        self._cancelled: set[int] = set()
        self._timers: dict[int, float] = {}

    def run(
        self,
        program: Any,
        data: JSON,
        about: About,
        *,
        history: History | None = None,
        entropy: Entropy | None = None,
        limit: float | None = 300.0,
        now: float = 0.0,
        linking: str = "segments",
    ) -> Run:
        """Start and drive until Finish. Raises RuntimeError if the execution can't end any more.

        `linking` `segments`: run the generated segments as far as they go, where the machine has any, as the runtime
        does; `table`: the transition table alone; `durable`: the table, with the state put into bytes and taken out of
        them again before every event.
        """
        self._now = now
        entropy = entropy or Entropy()
        segments = program.segments if linking == "segments" else None
        if segments is not None and history is None:
            x, effects = self._start_fast(program, data, about, entropy, limit)
        elif segments is not None and segments.recording is not None:
            x, effects = self._start_recorded(program, data, about, entropy, limit, history)
        else:
            x, effects = start(
                program, data, now, about=about, entropy=entropy, history=history, limit=limit, prepare=self._prepare
            )
        finish = self._perform(x, effects)
        while finish is None:
            if not self._queue:
                raise RuntimeError("nothing is under way, and the execution has not ended")
            if linking == "durable":
                x = self._stored(x)
            finish = self._perform(x, self._next(x))
        return Run(
            status=finish.status,
            output=finish.output,
            error=finish.error,
            cause=finish.cause,
            transitions=x.transitions,
            at=self._now - now,
            history=history,
            execution=x,
            started=self._started,
            answered=self._answered,
            cancelled=self._cancelled,
            yielded=self._yields > 0,
        )

    def _stored(self, x: Any) -> Any:
        """The same execution, made of its snapshot. Only what belongs to its host is handed over."""
        timers = {seq: at for seq, at in self._timers.items() if seq in x.pending}
        stages = dict.fromkeys(self._started - self._timers.keys() & x.pending.keys(), 1)
        snapshot = encode(x, timers, stages)
        again, due, under_way = decode(snapshot, x.program, x.input, x.about, x.entropy, x.history, self._prepare)
        assert (due, encode(again, due, under_way)) == (timers, snapshot)
        return again

    def _start_fast(
        self, program: Any, data: JSON, about: About, entropy: Entropy, limit: float | None
    ) -> tuple[Any, list[Effect]]:
        """Segments first, with answers that come at once; the table from where they give up."""
        late: list[Answer] = []
        point = begin(program, program.segments, data, len(dumps(data)), self._caller(late, about))
        deadline = cap(program, limit, self._now)
        if point[0] == END:
            x, effects = self._finished(program, point, data, about, entropy)
        else:
            x, effects = inflate(
                program, point, data, self._now, about, entropy, deadline, self._now, prepare=self._prepare
            )
        self._expect(late)
        return x, effects

    def _start_recorded(
        self, program: Any, data: JSON, about: About, entropy: Entropy, limit: float | None, history: History | None
    ) -> tuple[Any, list[Effect]]:
        """The same with a history."""
        assert history is not None
        late: list[Answer] = []
        started = start_recorded(
            program,
            program.segments.recording,
            data,
            self._now,
            self._caller(late, about),
            about=about,
            entropy=entropy,
            history=history,
            limit=limit,
            size=len(dumps(data)),
            prepare=self._prepare,
        )
        self._expect(late)
        return started

    def _caller(self, late: list[Answer], about: About) -> Call:
        """Answers that come at once; the others are `late`."""

        def call(row: Any, payload: JSON, counts: int, tries: int) -> Any:
            if self._prepare is not None:
                try:
                    self._prepare(StartTask(1, row.plan.resource, payload, row.name, row.name), about, None)
                except Unsendable as error:
                    return TaskFailed(1, error.error, error.cause, UNSENT)
            answer = self._world.answer(row.name, payload)
            if answer.kind == "succeed" and not answer.delay:
                return answer.output
            if answer.kind == "fail" and not answer.delay:
                return TaskFailed(1, answer.error, answer.cause, answer.stage)
            late.append(answer)
            return PENDING

        return call

    def _expect(self, late: list[Answer]) -> None:
        for answer in late:
            self._started.add(1)
            self._later(1, answer)

    def _finished(
        self, program: Any, point: Any, data: JSON, about: About, entropy: Entropy
    ) -> tuple[Any, list[Effect]]:
        x = Execution(program, data, self._now, about, entropy, None, None)
        x.transitions = transitions(point)
        x.finished = Finish("SUCCEEDED", point[1])
        return x, [x.finished]

    def _next(self, x: Any) -> list[Effect]:
        self._now, _, event = heapq.heappop(self._queue)
        seq = getattr(event, "seq", None)
        if seq in self._cancelled:
            return []
        if seq is not None and not isinstance(event, TaskSubmitted | TaskStarted):
            self._answered.add(seq)
        if self._meddle is not None:
            self._meddle(x, event, self._now)
        return deliver(x, event, self._now)

    def _perform(self, x: Any, effects: list[Effect]) -> Finish | None:
        while effects:
            more: list[Effect] = []
            for effect in effects:
                if isinstance(effect, Finish):
                    return effect
                if isinstance(effect, Yield):
                    self._yields += 1
                    self._now += YIELD_SECONDS if self._yields > FREE_YIELDS else 0.0
                    more.extend(self._due(x))
                else:
                    self._take(effect)
            effects = more
        return None

    def _due(self, x: Any) -> list[Effect]:
        """After a yield: first what came due meanwhile (the cap, say), then the rest of the execution."""
        effects: list[Effect] = []
        now = self._now
        while self._queue and self._queue[0][0] <= now and x.finished is None:
            effects.extend(self._next(x))
        self._now = now
        return effects if x.finished is not None else effects + advance(x, now)

    def _take(self, effect: Effect) -> None:
        if isinstance(effect, StartTask):
            self._started.add(effect.seq)
            if effect.resource.kind == "activity":
                self._push(self._now, TaskStarted(effect.seq))
            self._answer(effect)
        elif isinstance(effect, StartTimer):
            self._started.add(effect.seq)
            self._timers[effect.seq] = effect.at
            self._push(effect.at, TimerFired(effect.seq))
        elif isinstance(effect, Cancel):
            self._cancelled.add(effect.seq)

    def _answer(self, task: StartTask) -> None:
        self._later(task.seq, self._world.answer(task.state, task.input))

    def _later(self, seq: int, answer: Answer) -> None:
        at = self._now + answer.delay
        for output in answer.submitted:
            self._push(self._now, TaskSubmitted(seq, output))
        if answer.kind == "succeed":
            self._push(at, TaskSucceeded(seq, answer.output))
        elif answer.kind == "fail":
            self._push(at, TaskFailed(seq, answer.error, answer.cause, answer.stage))

    def _push(self, at: float, event: Event) -> None:
        self._order += 1
        heapq.heappush(self._queue, (max(at, self._now), self._order, event))
