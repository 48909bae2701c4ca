"""Traces go from a request over its task to the calls of the products when an exporter is set, else nothing is."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.path.conftest import Platform, make_platform, platform  # noqa: F401

Span = tuple[str, str, str]


@pytest.fixture
def collected() -> Iterator[tuple[str, list[Span]]]:
    """An OTLP receiver's address, and the spans that came: trace id, service, name."""
    spans: list[Span] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in request.resource_spans:
                service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
                for scope in resource.scope_spans:
                    spans.extend((span.trace_id.hex(), service, span.name) for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    server.server_close()


def test_a_task_and_its_calls_of_a_product_are_one_trace(
    platform: Platform,  # noqa: F811
    collected: tuple[str, list[Span]],
) -> None:
    endpoint, spans = collected
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    platform.is_warm = False
    platform.start_worker(**variables)
    platform.create("acme")
    assert platform.settled("acme").tenant.status == "active"

    def traces() -> set[str]:
        steps = {trace for trace, service, name in spans if service == "dezky-worker" and "authentik.provision" in name}
        return steps & {trace for trace, _, name in spans if name.startswith(("GET", "POST"))}

    give_up = time.monotonic() + 20
    while not traces():
        assert time.monotonic() < give_up, spans
        time.sleep(0.1)


def test_without_an_exporter_no_instrumentation_is_imported() -> None:
    program = (
        "import sys, api.app, worker.app; from shared.metrics.tracing import trace_headers, trace_worker;"
        "trace_worker(); assert trace_headers() == {};"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.instrumentation')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
