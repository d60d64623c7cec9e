"""Bounds for parts of a request that a task's input is written into.

A name that is repeated for each of its values, or in front of all that is below it, makes hundreds of megabytes of an
input of 100 KB. So what is written is counted before it is.
"""

from __future__ import annotations

from express.errors import DATA_LIMIT_EXCEEDED, StatesError
from express.values import PAYLOAD_LIMIT

MOST_HEADER_BYTES = MOST_QUERY_BYTES = 32_768
"""Characters of all names and values, of the headers and of the query; servers take far less."""

MOST_FORM_BYTES = 4 * PAYLOAD_LIMIT
"""Characters of a form before it is URL-encoded, which may triple them."""


class Bounded:
    """Counts what is written for a task of `service`."""

    def __init__(self, service: str, most: int) -> None:
        self._service = service
        self._room = most

    def spend(self, size: int) -> None:
        """Spend so many characters. Raises StatesError where that is too many."""
        self._room -= size
        if self._room < 0:
            raise StatesError(
                DATA_LIMIT_EXCEEDED,
                f"The state/task '{self._service}' provided parameters with a size exceeding the maximum number of "
                "bytes service limit.",
            )

    def pair(self, name: str, value: str) -> tuple[str, str]:
        """A name and its value, counted."""
        self.spend(len(name) + len(value) + 2)
        return name, value
