"""Width of a machine, the steps that can be under way at once: what billing and back-pressure multiply with.

Known from the definition alone, so it is an upper bound: a Choice may go around the Parallel that is widest.
"""

from __future__ import annotations

from express.asl import model
from express.engine.program import Width
from express.states.map import INLINE_CONCURRENCY


def machine_width(machine: model.Machine) -> Width:
    """The widest of the states of a machine, a branch or an item processor."""
    widths = [_width(state) for state in machine.states.values()]
    return Width(max(width.holders for width in widths), max(width.children for width in widths))


def _width(state: model.State) -> Width:
    if isinstance(state, model.Parallel):
        branches = [machine_width(branch) for branch in state.branches]
        return Width(sum(branch.holders for branch in branches), sum(max(branch.children, 1) for branch in branches))
    if isinstance(state, model.Map):
        return _map_width(state)
    return Width()


def _map_width(state: model.Map) -> Width:
    """Iterations hold a part of the input each, together no more than the input."""
    inner = machine_width(state.processor)
    written = state.max_concurrency
    at_once = written if type(written) is int and 0 < written < INLINE_CONCURRENCY else INLINE_CONCURRENCY
    return Width(inner.holders, at_once * max(inner.children, 1))
