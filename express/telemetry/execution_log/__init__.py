"""The execution log: events of executions as lines, in files and topics."""
