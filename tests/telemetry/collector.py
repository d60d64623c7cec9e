"""An OTLP receiver over HTTP that decodes what it gets as a collector does."""

from __future__ import annotations

import gzip
import http.server
import threading
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.patience import PATIENCE


class Collector:
    """An OTLP receiver over HTTP: what it has decoded, and how it answers."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.headers: dict[str, str] = {}
        self.status = 200
        self.gate = threading.Event()
        self.gate.set()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/x-protobuf"
                collector.gate.wait(PATIENCE)
                collector.take(gzip.decompress(body), dict(self.headers))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1/traces"

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        """Decode a request."""
        request = ExportTraceServiceRequest.FromString(body)
        self.headers = headers
        if self.status != 200:
            return
        for resource in request.resource_spans:
            self.services |= {a.value.string_value for a in resource.resource.attributes if a.key == "service.name"}
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def roots(self) -> list[Span]:
        """The spans of executions."""
        return [span for span in self.spans if not span.parent_span_id]


def attributes(span: Span) -> dict[str, Any]:
    """Of a span, as plain values."""
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}
