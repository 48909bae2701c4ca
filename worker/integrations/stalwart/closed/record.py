"""Record the tenant's domains, and the objects that we closed, so that only these are opened again."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from shared.integrations.outcomes import TemporaryError
from worker.integrations.stalwart.models import MailDomain
from worker.integrations.step_context import StepContext

LOCKED, RETURNING = "stalwartLocked", "stalwartReturning"
#: names with a key, or that may have one: a key that was removed still applies until the lookup stores are reloaded
REFUSED_NAMES = "stalwartRefused"


Entry = dict[str, str]


class DomainRecord:
    """The record of the tenant's domains, as it was read and as one attempt has saved it since.

    `set_up`: domains that were ensured. `closed`: domains that left the tenant, also one that returned and was not
    ensured since, so that each domain of the tenant is on record.
    """

    def __init__(self, step: StepContext) -> None:
        self._step = step
        self.set_up: list[Entry] = list(step.remote("stalwartDomains") or [])
        self.closed: list[Entry] = list(step.remote("stalwartClosedDomains") or [])

    @property
    def ids(self) -> set[str]:
        return {entry["id"] for entry in (*self.set_up, *self.closed)}

    @property
    def current_ids(self) -> set[str]:
        """Return the ids of the tenant's present domains, also of those that a person renamed in Stalwart."""
        return {entry["id"] for entry in self.set_up if self._is_present(entry)}

    def left(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return those of these entries whose domain is not the tenant's now."""
        return [entry for entry in entries if not self._is_present(entry)]

    def set_closed(self, domains: Sequence[MailDomain]) -> None:
        """Record the domains that left the tenant as closed, and remove them from those that are set up."""
        kept = [entry for entry in self.set_up if self._is_present(entry)]
        names = {entry["domain"] for entry in kept}
        returned = [entry for entry in self.closed if self._is_present(entry) and entry["domain"] not in names]
        closed = [*returned, *({"domain": one.name, "id": one.id} for one in domains)]
        if (kept, closed) != (self.set_up, self.closed):
            self._save(kept, closed)

    def add(self, domain: MailDomain) -> None:
        """Record a domain that was ensured now, in the tenant's order."""
        known = {entry["domain"]: entry["id"] for entry in self.set_up} | {domain.name: domain.id}
        entries = [{"domain": name, "id": known[name]} for name in self._step.tenant.domains if name in known]
        # a domain that left the tenant and could not be closed in this attempt is closed by the next
        entries += self.left(self.set_up)
        self._save(entries, [entry for entry in self.closed if entry["domain"] != domain.name])

    def _is_present(self, entry: Entry) -> bool:
        return entry["domain"] in self._step.tenant.domains

    def _save(self, set_up: list[Entry], closed: list[Entry]) -> None:
        first = {"stalwartDomainId": set_up[0]["id"] if set_up else None}
        changed = {"stalwartClosedDomains": closed} if closed != self.closed else {}
        self.set_up, self.closed = set_up, closed
        self._step.save(stalwartDomains=set_up, **first, **changed)


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
