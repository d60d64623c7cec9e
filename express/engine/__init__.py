"""The pure engine: runs an execution over a compiled program, answering events with effects."""
