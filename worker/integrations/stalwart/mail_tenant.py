"""Ensure the tenant object of Stalwart, whose names are not unique."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial

from shared.integrations.outcomes import PermanentError, TemporaryError
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.models import MailDomain, MailTenant
from worker.integrations.stalwart.ownership import domains_of
from worker.integrations.step_context import StepContext

NAMED_AFTER_A_TENANT = re.compile(r"(^|\s)[0-9a-f]{24}$")


def ensure_mail_tenant(step: StepContext, stalwart: StalwartClient) -> str:
    """Ensure that the tenant has one mail tenant with the plan's quotas, put it on record, and return its id."""
    name = _name(step)
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


def restore_names(step: StepContext, stalwart: StalwartClient, tenants: Sequence[MailTenant]) -> None:
    """Give renamed mail tenants their names back. Until then only their domains prove that they are ours."""
    name = _name(step)
    for one in tenants:
        if one.name.split()[-1:] != [step.tenant.id]:
            give = partial(stalwart.update_tenant, one.id, name, {})
            step.change(f"give the mail tenant {one.name} its name back", give, None)


def mail_tenants(
    step: StepContext, stalwart: StalwartClient, domains: Callable[[], Sequence[MailDomain]]
) -> list[MailTenant]:
    """Return the mail tenants with the tenant's id in their names, and the one on record that a person renamed.

    One of the tenant's `domains` in a renamed one proves that it is the tenant's; without that proof this raises
    PermanentError("taken"). One that is named after another tenant is left out.
    """
    named = stalwart.list_tenants(step.tenant.id)
    known = step.remote("stalwartTenantId")
    renamed = stalwart.find_tenant(known) if known and known not in [one.id for one in named] else None
    if renamed is None or NAMED_AFTER_A_TENANT.search(renamed.name):
        return named
    if not any(domain.tenant_id == renamed.id for domain in domains()):
        told = f"The mail tenant on record is named {renamed.name} and holds no domain of the tenant."
        raise PermanentError("taken", f"{told} Put {step.tenant.id} at the end of its name if it is the tenant's.")
    return [*named, renamed]


def _name(step: StepContext) -> str:
    return f"{step.tenant.name} {step.tenant.id}"


def _our_tenant(step: StepContext, stalwart: StalwartClient) -> MailTenant | None:
    ids = [entry["id"] for entry in step.remote("stalwartDomains") or []]
    found = mail_tenants(step, stalwart, lambda: domains_of(step, stalwart.find_domains(ids)))
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
