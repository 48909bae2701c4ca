"""Trace requests, their tasks and the calls of products with OpenTelemetry's instrumentations.

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set, which requires the extra `tracing`.
"""

from __future__ import annotations

import os
from typing import Any

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def is_tracing() -> bool:
    """Return whether an exporter is set."""
    return any(os.environ.get(name) for name in ENDPOINTS)


def trace_api(app: Any) -> None:
    """Trace the requests of a Flask application and their calls of MongoDB and Redis."""
    if is_tracing():
        _start("dezky-platform-api")
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        FlaskInstrumentor().instrument_app(app)  # type: ignore[no-untyped-call]


def trace_worker() -> None:
    """Trace the tasks of this process and their calls of products and MongoDB."""
    if is_tracing():
        _start("dezky-worker")
        from opentelemetry.instrumentation.celery import CeleryInstrumentor
        from opentelemetry.instrumentation.requests import RequestsInstrumentor

        instrumentors: tuple[Any, ...] = (CeleryInstrumentor(), RequestsInstrumentor())  # type: ignore[no-untyped-call]
        for instrumentor in instrumentors:
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument()


def trace_headers() -> dict[str, str]:
    """Return the message headers with the current trace; empty while tracing is off."""
    headers: dict[str, str] = {}
    if is_tracing():
        from opentelemetry.propagate import inject

        inject(headers)
    return headers


def _start(service: str) -> None:
    """Configure the exporter from the OTEL_ variables, once per process, and trace MongoDB and Redis."""
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
