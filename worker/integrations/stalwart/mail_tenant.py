"""Ensure the tenant object of Stalwart, whose names are not unique."""

from __future__ import annotations

from shared.integrations.outcomes import PermanentError, TemporaryError
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.models import MailTenant
from worker.integrations.step_context import StepContext


def ensure_mail_tenant(step: StepContext, stalwart: StalwartClient) -> str:
    """Ensure that it exists once with the plan's quotas, put it on record, and return its id."""
    name = f"{step.tenant.name} {step.tenant.id}"
    limits = {"maxAccounts": step.plan.mailboxes or None, "maxDiskQuota": step.plan.mail_bytes or None}
    quotas = {key: limit for key, limit in limits.items() if limit}
    found = _our_tenant(step, stalwart) or step.change(
        f"create the mail tenant {name}",
        lambda: _created_tenant(step, stalwart, name, quotas),
        MailTenant("", name, quotas),
    )
    step.save(stalwartTenantId=found.id)
    if found.name != name or any(found.quotas.get(key) != limit for key, limit in limits.items()):
        step.change(
            f"set name and quotas of the mail tenant {name}",
            lambda: stalwart.update_tenant(found.id, name, limits),
            None,
        )
    return found.id


def over_quota(step: StepContext, stalwart: StalwartClient, tenant_id: str | None) -> dict[str, str]:
    """Return a note when more is used than the plan allows. Nothing is removed for that: Stalwart takes no more in."""
    if not tenant_id or step.is_first:
        return {}
    mailboxes, used = stalwart.usage(tenant_id)
    excesses = []
    if 0 < step.plan.mailboxes < mailboxes:
        excesses.append(f"there are {mailboxes} mailboxes, the plan allows {step.plan.mailboxes}")
    if 0 < step.plan.mail_bytes < used:
        excesses.append(f"{used} bytes are used, the plan allows {step.plan.mail_bytes}")
    return {"over_quota": "; ".join(excesses)} if excesses else {}


def _our_tenant(step: StepContext, stalwart: StalwartClient) -> MailTenant | None:
    found = stalwart.list_tenants(step.tenant.id)
    if len(found) > 1:
        raise PermanentError("ambiguous", "Stalwart has several tenants with this tenant's id in their names.")
    return found[0] if found else None


def _created_tenant(step: StepContext, stalwart: StalwartClient, name: str, quotas: dict[str, int]) -> MailTenant:
    try:
        return MailTenant(stalwart.create_tenant(name, quotas), name, quotas)
    except TemporaryError:
        found = _our_tenant(step, stalwart)
        if found is None:
            raise
        return found
