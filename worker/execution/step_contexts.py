"""Make the context of each step from the tenant's record, the claim and the settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from shared.billing.sync import BillingService
from shared.config.settings import Settings
from shared.domains.repository import DomainRepository
from shared.integrations.catalog import AUTHENTIK, BILLING, STALWART
from shared.integrations.ownership_marker import MarkerSigner
from shared.operations.model import Claim, Operation, StepStatus
from shared.operations.repository import OperationRepository
from shared.tenants.documents import tenant_of
from shared.tenants.model import Tenant
from shared.tenants.recorded_objects import RecordedObjects
from shared.tenants.repository import TenantRepository
from shared.workflows.model import EXEMPT_FROM_REMOVAL_LIMIT
from worker.execution.breaker import Breaker
from worker.integrations.step_context import GroupState, StepContext, billing_account_of

#: attempts that do not wait for the group's step any more begin with this one, after a minute or two of back-off
GROUP_ATTEMPTS = 8


@dataclass(frozen=True, kw_only=True)
class StepContexts:
    """Makes step contexts. `clients`: integration to its client, None when it is not configured."""

    domains: DomainRepository
    operations: OperationRepository
    tenants: TenantRepository
    recorded_objects: RecordedObjects
    billing: BillingService
    settings: Settings
    breaker: Breaker
    clients: Mapping[str, Any]

    def make(self, claim: Claim, integration: str) -> StepContext | None:
        """Make the context of one attempt; None if the tenant's record no longer exists."""
        operation = claim.operation
        # the document of the new tenant has no billing information
        new = claim.new_tenant if integration != BILLING else None
        tenant = tenant_of(dict(new)) if new else self.tenants.find_by_id(operation.tenant_id)
        if tenant is None:
            return None
        on_record = dict(tenant.remote)

        def save(**fields: Any) -> bool:
            changed = {name: value for name, value in fields.items() if on_record.get(name) != value}
            if not changed or operation.is_dry_run:
                return True
            on_record.update(changed)
            # no other attempt of the step can begin before the lease has ended, so nothing newer is overwritten
            return self.tenants.save_remote(tenant.id, operation.generation, changed, claim.step.lease_until)

        return StepContext(
            tenant=tenant,
            plan=self.settings.plans.get(tenant.plan) or next(iter(self.settings.plans.values())),
            signer=MarkerSigner(integration, self.settings.stamp_key_texts),
            save=save,
            group_prefix=self.settings.oidc_tenant_group_prefix,
            member_role=self.settings.ocis_member_role,
            proven=self._proven(tenant, claim, integration),
            email_stage=self.settings.authentik_email_stage,
            invitation_duration=self.settings.authentik_invitation_duration,
            suspended_mail=self.settings.suspended_mail,
            account=billing_account_of(self.billing, operation, claim.step, tenant.plan, self.settings.stripe_prices),
            is_first=claim.is_first and not self.breaker.may_have_begun(operation),
            is_dry_run=operation.is_dry_run,
            max_removals=self._max_removals(operation),
            is_recorded_for_another_tenant=lambda id_: self.recorded_objects.is_recorded_for_another_tenant(
                integration, id_, tenant.id
            ),
            group_state=partial(self._group_state, tenant, claim),
        )

    def _group_state(self, tenant: Tenant, claim: Claim) -> GroupState:
        """Return the group's current state. Without Authentik there is nothing to compare with: the name counts.

        Only the first attempts wait for the group's step. While Authentik is paused or down it does not end, and would
        use up the attempts of the step that waits.
        """
        if self.clients.get(AUTHENTIK) is None:
            return GroupState.RECORDED
        is_recorded = "authentikGroupId" in tenant.remote
        if is_recorded and tenant.remote.get("ocisMembers") == "invited":
            return GroupState.RECORDED  # there is nothing to wait for
        state = _group_state_in(claim.operation, is_recorded=is_recorded)
        if state is GroupState.AWAITED:
            # its step may have ended since this attempt began
            state = _group_state_in(self.operations.find(claim.operation.id), is_recorded=is_recorded)
        may_wait = claim.step.attempts < min(GROUP_ATTEMPTS, self.settings.step_max_attempts)
        return GroupState.ABSENT if state is GroupState.AWAITED and not may_wait else state

    def _proven(self, tenant: Tenant, claim: Claim, integration: str) -> frozenset[str] | None:
        """Return the domains that mail may be set up for; None when no domain needs a proof."""
        mode = self.settings.domain_proof
        if integration != STALWART or not tenant.domains or mode == "off":
            return None
        if claim.new_tenant:
            # a proof since then starts a reconcile
            unproven = frozenset(claim.new_tenant["unproven"])
        else:
            unproven = self.domains.unproven_of(tenant.id, is_always_required=mode == "required")
        return frozenset(tenant.domains) - unproven if unproven else None

    def _max_removals(self, operation: Operation) -> int | None:
        """Return the limit of removals; None for an action that removes by definition, or with an approval."""
        is_allowed = operation.allow_removals or operation.action in EXEMPT_FROM_REMOVAL_LIMIT
        return None if is_allowed else self.settings.removals_per_run


def _group_state_in(operation: Operation | None, *, is_recorded: bool) -> GroupState:
    """Return the state by an operation: the record may name a group that is gone by now.

    A dry run records no group: the outcome of the group's own dry run counts.
    """
    step = next((one for one in operation.steps if one.name == AUTHENTIK), None) if operation is not None else None
    if operation is None or step is None:
        return GroupState.RECORDED if is_recorded else GroupState.ABSENT
    if step.is_open:
        return GroupState.AWAITED
    if operation.is_dry_run and step.status is StepStatus.OK:
        return GroupState.RECORDED
    # a settled operation, one of whose steps is retried, has nothing in `found`
    is_kept = is_recorded and step.status is not StepStatus.ERROR
    return GroupState.RECORDED if is_kept or operation.found.get("authentikGroupId") else GroupState.ABSENT
