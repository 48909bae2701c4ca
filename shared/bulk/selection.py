"""Find the tenants of a bulk operation: those that meet its selector and that the actor may change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared.bulk.model import MAX_TENANTS, BulkAction, BulkOperation, Selector
from shared.bulk.repository import BulkOperationRepository
from shared.operations.model import OperationStatus
from shared.operations.problems import Kind
from shared.provisioning.tenants import TenantService
from shared.rights import policy
from shared.rights.policy import Actor
from shared.status.model import OperationQuery, Target
from shared.status.problem_repository import ProblemRepository
from shared.tenants.model import Tenant
from shared.tenants.repository import TenantRepository
from shared.tenants.views import TenantQuery

#: operations and tenants read at a time
PAGE = 500


@dataclass(frozen=True, kw_only=True)
class BulkSelection:
    bulk: BulkOperationRepository
    problems: ProblemRepository
    tenants: TenantRepository
    tenant_service: TenantService

    def targets(self, action: BulkAction, selector: Selector, actor: Actor) -> Iterator[Target]:
        """Yield the tenants, with the operation and the steps to act on."""
        if action is BulkAction.RECONCILE and not selector.names_problems:
            for tenant in self._select(selector, actor):
                if policy.may_reconcile_tenant(actor, tenant):
                    yield Target(tenant.id, tenant.slug, tenant.operation_id)
            return
        if action is BulkAction.RETRY and selector.kind not in (None, Kind.FAILED):
            return  # only failed steps can be retried, so no tenant meets all criteria
        kind = Kind.FAILED if action is BulkAction.RETRY else Kind(selector.kind) if selector.kind else None
        status = "running" if action is BulkAction.CANCEL else None
        # somebody stopped a cancelled operation on purpose
        skips_cancelled = action is BulkAction.RETRY and selector.reason != OperationStatus.CANCELLED
        not_status = OperationStatus.CANCELLED if skips_cancelled else None
        query = OperationQuery(limit=PAGE, status=status, not_status=not_status, reason=selector.reason, kind=kind)
        for tenant, target in self._with_problems(query, selector, actor):
            if _may_act(action, actor, tenant, target) and (target.steps or action is not BulkAction.RETRY):
                yield target

    def _with_problems(
        self, query: OperationQuery, selector: Selector, actor: Actor
    ) -> Iterator[tuple[Tenant, Target]]:
        """Yield tenants whose operations have the problem and that meet the selector's other criteria."""
        tenant_ids = self.visible_ids(actor)
        after: str | None = None
        while True:
            page = self.problems.targets(tenant_ids, query, selector.integration, after)
            ids = tuple(target.tenant_id for target in page.items)
            wanted = {tenant.id: tenant for tenant in self._select(selector, actor, ids)}
            yield from ((wanted[one.tenant_id], one) for one in page.items if one.tenant_id in wanted)
            if page.next is None:
                return
            after = page.next

    def allowed_ids(self, bulk: BulkOperation, actor: Actor) -> tuple[str, ...]:
        """Return the tenants of a dry run that the actor may still change so: a newer token may list fewer rights."""
        targets = {target.tenant_id: target for target in self.bulk.targets(bulk.id)}
        tenants = self.tenants.by_ids(tuple(targets))
        return tuple(one.id for one in tenants if _may_act(bulk.action, actor, one, targets[one.id]))

    def visible_ids(self, actor: Actor) -> tuple[str, ...] | None:
        """Return the ids of the tenants that the actor sees; None means all."""
        return self.tenants.ids_in(policy.visible_tenants(actor))

    def _select(self, selector: Selector, actor: Actor, among: tuple[str, ...] | None = None) -> Iterator[Tenant]:
        query = TenantQuery(
            status=selector.status,
            plan=selector.plan,
            partner=selector.partner,
            search=selector.search,
            drifted=selector.drifted,
            slugs=selector.tenants,
        )
        return self.tenants.matching(
            policy.visible_tenants(actor), self.tenant_service.with_partner_ids(query), among, MAX_TENANTS + 1
        )


def _may_act(action: BulkAction, actor: Actor, tenant: Tenant, target: Target) -> bool:
    if action is BulkAction.RECONCILE or target.action is None:
        return policy.may_reconcile_tenant(actor, tenant)
    return policy.may_control_operation(actor, tenant, target.action)
