"""Close a tenant's mail and open it again: no account can sign in, and no new mail is accepted.

Closing keeps everything. IMAP and SMTP sessions that are already open continue until they disconnect.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from shared.integrations.outcomes import Outcome, ok, skipped
from worker.integrations.stalwart.accounts import RECEIVE, Account
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.account_lock import (
    AccountsByDomain,
    lock_accounts,
    unlock_accounts,
    unlock_moved,
)
from worker.integrations.stalwart.closed.mail_acceptance import accept_mail_again
from worker.integrations.stalwart.closed.mail_stop import stop_mail
from worker.integrations.stalwart.closed.record import LOCKED, REFUSED_NAMES, RETURNING, ClosedRecord, DomainRecord
from worker.integrations.stalwart.domain_faults import DomainFaults
from worker.integrations.stalwart.models import MailDomain
from worker.integrations.stalwart.ownership import closable_domains, domains_of, require_markers
from worker.integrations.step_context import StepContext, enumerate_names, run_all

Domains = Sequence[MailDomain]
OPEN_SESSIONS = (
    "HTTP and JMAP are cut off at once. IMAP and SMTP sessions that were already open go on until they disconnect: "
    "they can still read, send and store mail. To end them, disconnect them in Stalwart or restart it."
)


@dataclass(frozen=True)
class ClosedDomains:
    """Domains that left the tenant and stay closed. `objects`: they and their accounts; `notes`: on new ones."""

    objects: frozenset[str]
    names: frozenset[str]
    notes: Mapping[str, str]


def close_mail(step: StepContext, stalwart: StalwartClient) -> Outcome:
    """Block sign-in to all accounts of the tenant's domains; refuse or receive their mail, as SUSPENDED_MAIL says."""
    every = stalwart.list_domains()
    domains = closable_domains(step, every)
    on_record = DomainRecord(step)
    known = on_record.ids - on_record.current_ids
    left = [one for one in domains if one.name not in step.tenant.domains and one.id in known]
    # a domain that left the tenant never accepts mail. It goes on record as closed: if its removal waited for
    # an approval, the tenant could not be resumed, as only a reconcile is approved and a closed tenant has none
    on_record.set_closed(left)
    record = ClosedRecord(step)
    is_refused = step.suspended_mail == "refuse"
    refusing = domains if is_refused else left
    notes = close_domains(step, stalwart, record, _accounts(stalwart, domains), refusing)
    if not is_refused:
        _receive_again(step, stalwart, record, [one for one in domains if one not in left])
    require_markers(step, [one for one in every if one not in domains])
    if not domains:
        return skipped("nothing_there")
    if step.is_dry_run:
        return ok()
    bare = [one.name for one in domains if step.signer.tenant_id(one.description) != step.tenant.id]
    if bare:
        notes["marker_missing"] = f"{', '.join(bare)}: a resume writes the tenant's ownership marker back"
    if not is_refused:
        notes = {name: text for name, text in notes.items() if not name.startswith("mail")} | {"mail": "received"}
    return ok(**notes, open_sessions=OPEN_SESSIONS)


def open_mail(
    step: StepContext, stalwart: StalwartClient, record: ClosedRecord, own: Domains, left: ClosedDomains
) -> dict[str, str]:
    """Allow mail and sign-in for the tenant's `own` domains again, as far as we closed them. `left` stays closed.

    What we closed in another domain of the tenant, such as one that fails now, stays on record to be opened later.
    Returns notes.
    """
    locked, returning = record.recorded(LOCKED), record.recorded(RETURNING)
    on_record = returning.union(f"account {id_}" for id_ in locked)
    is_any_closed = bool(own) and (on_record - left.objects or record.recorded(REFUSED_NAMES) - left.names)
    domains = [*own, *(_marked_only(step, stalwart, own) if is_any_closed else ())]
    accounts = _accounts(stalwart, domains) if locked or returning else {}
    closed = set(left.objects)
    if not {one.name for one in own}.issuperset(step.tenant.domains):
        # accounts on record may be in a domain that is not open yet
        closed |= on_record - _objects(accounts)
    notes: dict[str, str] = {}
    # accounts first: an address that cannot be restored must not keep them locked
    run_all(
        [
            lambda: notes.update(_unlock(step, stalwart, record, accounts, closed) if domains else {}),
            lambda: notes.update(accept_mail_again(step, stalwart, record, domains, left.names)),
        ]
    )
    if domains:
        record.keep(RETURNING, closed)
    return notes


def _unlock(
    step: StepContext,
    stalwart: StalwartClient,
    record: ClosedRecord,
    accounts: AccountsByDomain,
    closed: Collection[str],
) -> dict[str, str]:
    """Unlock the accounts, and those that a person moved. `closed`: objects that stay on record. Returns notes."""
    unlock_accounts(step, stalwart, record, _each(accounts))
    notes = unlock_moved(step, stalwart, record, _objects(accounts).union(closed))
    record.keep(LOCKED, [id_ for id_ in record.recorded(LOCKED) if f"account {id_}" in closed])
    returning = record.recorded(RETURNING)
    record.keep(RETURNING, [one for one in returning if one in closed or one.startswith("domain ")])
    return notes


def _marked_only(step: StepContext, stalwart: StalwartClient, own: Domains) -> list[MailDomain]:
    """Return the domains that a person made with the tenant's marker: not on record, but closed with the tenant."""
    known = DomainRecord(step).ids.union(one.id for one in own)
    return [one for one in domains_of(step, stalwart.list_domains()) if one.id not in known]


def _receive_again(step: StepContext, stalwart: StalwartClient, record: ClosedRecord, domains: Domains) -> None:
    """Receive mail to these domains again: SUSPENDED_MAIL was `refuse` when they were closed."""
    names = {name for one in domains for name in one.names}
    refused, returning = record.recorded(REFUSED_NAMES), record.recorded(RETURNING)
    if refused.isdisjoint(names) and not returning:
        return
    # read again: some have lost the permission to sign in since
    accounts = _accounts(stalwart, domains)
    if refused.isdisjoint(names) and returning.isdisjoint(_objects(accounts)):
        return
    unlock_accounts(step, stalwart, record, _each(accounts), [RECEIVE])
    accept_mail_again(step, stalwart, record, domains, refused - names)
    record.keep(RETURNING, record.recorded(RETURNING) - _objects(accounts))


def close_domains(
    step: StepContext,
    stalwart: StalwartClient,
    record: ClosedRecord,
    accounts: AccountsByDomain,
    refusing: Domains,
    settled: Collection[str] = (),
) -> dict[str, str]:
    """Lock the accounts of domains, and stop the mail of some of the domains; return notes on the result."""
    notes: dict[str, str] = {}
    run_all(
        [
            partial(lock_accounts, step, stalwart, record, accounts, {one.id for one in refusing}),
            lambda: notes.update(stop_mail(step, stalwart, record, refusing, settled) if refusing else {}),
        ]
    )
    own = [account.address for account in _each(accounts) if account.is_ours]
    if own:
        notes["own_account"] = f"{own[0]} is the platform's own account, so it was not locked"
    return notes


def close_removed(
    step: StepContext, stalwart: StalwartClient, record: ClosedRecord, on_record: DomainRecord, faults: DomainFaults
) -> ClosedDomains:
    """Close the domains that left the tenant, and accounts made in them since.

    Their contents are kept until a purge. Closing one counts as a removal; keeping it closed does not. A permanent
    fault is collected, so that the tenant's own domains are set up all the same, and the next attempt closes again.
    """
    leaving, before = on_record.left(on_record.set_up), on_record.left(on_record.closed)
    current = on_record.current_ids
    ids = dict.fromkeys(entry["id"] for entry in (*leaving, *before) if entry["id"] not in current)
    found = stalwart.find_domains(list(ids))
    domains = closable_domains(step, found)
    accounts = _accounts(stalwart, domains)
    known = {entry["id"] for entry in before}
    closing = [one.name for one in domains if one.id not in known]
    sentences = [f"close the mail domain {name}" for name in closing]
    step.announce_removals(sentences)
    notes: dict[str, str] = {}
    with faults.of_change():
        notes = close_domains(step, stalwart, record, accounts, domains, known) if domains else {}
        for sentence in sentences:
            step.remove(sentence, lambda: None)
        on_record.set_closed(found)
    names = frozenset(name for one in domains for name in one.names)
    return ClosedDomains(_objects(accounts), names, _describe(closing, notes))


def _describe(names: Sequence[str], notes: Mapping[str, str]) -> dict[str, str]:
    """Return a note on the domains that were closed just now."""
    if not names or "mail" not in notes:
        return {}
    text = f"{enumerate_names(names)}: mail is {notes['mail']} ({notes['mail_verified']}). {OPEN_SESSIONS}"
    return {"closed_domains": text} | ({"own_account": notes["own_account"]} if "own_account" in notes else {})


def _accounts(stalwart: StalwartClient, domains: Sequence[MailDomain]) -> AccountsByDomain:
    return stalwart.accounts.in_domains([domain.id for domain in domains])


def _each(accounts: AccountsByDomain) -> list[Account]:
    return [account for held in accounts.values() for account in held]


def _objects(accounts: AccountsByDomain) -> frozenset[str]:
    """Return the domains and their accounts as the record names them."""
    return frozenset((*(f"domain {id_}" for id_ in accounts), *(f"account {one.id}" for one in _each(accounts))))
