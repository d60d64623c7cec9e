"""Standard executions: every transition is in the journal before anything that it asks for is done."""
