"""A collector of OpenTelemetry on loopback. It decodes each request and objects to what the protocol does not allow.

Source: the OTLP/HTTP specification, binary protobuf encoding.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

TRACES, METRICS = "/v1/traces", "/v1/metrics"
KINDS: Mapping[str, tuple[type[Message], type[Message]]] = {
    TRACES: (ExportTraceServiceRequest, ExportTraceServiceResponse),
    METRICS: (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
}


class Collector:
    """Context manager that runs the collector."""

    def __init__(self, status: int = 200, location: str = "") -> None:
        self.status = status
        self.location = location
        self.requests: list[Any] = []
        self.headers: list[Mapping[str, str]] = []
        self.bodies: list[bytes] = []
        self.objections: list[str] = []
        self.arrived = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def resources(self) -> list[Mapping[str, object]]:
        return [
            plain(group.resource.attributes)
            for request in self.requests
            for group in getattr(request, "resource_spans", None) or request.resource_metrics
        ]

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            if isinstance(request, ExportTraceServiceRequest)
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    @property
    def metrics(self) -> list[Any]:
        return [
            metric
            for request in self.requests
            if isinstance(request, ExportMetricsServiceRequest)
            for group in request.resource_metrics
            for scope in group.scope_metrics
            for metric in scope.metrics
        ]

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        """Decode a request and return the body of its answer."""
        self.headers.append(headers)
        if path not in KINDS:
            self.objections.append(f"there is no {path}")
            return b""
        if headers.get("content-type") != "application/x-protobuf":
            self.objections.append(f"content-type {headers.get('content-type')}")
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.bodies.append(body)
        asked, answered = KINDS[path]
        request: Any = asked()
        try:
            request.ParseFromString(body)
        except DecodeError as error:
            self.objections.append(f"not protobuf: {error}")
        self.objections += _problems(request)
        self.requests.append(request)
        self.arrived.set()
        return bytes(answered().SerializeToString())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = collector.take(self.path, headers, body)
                self.send_response(collector.status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.send_header("connection", "close")
                if collector.location:
                    self.send_header("location", collector.location + self.path)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def plain(attributes: Any) -> dict[str, object]:
    """Return attributes as a dictionary."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def _problems(request: Any) -> Iterator[str]:
    for group in getattr(request, "resource_spans", ()):
        for scope in group.scope_spans:
            for span in scope.spans:
                if len(span.trace_id) != 16 or len(span.span_id) != 8 or not any(span.span_id):
                    yield f"{span.name}: wrong ids"
                if not 0 < span.start_time_unix_nano <= span.end_time_unix_nano:
                    yield f"{span.name}: it ends before it starts"
                names = [one.key for one in span.attributes]
                if len(names) != len(set(names)):
                    yield f"{span.name}: an attribute twice"
