"""Current problems and results of operations, limited to what the actor may see."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.accounts.scope import Scope
from shared.db.connection import MongoConnection
from shared.db.documents import Page
from shared.operations.model import Operation
from shared.provisioning.tenants import TenantService
from shared.rights import policy
from shared.rights.policy import Actor
from shared.status.finding_repository import FindingRepository
from shared.status.model import Group, OperationQuery, Status, Summary, TenantPause, severity
from shared.status.outcome_repository import OutcomeRepository
from shared.status.problem_repository import ProblemRepository, TenantIds
from shared.switches.model import Switch, tenant_of_switch
from shared.switches.repository import SwitchRepository
from shared.tenants.repository import TenantRepository
from shared.webhooks.policy import visible_webhooks


@dataclass(frozen=True, kw_only=True)
class StatusService:
    """Read only. Besides the actor's own tenants it shows only which integrations are unavailable or paused."""

    connection: MongoConnection
    findings: FindingRepository
    outcomes: OutcomeRepository
    problems: ProblemRepository
    switches: SwitchRepository
    tenants: TenantRepository
    tenant_service: TenantService

    def status(self, actor: Actor) -> Status:
        """Return all current problems within the actor's scope."""
        scope = policy.visible_tenants(actor)
        tenant_ids = self.tenants.ids_in(scope)
        found, counts = self.findings, self.problems.count(tenant_ids)
        singles = (self.problems.late(tenant_ids), found.waiting_purges(tenant_ids))
        groups: list[Group] = [
            *self.problems.groups(tenant_ids, counts),
            *(group for group in singles if group is not None),
            *found.drifted(tenant_ids),
            *found.domains(tenant_ids),
            *found.webhooks(self._webhook_scope(actor)),
        ]
        switches = list(self.switches.all().values())
        return Status(
            at=self.connection.now(),
            tenants=counts.tenants(),
            groups=sorted(groups, key=lambda group: (severity(group.kind), -group.count)),
            breakers=[_limit_to(one, tenant_ids) for one in switches if one.is_open],
            pauses=[_limit_to(one, tenant_ids) for one in switches if one.pause is not None and not one.is_of_tenant],
            tenant_pauses=self._tenant_pauses(switches, tenant_ids),
        )

    def page(self, actor: Actor, tenant_slug: str | None, query: OperationQuery) -> Page[Operation]:
        """Return a page of operations of the actor's tenants, newest first. Raises NotFound for an unknown tenant."""
        return self.problems.page(self.tenant_service.ids_in_scope(actor, tenant_slug), query)

    def summary(self, actor: Actor, tenant_slug: str | None, hours: int) -> Summary:
        """Return counts, and results of the last hours. Raises NotFound for an unknown tenant."""
        tenant_ids = self.tenant_service.ids_in_scope(actor, tenant_slug)
        outcomes = self.outcomes
        failing = self.problems.count(tenant_ids).tenants()
        return Summary(outcomes.open(tenant_ids), failing, outcomes.hours(tenant_ids, hours))

    def _webhook_scope(self, actor: Actor) -> Scope:
        """Return the scope of the webhooks that the actor may see, which is narrower than that of their tenants."""
        scope = visible_webhooks(actor)
        return replace(scope, tenant_ids=self.tenants.ids_in(Scope(tenant_ids=scope.tenant_ids)) or ())

    def _tenant_pauses(self, switches: list[Switch], tenant_ids: TenantIds) -> list[TenantPause]:
        paused = {
            tenant_of_switch(one.name) or "": one for one in switches if one.is_of_tenant and one.pause is not None
        }
        mine = tuple(one for one in paused if tenant_ids is None or one in tenant_ids)
        return [TenantPause(tenant.slug, paused[tenant.id]) for tenant in self.tenants.by_ids(mine)]


def _limit_to(switch: Switch, tenant_ids: TenantIds) -> Switch:
    """Remove the product's message and other tenants, unless the actor sees all tenants."""
    if tenant_ids is None:
        return switch
    mine = tuple(one for one in switch.failing if one.tenant.id in tenant_ids)
    return replace(switch, detail="", failures=0, failing=mine)
