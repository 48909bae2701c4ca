"""Job that carries out requested diagnostics runs on its own thread."""

from __future__ import annotations

import threading

import structlog

from shared.core.errors import StoreUnavailable
from shared.diagnostics.model import Check, CheckStatus
from shared.diagnostics.repository import DiagnosticsRepository
from worker.diagnostics.checks import Diagnostics

log = structlog.get_logger(__name__)


class DiagnosticsJob:
    """Carries out one run at a time on its own thread, so that a product that hangs delays no other job."""

    def __init__(self, *, runs: DiagnosticsRepository, diagnostics: Diagnostics) -> None:
        self._runs = runs
        self._diagnostics = diagnostics
        self._thread: threading.Thread | None = None

    def run_once(self) -> int:
        """Begin a waiting run if this scheduler has none running. Starts no operation: returns 0."""
        if self._thread is None or not self._thread.is_alive():
            run_id = self._runs.claim()
            if run_id is not None:
                self._thread = threading.Thread(target=self._run, args=(run_id,), name="diagnostics", daemon=True)
                self._thread.start()
        return 0

    def _run(self, run_id: str) -> None:
        try:
            checks = self._diagnostics.run()
        except Exception:  # a bug in one check must not leave the run without an end
            log.exception("diagnostics.bug", run=run_id)
            checks = [
                Check("diagnostics", "run", CheckStatus.FAILED, "A check broke off.", "Read the scheduler's log.")
            ]
        try:
            self._runs.finish(run_id, checks)
        except StoreUnavailable:
            # another scheduler does it when the lease is over
            log.warning("diagnostics.store_unavailable", run=run_id)
