"""Keep the accounts of the tenant's domains in its mail tenant, and compare what they use with the plan.

The plan's limits bind members of the mail tenant only. Accounts stay outside it that existed before their domain was
assigned to it, or that a person creates without it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial

from shared.integrations.outcomes import BREAKER_REASON, NotFound, PermanentError
from worker.integrations.stalwart.accounts import Account
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.models import MailDomain
from worker.integrations.stalwart.protocol.answers import ReferenceRefused
from worker.integrations.step_context import StepContext, enumerate_names, run_all

NOT_COUNTED = (
    "Stalwart refused the task that counts the mail of moved accounts: our account needs the permission "
    "taskTenantMaintenance. Create the task TenantMaintenance with recalculateQuota for the mail tenant there."
)


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
