"""The testing plugin: executions in virtual time, mocks, coverage."""
