"""Take from accounts the permissions to sign in and to receive mail, and give them back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial

from worker.integrations.stalwart.accounts import RECEIVE, SIGN_IN, Account
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.record import LOCKED, RETURNING, ClosedRecord
from worker.integrations.stalwart.domain_faults import named_change
from worker.integrations.stalwart.ownership import is_of_another
from worker.integrations.step_context import StepContext, enumerate_names, run_all

#: accounts by the id of their domain
AccountsByDomain = Mapping[str, Sequence[Account]]
_TAKING = {SIGN_IN: "signing in", RECEIVE: "receiving mail"}
_GIVING = {SIGN_IN: "sign in", RECEIVE: "receive mail"}


def lock_accounts(
    step: StepContext,
    stalwart: StalwartClient,
    record: ClosedRecord,
    accounts: AccountsByDomain,
    refusing: Collection[str],
) -> None:
    """Take sign-in from all users, and mail from users and groups of some domains. `refusing`: ids of these.

    Mail that is refused for its domain still reaches an account by lists, aliases and catch-all addresses of other
    domains: the server's rule sees only the address that the sender gave.
    """
    taking = [
        (account, names)
        for domain_id, held in accounts.items()
        for account in held
        if not account.is_ours and (names := _to_take(account, takes_mail=domain_id in refusing))
    ]
    # record first, so that every locked account can be unlocked again
    locked = [account.id for account, names in taking if SIGN_IN in names]
    returning = [f"account {account.id}" for account, names in taking if RECEIVE in names]
    for field, objects in ((LOCKED, locked), (RETURNING, returning)):
        if objects:
            record.add(field, objects)
    run_all(
        partial(
            named_change,
            step,
            stalwart,
            f"keep {account.address} from {' and '.join(_TAKING[one] for one in names)}",
            partial(stalwart.accounts.restrict, account, names),
        )
        for account, names in taking
    )


def unlock_accounts(
    step: StepContext,
    stalwart: StalwartClient,
    record: ClosedRecord,
    accounts: Iterable[Account],
    permissions: Collection[str] = (SIGN_IN, RECEIVE),
) -> None:
    """Give these permissions back, as far as we took them."""
    locked, returning = record.recorded(LOCKED), record.recorded(RETURNING)

    def to_give(account: Account) -> list[str]:
        taken = {SIGN_IN: account.id in locked, RECEIVE: f"account {account.id}" in returning}
        return [one for one in permissions if taken[one] and not account.may(one)]

    run_all(
        partial(
            named_change,
            step,
            stalwart,
            f"let {account.address} {' and '.join(_GIVING[one] for one in names)} again",
            partial(stalwart.accounts.restore, account, names),
        )
        for account in accounts
        if (names := to_give(account))
    )


def unlock_moved(
    step: StepContext, stalwart: StalwartClient, record: ClosedRecord, known: Collection[str]
) -> dict[str, str]:
    """Unlock the accounts on record that a person moved to a domain outside the tenant.

    Returns a note on those in another tenant's domain, which are that tenant's now. `known`: objects found elsewhere.
    """
    on_record = {f"account {id_}" for id_ in record.recorded(LOCKED)} | record.recorded(RETURNING)
    ids = sorted(one.removeprefix("account ") for one in on_record - set(known) if one.startswith("account "))
    found = stalwart.accounts.find(ids)
    domains = stalwart.find_domains(sorted({one.domain_id for one in found}))
    others = {one.id for one in domains if is_of_another(step, one)}
    unlock_accounts(step, stalwart, record, [one for one in found if one.domain_id not in others])
    left = [one.address for one in found if one.domain_id in others]
    return {"moved_accounts": f"{enumerate_names(left)}: not unlocked, in another tenant's domain"} if left else {}


def _to_take(account: Account, *, takes_mail: bool) -> list[str]:
    names = [SIGN_IN] if account.kind == "User" and account.may(SIGN_IN) else []
    return [*names, RECEIVE] if takes_mail and account.may(RECEIVE) else names
