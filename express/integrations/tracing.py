"""The trace context that calls send on: W3C Trace Context of whoever caused the execution, as it came.

No span is made for the call, so that the parent of what the other side does is the one that we were given.
"""

from __future__ import annotations

from express.ports import TaskContext


def trace_headers(context: TaskContext) -> dict[str, str]:
    """`traceparent` and `tracestate` as headers of a request; nothing where the execution has no trace.

    >>> trace_headers(TaskContext("arn:e", "m", 1e9, ("00-4bf9-00f0-01", "")))
    {'Traceparent': '00-4bf9-00f0-01'}
    """
    if context.trace is None:
        return {}
    parent, state = context.trace
    return {"Traceparent": parent, "Tracestate": state} if state else {"Traceparent": parent}
