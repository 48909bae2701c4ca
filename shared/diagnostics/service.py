"""Diagnostics as the API offers them: asked for, and read once a scheduler has done them."""

from __future__ import annotations

from shared.core.errors import NotFound
from shared.diagnostics.model import Diagnosis
from shared.diagnostics.repository import DiagnosticsRepository
from shared.rights import policy as access
from shared.rights.policy import Actor

DIAGNOSING = "Diagnostics take a platform administrator."


class DiagnosticsService:
    def __init__(self, *, diagnostics: DiagnosticsRepository) -> None:
        self._diagnostics = diagnostics

    def start(self, actor: Actor) -> Diagnosis:
        """Record a run for a scheduler to do. Raises Forbidden."""
        access.require(actor.is_platform_admin, DIAGNOSING)
        return self._diagnostics.insert(actor.user.id)

    def get(self, run_id: str, actor: Actor) -> Diagnosis:
        """Raises Forbidden, NotFound."""
        access.require(actor.reads_everything, DIAGNOSING)
        found = self._diagnostics.find(run_id)
        if found is None:
            raise NotFound(f"There is no diagnostics run {run_id!r}.")
        return found
