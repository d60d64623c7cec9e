"""Executions that a state starts: in a worker, and behind the API."""
