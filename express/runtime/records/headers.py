"""Headers that are carried over from a record: the trace context, and those that the configuration names.

Headers come from whoever may write to the topic, so everything here has a bound: the first HEADER_LIMIT of a record
are looked at, a trace context has to be one (W3C Trace Context, §3), and a value that is too long is left out, for
half a correlation id is a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple, TypeAlias

from express.ports import Headers

Trace: TypeAlias = tuple[str, str]
"""`traceparent` and `tracestate` (empty where there is none)."""

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

HEADER_LIMIT = 64
HEADERS_BYTES = 32_768
"""Most headers of a record, and most bytes of their names and values, where headers become part of an input."""

TRACESTATE_BYTES = 512
COPIED_BYTES = 1_024
"""Longer values are not copied."""

COPIED_LIMIT = 16
"""Most headers that are copied to a result."""

_TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]{1,64})?"
)
_TRACESTATE = re.compile(rb"[ -~\t]{1,%d}" % TRACESTATE_BYTES)


class Carried(NamedTuple):
    """Carried over from a record: its trace context, and headers for its terminal record (those of the trace too)."""

    trace: Trace | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


NOTHING = Carried()


class Carrier:
    """Takes the trace context and the headers called `names` from records."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)

    def __call__(self, headers: Headers) -> Carried:
        """Return what is carried over. Of several trace contexts the last one counts, copies keep their order."""
        parent = state = None
        copied: list[tuple[str, bytes]] = []
        names = self._names
        for header in islice(headers, HEADER_LIMIT):
            name, value = header
            if name == TRACEPARENT:
                parent = value
            elif name == TRACESTATE:
                state = value
            elif name in names and value is not None and len(value) <= COPIED_BYTES and len(copied) < COPIED_LIMIT:
                copied.append((name, value))
        found = trace(parent, state)
        if found is None:
            return Carried(None, tuple(copied)) if copied else NOTHING
        return Carried(found, (*trace_headers(found), *copied))


def trace(parent: bytes | None, state: bytes | None = None) -> Trace | None:
    """A trace context from the values of its two headers; None where the first is none. A bad second is left out.

    >>> trace(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", b"vendor=1")
    ('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'vendor=1')
    """
    if parent is None or _TRACEPARENT.fullmatch(parent) is None:
        return None
    if state is None or _TRACESTATE.fullmatch(state) is None:
        return parent.decode("ascii"), ""
    return parent.decode("ascii"), state.decode("ascii")


def trace_headers(context: Trace) -> tuple[tuple[str, bytes], ...]:
    """The headers that hold a trace context.

    >>> trace_headers(("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", ""))
    (('traceparent', b'00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'),)
    """
    parent, state = context
    if state:
        return (TRACEPARENT, parent.encode()), (TRACESTATE, state.encode())
    return ((TRACEPARENT, parent.encode()),)
