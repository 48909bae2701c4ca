"""Ensure the tenant object of Stalwart, whose names are not unique."""

from __future__ import annotations

from shared.integrations.outcomes import Refused, Unavailable
from worker.integrations.stalwart.client import Stalwart
from worker.integrations.stalwart.models import MailTenant
from worker.integrations.step_context import Work


def ensure_mail_tenant(work: Work, mail: Stalwart) -> str:
    """Ensure that it exists once with the plan's quotas, put it on record, and return its id."""
    name = f"{work.tenant.name} {work.tenant.id}"
    limits = {"maxAccounts": work.plan.mailboxes or None, "maxDiskQuota": work.plan.mail_bytes or None}
    quotas = {key: limit for key, limit in limits.items() if limit}
    found = _our_tenant(work, mail) or work.change(
        f"create the mail tenant {name}",
        lambda: _created_tenant(work, mail, name, quotas),
        MailTenant("", name, quotas),
    )
    work.save(stalwartTenantId=found.id)
    if found.name != name or any(found.quotas.get(key) != limit for key, limit in limits.items()):
        work.change(
            f"set name and quotas of the mail tenant {name}",
            lambda: mail.update_tenant(found.id, name, limits),
            None,
        )
    return found.id


def _our_tenant(work: Work, mail: Stalwart) -> MailTenant | None:
    found = mail.list_tenants(work.tenant.id)
    if len(found) > 1:
        raise Refused("ambiguous", "Stalwart has several tenants with this tenant's id in their names.")
    return found[0] if found else None


def _created_tenant(work: Work, mail: Stalwart, name: str, quotas: dict[str, int]) -> MailTenant:
    try:
        return MailTenant(mail.create_tenant(name, quotas), name, quotas)
    except Unavailable:
        found = _our_tenant(work, mail)
        if found is None:
            raise
        return found
