"""Executions: the run queue, effects, suspended work, timers, task calls."""
