"""Check whether slugs and domains are free, for actors who may create tenants."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domains.repository import DomainRepository
from shared.rights import policy
from shared.rights.policy import Actor
from shared.tenants.repository import TenantRepository


@dataclass(frozen=True, kw_only=True)
class AvailabilityService:
    """Tells only whether a name is free, never who has it. The result is a snapshot and reserves nothing."""

    domains: DomainRepository
    tenants: TenantRepository

    def is_slug_free(self, slug: str, actor: Actor) -> bool:
        """Return whether no tenant has or had the slug. Raises Forbidden."""
        self._require_staff(actor)
        return self.tenants.find(slug) is None

    def is_domain_free(self, domain: str, actor: Actor) -> bool:
        """Return whether the actor could add the domain to a new tenant. Raises Forbidden."""
        self._require_staff(actor)
        return self.domains.is_free(domain, may_overlap=actor.is_platform_admin)

    def _require_staff(self, actor: Actor) -> None:
        policy.require(
            policy.may_create_tenant(actor, policy.default_partner_id(actor)),
            "Only a platform administrator or a partner's administrator may check names.",
        )
