"""Programs that run a workload on somebody else's engine, each under the interpreter that has it installed."""
