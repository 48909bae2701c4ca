"""Read the circuit breakers and pauses; pause and resume an integration, a tenant or all."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.errors import NotFound
from shared.db.connection import MongoConnection
from shared.db.documents import Transaction
from shared.events.model import NewEvent
from shared.events.repository import EventRepository
from shared.provisioning.tenants import TenantService
from shared.rights import operator_policy as operator_access
from shared.rights import policy
from shared.rights.policy import Actor
from shared.switches.model import SWITCHES, Switch, tenant_switch
from shared.switches.repository import SwitchRepository
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository

ADMINISTRATORS_ONLY = "Only a platform administrator may do this."


@dataclass(frozen=True, kw_only=True)
class SwitchService:
    """Use cases of switches. All methods raise Forbidden; those about a tenant also raise NotFound."""

    connection: MongoConnection
    events: EventRepository
    switches: SwitchRepository
    tenants: TenantRepository
    tenant_service: TenantService

    def page(self, actor: Actor) -> list[Switch]:
        """Return the switch of each integration and the switch `all`."""
        policy.require(operator_access.may_see_switches(actor), ADMINISTRATORS_ONLY)
        found = self.switches.all()
        return [found.get(name, Switch(name)) for name in SWITCHES]

    def pause(self, name: str, reason: str, actor: Actor) -> Switch:
        """Start no more steps of an integration, or of any with the name `all`. Raises NotFound for another name."""
        self._require(name, actor)
        return self._pause(name, NewEvent("integration.paused", actor.author, after=_facts(name, reason)))

    def resume(self, name: str, actor: Actor) -> Switch:
        """Start steps again; an open breaker is probed immediately. Raises NotFound for another name."""
        self._require(name, actor)
        return self._resume(name, NewEvent("integration.resumed", actor.author, after=_facts(name)))

    def pause_tenant(self, slug: str, reason: str, actor: Actor) -> tuple[Tenant, Switch]:
        """Start no more steps of the tenant's operations."""
        tenant = self._tenant(slug, actor)
        event = NewEvent("tenant.paused", actor.author, tenant.id, tenant.slug, None, {"reason": reason})
        return tenant, self._pause(tenant_switch(tenant.id), event, tenant.id)

    def unpause_tenant(self, slug: str, actor: Actor) -> tuple[Tenant, Switch]:
        """Start the tenant's steps again."""
        tenant = self._tenant(slug, actor)
        event = NewEvent("tenant.unpaused", actor.author, tenant.id, tenant.slug)
        return tenant, self._resume(tenant_switch(tenant.id), event, tenant.id)

    def _pause(self, name: str, event: NewEvent, tenant_id: str | None = None) -> Switch:
        reason = str((event.after or {})["reason"])

        def work(session: Transaction) -> Switch:
            self.events.append(event, session)
            switch = self.switches.pause(name, reason, event.author.user_id, session)
            if tenant_id is not None:
                self.tenants.show_pause(tenant_id, switch.pause, session)
            return switch

        return self.connection.transaction(work)

    def _resume(self, name: str, event: NewEvent, tenant_id: str | None = None) -> Switch:
        def work(session: Transaction) -> Switch:
            switch = self.switches.resume(name, session)
            if switch is not None:
                self.events.append(event, session)
                if tenant_id is not None:
                    self.tenants.show_pause(tenant_id, None, session)
            return switch or Switch(name)

        return self.connection.transaction(work)

    def _require(self, name: str, actor: Actor) -> None:
        policy.require(operator_access.may_pause(actor), ADMINISTRATORS_ONLY)
        if name not in SWITCHES:
            raise NotFound(f"There is no integration {name!r}; there are {', '.join(SWITCHES)}.")

    def _tenant(self, slug: str, actor: Actor) -> Tenant:
        tenant = self.tenant_service.visible(slug, actor)
        policy.require(operator_access.may_pause(actor), ADMINISTRATORS_ONLY)
        return tenant


def _facts(name: str, reason: str | None = None) -> dict[str, str]:
    return {"integration": name} | ({"reason": reason} if reason else {})
