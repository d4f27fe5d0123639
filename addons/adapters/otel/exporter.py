"""Ended turns as OpenTelemetry spans and metrics, sent to a collector by OTLP/HTTP.

OpenTelemetry's own threads send them, from a queue that is bounded. Never does: wait for the collector, export text of a
turn unless it is asked to, log what the library logs: it repeats itself while there is no collector.
Invariant: a collector that fails is reported once, and costs turns nothing; `close` takes little longer than it is given; a
secret header goes to the collector that it is bound to.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from requests import PreparedRequest, Response, Session

from addons.adapters.otel.texts import TextMaker, TurnText
from addons.core.secrets import Origin, SecretHeader
from addons.core.settings.traces import Export
from addons.core.telemetry.genai import (
    DURATION,
    FIRST_CHUNK,
    HTTP_METHODS,
    SECOND_BUCKETS,
    TOKEN_BUCKETS,
    TOKEN_USAGE,
    Attributes,
    attempt_attributes,
    attempt_failed,
    common_attributes,
    span_name,
    turn_attributes,
)
from addons.core.telemetry.record import AttemptRecord, TurnRecord
from addons.core.version import VERSION

SCOPE = "codex-shim"
SERVICE_NAME, RESOURCE_ATTRIBUTES = "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"
TIMEOUT_SECONDS = 5.0
"""For one export with its retries."""
INTERRUPTED_SECONDS = 0.3
"""How long `close` then waits for an export that it has interrupted."""
MAX_WAITING = 256
"""Ended turns whose flow has not ended."""
TEXT_QUEUE, TEXT_BATCH = 256, 32
"""How many spans wait, and are sent at once, where they have text: each may have 100 KiB of it."""

log = logging.getLogger(__name__)


class _Health:
    """Reports the first failure of the exports."""

    def __init__(self) -> None:
        self._has_failed = False

    def note(self, url: str, *, ok: bool) -> None:
        if ok or self._has_failed:
            return
        self._has_failed = True
        log.warning(
            "The collector at %s does not answer, or refuses what it is sent. Turns continue; what it does not take is "
            "dropped, and further failures are not reported. Check `traces` in models.json and OTEL_… variables.",
            Origin.of(url),
        )


class _Session(Session):
    """Adds the secret headers when a request is sent."""

    def __init__(self, headers: Sequence[SecretHeader]) -> None:
        super().__init__()
        self._secret_headers = headers

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Send a request. Raises ForeignOriginError for one to another origin than that of the headers."""
        origin = Origin.of(request.url or "")
        for header in self._secret_headers:
            request.headers[header.name.decode()] = header.value_for(origin).decode()
        if origin.scheme == "http":
            # a collector on this machine: a proxy of the environment would read the headers
            kwargs["proxies"] = {}
        return super().send(request, **kwargs)


class _SpanExporter(OTLPSpanExporter):
    def __init__(self, url: str, health: _Health, headers: Sequence[SecretHeader]) -> None:
        super().__init__(endpoint=url, timeout=TIMEOUT_SECONDS, session=_session(headers))
        self._url, self._health = url, health

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        self._health.note(self._url, ok=result is SpanExportResult.SUCCESS)
        return result


class _MetricExporter(OTLPMetricExporter):
    def __init__(self, url: str, health: _Health, headers: Sequence[SecretHeader]) -> None:
        super().__init__(endpoint=url, timeout=TIMEOUT_SECONDS, session=_session(headers))
        self._url, self._health = url, health

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: object
    ) -> MetricExportResult:
        result = super().export(metrics_data, timeout_millis, **kwargs)
        self._health.note(self._url, ok=result is MetricExportResult.SUCCESS)
        return result


class TurnExporter:
    """One per process. `turn_ended`, `text_of` and `flow_ended` run on the event loop."""

    def __init__(
        self, export: Export, env: Mapping[str, str], headers: Sequence[SecretHeader] = ()
    ) -> None:
        silence_library()
        self.secrets = tuple(header.secret for header in headers)
        """The values of the headers that the collector gets."""
        health, resource = _Health(), _resource(env)
        self._waiting: OrderedDict[str, TurnRecord] = OrderedDict()
        self._stops: list[Callable[[], object]] = []
        self._interrupts: list[Callable[[], object]] = []
        self._tracer = self._histograms = None
        self._texts = TextMaker() if export.text and export.spans_url else None
        if url := export.spans_url:
            spans = _SpanExporter(url, health, headers)
            provider = TracerProvider(resource=resource, shutdown_on_exit=False)
            provider.add_span_processor(_processor(spans, has_text=export.text))
            self._tracer = provider.get_tracer(SCOPE, VERSION)
            self._stops.append(provider.shutdown)
            self._interrupts.append(spans.shutdown)
        if url := export.metrics_url:
            metrics = _MetricExporter(url, health, headers)
            reader = PeriodicExportingMetricReader(metrics)
            meters = MeterProvider([reader], resource, shutdown_on_exit=False)
            self._histograms = _Histograms(meters)
            self._stops.append(meters.shutdown)
            self._interrupts.append(metrics.shutdown)

    @property
    def wants_text(self) -> bool:
        """Whether `text_of` is of use."""
        return self._texts is not None

    def text_of(self, id_: str, text: TurnText) -> None:
        """Take the bodies of a turn that ends. Its span gets their text."""
        if self._texts:
            self._texts.begin(id_, text)

    def turn_ended(self, record: TurnRecord) -> None:
        """Take the record of a turn. Its span follows when its flow has ended, or is found to be late."""
        self._waiting[record.id] = record
        if len(self._waiting) > MAX_WAITING:
            self._export(self._waiting.popitem(last=False)[1], {})

    def flow_ended(self, id_: str, headers: Mapping[str, str]) -> None:
        """Export the turn of a flow. Its client may name the span that the turn belongs to (W3C Trace Context)."""
        if record := self._waiting.pop(id_, None):
            self._export(record, headers)

    def close(self, seconds: float = 2.0) -> None:
        """Send what waits, for at most so many seconds."""
        while self._waiting:
            self._export(self._waiting.popitem(last=False)[1], {})
        if self._texts:
            self._texts.close(seconds)
        threads = [threading.Thread(target=stop, daemon=True) for stop in self._stops]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds / len(threads))
        for thread, interrupt in zip(threads, self._interrupts, strict=True):
            if thread.is_alive():
                # ends the pauses between its retries
                interrupt()
                thread.join(INTERRUPTED_SECONDS)

    def _export(self, record: TurnRecord, headers: Mapping[str, str]) -> None:
        if self._histograms:
            self._histograms.add(record)
        if not self._tracer:
            return
        carrier = {name: headers.get(name, "") for name in ("traceparent", "tracestate")}
        parent = TraceContextTextMapPropagator().extract(carrier, Context())
        if self._texts:
            self._texts.attach(record.id, lambda text: self._export_turn(record, parent, text))
        else:
            self._export_turn(record, parent, {})

    def _export_turn(self, record: TurnRecord, parent: Context, text: Attributes) -> None:
        if self._tracer is None:
            return
        span = self._tracer.start_span(
            span_name(record),
            parent,
            SpanKind.CLIENT,
            turn_attributes(record) | text,
            start_time=_nanoseconds(record.started),
        )
        if not record.ok:
            span.set_status(Status(StatusCode.ERROR))
        inside = set_span_in_context(span, Context())
        for number, attempt in enumerate(record.attempts):
            self._export_attempt(attempt, number, inside)
        span.end(_nanoseconds(record.started + record.seconds))

    def _export_attempt(self, attempt: AttemptRecord, number: int, turn: Context) -> None:
        if self._tracer is None:
            return
        is_local = attempt.method not in HTTP_METHODS and "://" not in attempt.url
        span = self._tracer.start_span(
            attempt.method,
            turn,
            SpanKind.INTERNAL if is_local else SpanKind.CLIENT,
            attempt_attributes(attempt, number),
            start_time=_nanoseconds(attempt.started),
        )
        if attempt_failed(attempt):
            span.set_status(Status(StatusCode.ERROR))
        span.end(_nanoseconds(attempt.started + attempt.seconds))


class _Histograms:
    """The metrics of the conventions for clients."""

    def __init__(self, meters: MeterProvider) -> None:
        self._meter = meters.get_meter(SCOPE, VERSION)
        self._tokens = self._histogram(TOKEN_USAGE, "{token}", TOKEN_BUCKETS)
        self._duration = self._histogram(DURATION, "s", SECOND_BUCKETS)
        self._first = self._histogram(FIRST_CHUNK, "s", SECOND_BUCKETS)

    def _histogram(self, name: str, unit: str, bounds: Sequence[float]) -> Histogram:
        return self._meter.create_histogram(
            name, unit, explicit_bucket_boundaries_advisory=list(bounds)
        )

    def add(self, record: TurnRecord) -> None:
        common = common_attributes(record)
        self._duration.record(record.seconds, common)
        if record.ttft is not None:
            self._first.record(record.ttft, common)
        if record.usage:
            counts = record.usage.plain()
            tokens = {name: value for name, value in common.items() if name != "error.type"}
            for kind in ("input", "output"):
                self._tokens.record(max(0, counts[kind]), {**tokens, "gen_ai.token.type": kind})


def _processor(spans: _SpanExporter, *, has_text: bool) -> BatchSpanProcessor:
    if has_text:
        return BatchSpanProcessor(
            spans, max_queue_size=TEXT_QUEUE, max_export_batch_size=TEXT_BATCH
        )
    return BatchSpanProcessor(spans)


def _session(headers: Sequence[SecretHeader]) -> Session | None:
    """Return None without headers: the library makes its own session, for which it has variables."""
    return _Session(headers) if headers else None


def silence_library() -> None:
    """Keep what the library logs from the handlers of this program: it may quote an address, and repeats itself."""
    library = logging.getLogger("opentelemetry")
    library.propagate = False
    if not library.handlers:
        library.addHandler(logging.NullHandler())


def _resource(env: Mapping[str, str]) -> Resource:
    named = env.get(SERVICE_NAME) or "service.name=" in env.get(RESOURCE_ATTRIBUTES, "")
    name = {} if named else {"service.name": SCOPE}
    return Resource.create({**name, "service.version": VERSION})


def _nanoseconds(moment: float) -> int:
    return round(moment * 1e9)
