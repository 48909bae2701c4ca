"""Use cases for diagnostics: request a run, which a scheduler carries out, and read its checks."""

from __future__ import annotations

from shared.core.errors import NotFound
from shared.diagnostics.model import Diagnosis
from shared.diagnostics.repository import DiagnosticsRepository
from shared.rights import policy
from shared.rights.policy import Actor

NOT_ALLOWED = "Diagnostics are for platform administrators."


class DiagnosticsService:
    def __init__(self, *, diagnostics: DiagnosticsRepository) -> None:
        self._diagnostics = diagnostics

    def start(self, actor: Actor) -> Diagnosis:
        """Request a run. Raises Forbidden."""
        policy.require(actor.is_platform_admin, NOT_ALLOWED)
        return self._diagnostics.insert(actor.user.id)

    def get(self, run_id: str, actor: Actor) -> Diagnosis:
        """Return a run. Raises Forbidden, NotFound."""
        policy.require(actor.reads_everything, NOT_ALLOWED)
        found = self._diagnostics.find(run_id)
        if found is None:
            raise NotFound(f"There is no diagnostics run {run_id!r}.")
        return found

    def latest(self) -> Diagnosis | None:
        """Return the newest finished run, None if there is none, for those who may see the integrations."""
        return self._diagnostics.latest()
