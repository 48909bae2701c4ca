"""Rules for adding domains to a tenant: whether a domain is accepted and needs a proof depends on who adds it."""

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
    """Adds domains within the caller's transaction."""

    def __init__(self, *, domains: DomainRepository, settings: Settings) -> None:
        self._domains = domains
        self._mode = settings.domain_proof
        self._first_check = settings.domain_first_recheck_seconds
        self._has_keys = bool(settings.stamp_key_texts)

    def add(
        self, tenant: Tenant, names: Sequence[str], is_staff: bool, at: datetime, session: Transaction
    ) -> Sequence[str]:
        """Record new domains, and return those that need a proof.

        `is_staff`: a platform administrator or the service itself adds them.
        Raises DomainTaken, DomainOverlaps, and ActionNotPossible when a proof is required but no key is configured.
        """
        if not names:
            return ()
        is_required = self._mode == "required" or (self._mode == "staff" and not is_staff)
        if is_required and not self._has_keys:
            raise ActionNotPossible("Domains that need a proof cannot be added: STAMP_KEYS is not set on this service.")
        if not is_staff:
            self._domains.require_apart(tenant.id, names, session)
        terms = Terms(is_required, self._first_check if is_required else None)
        self._domains.add(tenant, names, terms, at, session)
        return names if is_required else ()

    def update(self, tenant: Tenant, is_staff: bool, session: Transaction) -> None:
        """Add and remove domain records to match the tenant's domains. Raises the errors of `add`."""
        names = self._domains.prune(tenant, session)
        self.add(tenant, names, is_staff, tenant.updated_at, session)
