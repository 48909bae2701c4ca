"""Traces lead from a request over its task to calls of products, and only with an exporter."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.api.conftest import Client, Issuer, issuer  # noqa: F401
from tests.end_to_end.conftest import Platform, make_platform  # noqa: F401
from tests.hosts.conftest import tokens_of
from tests.simulators import API_TOKEN

VARIABLES = {"OTEL_BSP_SCHEDULE_DELAY": "200"}


@dataclass(frozen=True)
class Span:
    id: str
    parent: str
    trace: str
    service: str
    name: str
    attributes: dict[str, str]


@pytest.fixture
def collected() -> Iterator[tuple[str, list[Span]]]:
    """Yield an OTLP receiver's URL and its received spans."""
    spans: list[Span] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            for resource in request.resource_spans:
                service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
                for scope in resource.scope_spans:
                    spans.extend(_span(service, span) for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", spans
    server.shutdown()
    server.server_close()


def _span(service: str, span: Any) -> Span:
    attributes = {one.key: one.value.string_value for one in span.attributes}
    return Span(span.span_id.hex(), span.parent_span_id.hex(), span.trace_id.hex(), service, span.name, attributes)


def ancestors(spans: list[Span], span: Span) -> list[Span]:
    """Return the span's ancestors up to the root."""
    by_id = {one.id: one for one in spans}
    found = []
    while (parent := by_id.get(span.parent)) is not None:
        found.append(span := parent)
    return found


@pytest.mark.timeout(180)
def test_a_request_its_tasks_and_their_calls_of_the_products_are_one_trace(
    make_platform: Callable[..., Platform],  # noqa: F811
    redis_url: str,
    issuer: Issuer,  # noqa: F811
    collected: tuple[str, list[Span]],
) -> None:
    endpoint, spans = collected
    platform = make_platform(redis_url, **tokens_of(issuer))
    platform.is_warm = False
    variables: Any = {**VARIABLES, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    url = platform.start_api(**variables)
    platform.start_worker(**variables)
    platform.until_ready(url)
    client = Client(url, issuer.token("admin"))
    assert client("GET", "/users/me").ok
    assert client("POST", "/tenants", json={"slug": "acme", "name": "Acme"}).status_code == 201
    assert platform.settled("acme").tenant.status == "active"
    products = {"authentik.provision": platform.authentik.url, "ocis.provision": platform.ocis.url}

    def calls(task: str) -> list[Span]:
        """Return the calls of the task's product whose ancestors are the task and the request."""
        found = []
        for span in list(spans):
            above = ancestors(list(spans), span)
            if (
                any(str(value).startswith(products[task]) for value in span.attributes.values())
                and any(one.service == "dezky-worker" and task in one.name for one in above)
                and above[-1].service == "dezky-platform-api"
                and above[-1].name == "POST /tenants"
            ):
                found.append(span)
        return found

    deadline = time.monotonic() + 30
    while not all(map(calls, products)):
        assert time.monotonic() < deadline, spans
        time.sleep(0.2)
    assert len({span.trace for task in products for span in calls(task)}) == 1
    assert not [span for span in spans if API_TOKEN in str(span)]


def test_without_an_exporter_no_instrumentation_is_imported() -> None:
    program = (
        "import sys, api.app, worker.app; from shared.metrics.tracing import trace_headers, trace_worker;"
        "trace_worker(); assert trace_headers() == {};"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.instrumentation')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
