"""An execution with a full history on the segments: what it does is kept as references and told when somebody asks."""

from __future__ import annotations

from express.engine.effects import Effect, Finish
from express.engine.execution import About, Entropy, Execution, Prepare
from express.engine.handover import inflate
from express.engine.history import History
from express.engine.program import END, EXECUTION_SECONDS, Program, cap
from express.engine.segments import Call, Segments, begin, transitions
from express.values import JSON


def start_recorded(
    program: Program,
    segments: Segments,
    data: JSON,
    now: float,
    call: Call,
    *,
    about: About,
    entropy: Entropy,
    history: History,
    limit: float | None = EXECUTION_SECONDS,
    size: int,
    prepare: Prepare | None = None,
) -> tuple[Execution, list[Effect]]:
    """Start an execution as `interpreter.start` does, on the `recording` segments of a program as far as they go.

    `call` performs a task and sets `history.asked` to its time and `history.now` to that of its answer; what it left
    PENDING has the seq 1.
    """
    history.now = history.asked = now
    history.call = call
    history.added.append((1, 0, "ExecutionStarted", now, {"input": data, "roleArn": about.role_arn}))
    point = begin(program, segments, data, size, history)
    history.call = None
    deadline = cap(program, limit, now)
    if point[0] != END:
        return inflate(
            program, point, data, history.now, about, entropy, deadline, now, history, prepare, history.asked
        )
    x = Execution(program, data, now, about, entropy, history, deadline)
    x.now = history.now
    x.transitions = transitions(point)
    x.finished = finish = Finish("SUCCEEDED", point[1])
    return x, [finish]
