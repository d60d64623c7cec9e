"""`express bench`: load on a workflow by schedule, and what came of it.

Three processes: a generator that keeps the schedule (`generator`), a worker that runs executions (`worker`), and
the parent, which starts both, counts and shows (`conduct`, `collect`). The worker only notes times; all sums are
the parent's, so that measuring costs the measured as little as can be.
"""
