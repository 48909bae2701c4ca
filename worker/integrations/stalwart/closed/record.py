"""Record the objects that we closed, so that only these are opened again."""

from __future__ import annotations

from collections.abc import Collection

from shared.integrations.outcomes import TemporaryError
from worker.integrations.step_context import StepContext

LOCKED, RETURNING = "stalwartLocked", "stalwartReturning"
#: names with a key, or that may have one: a key that was removed still applies until the lookup stores are reloaded
REFUSED_NAMES = "stalwartRefused"


class ClosedRecord:
    """The record of one attempt, as it was read and as it was saved since."""

    def __init__(self, step: StepContext) -> None:
        self._step = step
        self._recorded = {field: set(step.remote(field) or []) for field in (LOCKED, RETURNING, REFUSED_NAMES)}

    def recorded(self, field: str) -> frozenset[str]:
        return frozenset(self._recorded[field])

    def add(self, field: str, objects: Collection[str]) -> None:
        """Record objects before they are closed. Raises TemporaryError when a newer operation was accepted."""
        self._recorded[field] |= set(objects)
        if not self._save(field):
            raise TemporaryError(
                "not_ready", "A newer operation of the tenant was accepted and continues from the present state."
            )

    def keep(self, field: str, objects: Collection[str]) -> None:
        """Remove all other objects from the record, after they were opened again."""
        kept = self._recorded[field] & set(objects)
        if kept != self._recorded[field]:
            self._recorded[field] = kept
            self._save(field)

    def _save(self, field: str) -> bool:
        return self._step.save(**{field: sorted(self._recorded[field])})
