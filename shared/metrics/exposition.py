"""Serve the metrics of a process and its children on their own port. Off unless METRICS_PORT is set.

`share_metrics_of_children` must run before the first import of `prometheus_client`, which decides at import whether it
keeps values in files that several processes share.
"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Sequence
from typing import Any

import structlog
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_fixed

log = structlog.get_logger(__name__)

FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def share_metrics_of_children() -> None:
    """Keep metrics in files shared with child processes, if METRICS_PORT is set. Reads only the environment."""
    if os.environ.get("METRICS_PORT") and not os.environ.get(FOLDER):
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="dezky-metrics-")


def mark_process_ended(pid: int | None) -> None:
    """Remove the gauges of a child process that has ended. Its counters stay."""
    if pid is not None and os.environ.get(FOLDER):
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid)  # type: ignore[no-untyped-call]


class AllProcesses:
    """Collect the values of all processes. Retries while a starting process has not yet filled its files."""

    def __init__(self, files: Any) -> None:
        self._files = files

    @retry(
        retry=retry_if_exception_type(struct.error), stop=stop_after_attempt(20), wait=wait_fixed(0.05), reraise=True
    )
    def collect(self) -> list[Any]:
        return list(self._files.collect())


def serve_metrics(port: int | None, host: str, collectors: Sequence[Any] = ()) -> None:
    """Serve the metrics of this process, its children and the collectors. A port in use is logged and not fatal."""
    if port is None:
        return
    from prometheus_client import REGISTRY, CollectorRegistry, start_http_server, values
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = REGISTRY
    if values.ValueClass is not values.MutexValue:
        registry = CollectorRegistry()
        registry.register(AllProcesses(MultiProcessCollector(None)))  # type: ignore[no-untyped-call]
    for collector in collectors:
        registry.register(collector)
    try:
        start_http_server(port, host, registry)
    except OSError as problem:
        log.error("metrics.port_not_available", port=port, problem=str(problem))
    else:
        log.info("metrics.served", port=port)
