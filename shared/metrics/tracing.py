"""Traces by OpenTelemetry's own instrumentations, from a request over its task to the call of a product.

Off, with nothing instrumented, unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set; that takes the extra `tracing`.
"""

from __future__ import annotations

import os
from typing import Any

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def is_tracing() -> bool:
    """Return whether an exporter is set."""
    return any(os.environ.get(name) for name in ENDPOINTS)


def trace_api(app: Any) -> None:
    """Trace the requests of a Flask application and what they ask of MongoDB and Redis."""
    if is_tracing():
        _start("dezky-platform-api")
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        FlaskInstrumentor().instrument_app(app)  # type: ignore[no-untyped-call]


def trace_worker() -> None:
    """Trace this process's tasks, their calls to the products, and what they ask of MongoDB."""
    if is_tracing():
        _start("dezky-worker")
        from opentelemetry.instrumentation.celery import CeleryInstrumentor
        from opentelemetry.instrumentation.requests import RequestsInstrumentor

        instrumentors: tuple[Any, ...] = (CeleryInstrumentor(), RequestsInstrumentor())  # type: ignore[no-untyped-call]
        for instrumentor in instrumentors:
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument()


def trace_headers() -> dict[str, str]:
    """Return the headers that carry the current trace in a message; none while nothing is traced."""
    headers: dict[str, str] = {}
    if is_tracing():
        from opentelemetry.propagate import inject

        inject(headers)
    return headers


def _start(service: str) -> None:
    """Set the exporter up once for this process, as the OTEL_ variables say, and trace the databases."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.pymongo import PymongoInstrumentor
    from opentelemetry.instrumentation.redis import RedisInstrumentor
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: os.environ.get("OTEL_SERVICE_NAME", service)}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    PymongoInstrumentor().instrument()
    RedisInstrumentor().instrument()
