"""Where state machines are kept: in memory, or in SQLite with one writer."""
