"""The names of the functions that a JSONata expression may call on AWS."""

from __future__ import annotations

from express.expr.jsonata.function_table import FUNCTIONS as _TABLE

FUNCTIONS = frozenset(_TABLE)
"""Every function that is there without being assigned: the standard library without `$eval`, and AWS's own."""

AWS_FUNCTIONS = frozenset(name for name, function in _TABLE.items() if function.aws)
"""Functions that Step Functions adds; `random` replaces the standard one, which takes no seed."""
