"""How a state fails in the reference interpreter, and which handlers a failure meets."""

from __future__ import annotations

UNCATCHABLE = "States.Runtime"


ANY_CAUSE = "{{cause}}"
"""The cause of what the interpreter itself finds wrong: a wildcard, for AWS's texts have cases of their own."""


class Failure(Exception):
    """A state failed with an error name and a cause."""

    def __init__(self, error: str | None, cause: str | None = ANY_CAUSE) -> None:
        super().__init__(error)
        self.error = error
        self.cause = cause


def handles(listed: list[str], error: str | None) -> bool:
    """Whether a retrier or catcher that lists these names handles `error` (matching table of the language)."""
    if error == UNCATCHABLE:
        return False
    for name in listed:
        if name in ("States.ALL", error):
            return True
        if name == "States.TaskFailed" and error not in ("States.Timeout", "States.DataLimitExceeded"):
            return True
    return False
