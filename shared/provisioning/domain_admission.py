"""Which domains a tenant may have, and whether mail waits for their proof: both depend on who adds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.config.settings import Settings
from shared.core.errors import ActionNotPossible
from shared.db.documents import Transaction
from shared.domains.model import Terms
from shared.domains.repository import DomainRepository
from shared.tenants.model import Tenant


class DomainAdmission:
    """Adds domains in a transaction of the caller."""

    def __init__(self, *, domains: DomainRepository, settings: Settings) -> None:
        self._domains = domains
        self._mode = settings.domain_proof
        self._first_check = settings.domain_first_recheck_seconds
        self._has_keys = bool(settings.stamp_key_texts)

    def add(self, tenant: Tenant, names: Sequence[str], is_staff: bool, at: datetime, session: Transaction) -> None:
        """Record new domains of a tenant. `is_staff`: a platform administrator or the service itself adds them.

        Raises DomainTaken, DomainOverlaps, ActionNotPossible when no proof could be made for them.
        """
        if not names:
            return
        is_required = self._mode == "required" or (self._mode == "staff" and not is_staff)
        if is_required and not self._has_keys:
            raise ActionNotPossible("Domains that need a proof cannot be added: STAMP_KEYS is not set on this service.")
        if not is_staff:
            self._domains.require_apart(tenant.id, names, session)
        terms = Terms(is_required, self._first_check if is_required else None)
        self._domains.add(tenant, names, terms, at, session)

    def update(self, tenant: Tenant, is_staff: bool, session: Transaction) -> None:
        """Make the rows agree with the domains of a tenant that was changed. Raises what `add` raises."""
        names = self._domains.prune(tenant, session)
        self.add(tenant, names, is_staff, tenant.updated_at, session)
