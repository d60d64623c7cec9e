"""The state kinds, one file each: how a state is lowered to a row, entered, and resumed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from express.engine.program import Row
from express.states import choice, fail, map, parallel, pass_, succeed, task, wait
from express.states.lowering import Lowering

KINDS: dict[str, Callable[[Any, Lowering], Row]] = {
    "Task": task.lower,
    "Pass": pass_.lower,
    "Choice": choice.lower,
    "Wait": wait.lower,
    "Succeed": succeed.lower,
    "Fail": fail.lower,
    "Parallel": parallel.lower,
    "Map": map.lower,
}
