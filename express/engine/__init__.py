"""The pure engine: runs an execution over a compiled program, answering events with effects."""

from express.engine.execution import About, Entropy, Execution
from express.engine.history import History
from express.engine.interpreter import advance, break_off, deliver, start
from express.engine.program import Program
from express.engine.redrive import redrive

__all__ = ["About", "Entropy", "Execution", "History", "Program", "advance", "break_off", "deliver", "redrive", "start"]
