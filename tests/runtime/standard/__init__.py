"""Standard executions: the host, its journal and its timers."""
