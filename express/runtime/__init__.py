"""The host: drains sources, runs executions over the engine, delivers their results."""
