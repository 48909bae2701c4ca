"""Ensure the tenant object of Stalwart, whose names are not unique, and keep the tenant's accounts in it.

The plan's limits bind members of the mail tenant only. Accounts stay outside it that existed before their domain was
assigned to it, or that a person creates without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

from shared.integrations.outcomes import BREAKER_REASON, NotFound, PermanentError, TemporaryError
from worker.integrations.stalwart.accounts import Account
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.models import MailDomain, MailTenant
from worker.integrations.stalwart.ownership import domains_of
from worker.integrations.stalwart.protocol.answers import ReferenceRefused
from worker.integrations.step_context import StepContext, enumerate_names, run_all

NAMED_AFTER_A_TENANT = re.compile(r"(^|\s)[0-9a-f]{24}$")
NOT_COUNTED = (
    "Stalwart refused the task that counts the mail of moved accounts: our account needs the permission "
    "taskTenantMaintenance. Create the task TenantMaintenance with recalculateQuota for the mail tenant there."
)


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


def ensure_members(
    step: StepContext, stalwart: StalwartClient, domains: Sequence[MailDomain], owner: str | None
) -> dict[str, str | None]:
    """Move the accounts of these domains into the mail tenant; return notes on those outside and on the plan.

    Our own account stays where it is. So do those of other mail tenants, and those with special roles or permissions: a
    mail tenant limits these, so that an administrator of the server would lose access to it.
    """
    if owner is None or step.is_first:
        return {}
    held = stalwart.accounts.in_domains([one.id for one in domains if one.id])
    found = [account for accounts in held.values() for account in accounts]
    outside = [one for one in found if one.tenant_id != owner and not one.is_ours]
    # groups first: the server may refuse a member whose group is not in its mail tenant
    movable = [one for one in outside if one.tenant_id is None and not one.is_special]
    movable.sort(key=lambda one: one.kind != "Group")
    if step.is_dry_run:
        movable = _accepted(stalwart, movable, domains, owner)
    moved: dict[str, bool] = {}
    run_all(
        partial(_move, step, stalwart, account, owner, moved, is_last=account is movable[-1]) for account in movable
    )
    members = stalwart.accounts.in_mail_tenant(owner) if owner else []
    used = {one.id: one for one in (*members, *found) if not one.is_ours}
    left = [one.address for one in outside if one.id not in moved]
    return {
        "outside_mail_tenant": enumerate_names(left),
        "not_counted": None if all(moved.values()) else NOT_COUNTED,
        "over_quota": "; ".join(_excesses(step, used.values())),
    }


def _accepted(
    stalwart: StalwartClient, movable: Sequence[Account], domains: Sequence[MailDomain], owner: str
) -> list[Account]:
    """Return the accounts, groups first, that the server will move.

    It refuses one with an alias in a domain outside the mail tenant, and a member of a group outside it.
    """
    inside = {one.id for one in domains}
    referred = {id_ for one in movable for id_ in one.alias_domains} - inside
    inside |= {one.id for one in stalwart.find_domains(sorted(referred)) if one.tenant_id == owner}
    groups = {id_ for one in movable for id_ in one.groups} - {one.id for one in movable}
    members = {one.id for one in stalwart.accounts.find(sorted(groups)) if one.tenant_id == owner}
    accepted = []
    for account in movable:
        if account.alias_domains <= inside and account.groups <= members:
            accepted.append(account)
            members.add(account.id)
    return accepted


def _move(
    step: StepContext, stalwart: StalwartClient, account: Account, owner: str, moved: dict[str, bool], *, is_last: bool
) -> None:
    """Move an account; one that the server refuses stays outside and stops no other.

    `moved`: gets the account's id, with whether the server counts its mail.
    """
    sentence = f"move {account.address} into the mail tenant, whose limits are the plan's"
    move = partial(stalwart.accounts.move, account, owner, is_last=is_last)
    try:
        moved[account.id] = step.change(sentence, move, True)
    except (PermanentError, ReferenceRefused) as refusal:
        if refusal.reason == BREAKER_REASON:
            raise
    except NotFound:
        moved[account.id] = True  # it was deleted meanwhile


def _excesses(step: StepContext, accounts: Collection[Account]) -> Iterator[str]:
    """Say what is used beyond the plan. Nothing is removed for that: Stalwart takes no more in."""
    mailboxes, used = sum(one.kind == "User" for one in accounts), sum(one.used_bytes for one in accounts)
    if 0 < step.plan.mailboxes < mailboxes:
        yield f"there are {mailboxes} mailboxes, the plan allows {step.plan.mailboxes}"
    if 0 < step.plan.mail_bytes < used:
        yield f"{used} bytes are used, the plan allows {step.plan.mail_bytes}"
