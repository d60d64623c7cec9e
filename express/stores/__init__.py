"""Stores of state machines: in memory, or in SQLite with one writer."""
