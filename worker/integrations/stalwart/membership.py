"""Keep the accounts of the tenant's domains in its mail tenant, and compare what they use with the plan.

The plan's limits bind members of the mail tenant only. Stalwart leaves accounts outside that were there before their
domain was assigned to it, and those that a person creates without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from shared.integrations.outcomes import BREAKER_REASON, NotFound, PermanentError
from worker.integrations.stalwart.accounts import Account
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.models import MailDomain
from worker.integrations.stalwart.protocol.answers import ReferenceRefused
from worker.integrations.step_context import StepContext, enumerate_names, run_all


def ensure_members(
    step: StepContext, stalwart: StalwartClient, domains: Sequence[MailDomain], owner: str | None
) -> dict[str, str]:
    """Move the accounts of these domains into the mail tenant; return notes on those outside and on the plan.

    Our own account stays where it is. So do those of other mail tenants, and those with special roles or permissions,
    which a mail tenant cuts: an administrator of the server would lose the server.
    """
    if owner is None or step.is_first:
        return {}
    found = [account for one in domains if one.id for account in stalwart.accounts.in_domain(one.id)]
    outside = [one for one in found if one.tenant_id != owner and not one.is_ours]
    # groups first: the server may refuse a member whose group is not in its mail tenant
    movable = [one for one in outside if one.tenant_id is None and not one.is_special]
    movable.sort(key=lambda one: one.kind != "Group")
    moved: set[str] = set()
    run_all(
        partial(_move, step, stalwart, account, owner, moved, is_last=account is movable[-1]) for account in movable
    )
    members = stalwart.accounts.in_mail_tenant(owner) if owner else []
    used = {one.id: one for one in (*members, *found) if not one.is_ours}
    left = [one.address for one in outside if one.id not in moved]
    notes = {"outside_mail_tenant": enumerate_names(left)} if left else {}
    return notes | _over_quota(step, used.values())


def _move(
    step: StepContext, stalwart: StalwartClient, account: Account, owner: str, moved: set[str], *, is_last: bool
) -> None:
    """Move an account; one that the server refuses stays outside and stops no other."""
    sentence = f"move {account.address} into the mail tenant, whose limits are the plan's"
    try:
        step.change(sentence, partial(stalwart.accounts.move, account, owner, is_last=is_last), None)
    except (PermanentError, ReferenceRefused) as refusal:
        if refusal.reason == BREAKER_REASON:
            raise
    except NotFound:
        moved.add(account.id)  # it was deleted meanwhile
    else:
        moved.add(account.id)


def _over_quota(step: StepContext, accounts: Iterable[Account]) -> dict[str, str]:
    """Return a note when more is used than the plan allows. Nothing is removed for that: Stalwart takes no more in."""
    counted = list(accounts)
    mailboxes, used = sum(one.kind == "User" for one in counted), sum(one.used_bytes for one in counted)
    excesses = []
    if 0 < step.plan.mailboxes < mailboxes:
        excesses.append(f"there are {mailboxes} mailboxes, the plan allows {step.plan.mailboxes}")
    if 0 < step.plan.mail_bytes < used:
        excesses.append(f"{used} bytes are used, the plan allows {step.plan.mail_bytes}")
    return {"over_quota": "; ".join(excesses)} if excesses else {}
