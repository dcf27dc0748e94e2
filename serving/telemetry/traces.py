"""Traces by OpenTelemetry: a request, and in it the lookup, the on-demand views and the prediction.

These three are done once for all requests of a batch, so each request's trace has a span of each, with the batch's times and its
size. Nothing of this is imported unless traces are switched on.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from random import random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span

    from serving.scoring.batcher import Part

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
EXPORTER: Final = "opentelemetry-exporter-otlp-proto-http"

_log = logging.getLogger(__name__)


class RequestSpan:
    """The span of one request under way."""

    __slots__ = ("_tracer", "span")

    def __init__(self, tracer: Any, span: Span) -> None:
        """Take an open span."""
        self._tracer = tracer
        self.span = span

    @property
    def trace_id(self) -> str:
        """The trace's id, 32 hexadecimal digits."""
        return f"{self.span.get_span_context().trace_id:032x}"

    def add_stages(self, parts: Sequence[Part]) -> None:
        """Add what was done for the request in each batch that it was part of."""
        from opentelemetry.trace import set_span_in_context

        if not self.span.is_recording():
            return
        context = set_span_in_context(self.span)
        for part in parts:
            about = {"millrace.batch_rows": part.scored.features.size, "millrace.rows": part.size}
            for name, began, ended in part.scored.stages():
                child = self._tracer.start_span(name, context, attributes=about, start_time=began)
                child.end(ended)

    def end(self, route: str, status: int) -> None:
        """Close it."""
        from opentelemetry.trace import StatusCode

        self.span.update_name(f"{self.span.attributes['http.request.method']} {route}")  # type: ignore[attr-defined]
        self.span.set_attribute("http.route", route)
        self.span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self.span.set_status(StatusCode.ERROR)
        self.span.end()


class Traces:
    """Begins spans of requests.

    Args:
        exporter: Where spans go.
        share: Which part of the requests is traced whose caller says nothing of it, from 0 to 1.
    """

    def __init__(self, exporter: SpanExporter, share: float = 1.0) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._share = share
        about = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "millrace")})
        self.provider: TracerProvider = TracerProvider(ParentBased(ALWAYS_ON), about)
        self.provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self.provider.get_tracer("millrace.serving")
        self._read: Any = TraceContextTextMapPropagator()

    def begin(
        self, method: str, path: str, headers: Sequence[tuple[bytes, bytes]], request_id: bytes
    ) -> RequestSpan | None:
        """Begin the span of a request, in its caller's trace where it names one (W3C traceparent); None where it is not traced."""
        if b"traceparent" not in dict(headers) and random() >= self._share:
            return None  # OpenTelemetry's own sampler takes ten times as long to say no
        from opentelemetry.trace import SpanKind

        given = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name.startswith(b"trace")
        }
        about = {"http.request.method": method, "url.path": path, "millrace.request_id": request_id.decode()}
        span = self._tracer.start_span(
            method, self._read.extract(given), SpanKind.SERVER, about, start_time=time.time_ns()
        )
        return RequestSpan(self._tracer, span) if span.is_recording() else None

    def stop(self) -> None:
        """Send what waits."""
        self.provider.shutdown()


def open_traces(data: Path, share: float) -> Traces:
    """Return traces that go where the environment says, or into a file of the data folder."""
    return Traces(_exporter(data), share)


def _exporter(data: Path) -> SpanExporter:
    """Return an OTLP exporter where OTEL_EXPORTER_OTLP_ENDPOINT names a collector and its package is there; else a file's."""
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    path = data / "logs" / f"traces-{os.getpid()}.jsonl"
    if os.environ.get(ENDPOINT):
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError:
            _log.warning("%s is set, but spans go to %s: run `pip install %s`.", ENDPOINT, path, EXPORTER)
        else:
            exporter: SpanExporter = OTLPSpanExporter()
            return exporter
    path.parent.mkdir(parents=True, exist_ok=True)
    return ConsoleSpanExporter(out=path.open("a"), formatter=lambda span: span.to_json(indent=None) + "\n")
