"""Traces in OpenTelemetry's form, sent by OTLP over HTTP. Needs the extra `otel`.

Span for span the tree of `telemetry.spans`, built after the end of an execution: ids are derived from the execution's
ARN, so that a record which is replayed tells the same trace, and times are those of its history. Spans hold names,
never data: neither inputs and outputs nor the cause of an error.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from express import __version__
from express.telemetry.spans import CALL, Span, tree
from express.telemetry.trace_sampling import Trace

MOST_SPANS = 1_000
"""Spans of one trace; a Map of thousands has more, which are counted on the execution's span."""

_SCOPE = InstrumentationScope("express", __version__)
_OK, _ERROR = Status(), Status(StatusCode.ERROR)

Attributes = dict[str, str | int]

log = logging.getLogger(__name__)


class OtlpExport:
    """Sends traces to the OTLP receiver at `endpoint`, an URL with path."""

    def __init__(self, endpoint: str, *, service: str, headers: Mapping[str, str], timeout: float) -> None:
        self._resource = Resource({"service.name": service, "service.version": __version__})
        self._exporter = OTLPSpanExporter(
            endpoint, headers=dict(headers), timeout=timeout, compression=Compression.Gzip
        )

    def send(self, traces: Sequence[Trace]) -> bool:
        """Return whether the receiver has taken them."""
        try:
            spans = [span for trace in traces for span in spans_of(trace, self._resource)]
            return self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception:
            log.exception("traces could not be built or sent")
            return False

    def close(self) -> None:
        """Stop trying."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the library's own


def spans_of(trace: Trace, resource: Resource) -> list[ReadableSpan]:
    """The spans of an execution, its own one first."""
    about = trace.about
    seed = about.execution_arn.encode()
    trace_id = int.from_bytes(blake2b(seed, digest_size=16).digest()) or 1
    root = _root(trace)
    rows = list(_rows(root, None))
    kept = rows[:MOST_SPANS]
    origin = about.started - root.started
    contexts: dict[int, SpanContext] = {}
    spans = []
    for number, (span, parent) in enumerate(kept):
        own = _attributes(trace, len(rows) - len(kept)) if parent is None else _state_attributes(span)
        contexts[id(span)] = context = _context(trace_id, seed, number)
        failed = trace.finish.status != "SUCCEEDED" if parent is None else bool(span.note)
        end = span.started if span.ended is None else span.ended
        spans.append(
            ReadableSpan(
                span.name,
                context,
                None if parent is None else contexts[id(parent)],
                resource,
                own,
                links=() if parent is not None else links_to(about.trace[0] if about.trace else ""),
                kind=_kind(trace, span, parent),
                status=_ERROR if failed else _OK,
                start_time=_nanoseconds(origin + span.started),
                end_time=_nanoseconds(origin + end),
                instrumentation_scope=_SCOPE,
            )
        )
    return spans


def links_to(traceparent: str) -> tuple[Link, ...]:
    """A link to the span that a `traceparent` names (W3C Trace Context); nothing for one that is none.

    >>> [link] = links_to("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    >>> f"{link.context.trace_id:032x} {link.context.span_id:016x}"
    '0af7651916cd43dd8448eb211c80319c b7ad6b7169203331'
    >>> links_to("00-xyz")
    ()
    """
    parts = traceparent.strip().split("-")
    if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2] or parts[0] == "ff":
        return ()
    try:
        trace_id, span_id, flags = (int(part, 16) for part in parts[1:4])
    except ValueError:
        return ()
    if not trace_id or not span_id:
        return ()
    return (Link(SpanContext(trace_id, span_id, True, TraceFlags(flags))),)


def _root(trace: Trace) -> Span:
    name = trace.about.state_machine_name
    if trace.events:
        return tree(name, trace.events)
    return Span(name, "", 0.0, ended=trace.seconds)


def _rows(span: Span, parent: Span | None) -> Iterator[tuple[Span, Span | None]]:
    """Every line with the one above it, from the top."""
    todo = [(span, parent)]
    while todo:
        span, parent = todo.pop()
        yield span, parent
        todo.extend((child, span) for child in reversed(span.children))


def _attributes(trace: Trace, left_out: int) -> Attributes:
    about, finish = trace.about, trace.finish
    found: Attributes = {
        "express.execution.arn": about.execution_arn,
        "express.state_machine.name": about.state_machine_name,
        "express.execution.status": finish.status,
        **trace.attributes,
    }
    if finish.error is not None:
        found["error.type"] = finish.error[:256]
    if left_out:
        found["express.spans.left_out"] = left_out
    return found


def _state_attributes(span: Span) -> Attributes:
    found: Attributes = {"express.resource": span.resource} if span.kind == CALL else {"express.state.type": span.kind}
    if span.attempts > 1:
        found["express.attempts"] = span.attempts
    if span.note:
        found["error.type"] = span.note[:256]
    return found


def _kind(trace: Trace, span: Span, parent: Span | None) -> SpanKind:
    if parent is not None:
        return SpanKind.CLIENT if span.kind == CALL else SpanKind.INTERNAL
    return SpanKind.CONSUMER if "messaging.system" in trace.attributes else SpanKind.SERVER


def _context(trace_id: int, seed: bytes, number: int) -> SpanContext:
    span_id = int.from_bytes(blake2b(b"%b/%d" % (seed, number), digest_size=8).digest()) or 1
    return SpanContext(trace_id, span_id, False, TraceFlags(TraceFlags.SAMPLED))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
