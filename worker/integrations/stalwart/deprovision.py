"""Closing and removing a tenant's mail: who may sign in, what happens to mail, and the order in which things can go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from shared.integrations.outcomes import Outcome, Refused, Unavailable, ok, skipped
from worker.integrations.stalwart.client import MailDomain, MailTenant, Stalwart
from worker.integrations.stalwart.jmap_batching import Object
from worker.integrations.step_context import Deeds, Work, do_all

#: how often what still stands in the way of a domain is looked at anew within one attempt
ROUNDS = 3
#: what may be removed because it stands in the way of a domain of ours
OURS_TO_REMOVE = ("Account", "MailingList", "DkimSignature")


def close_mail(work: Work, mail: Stalwart) -> Outcome:
    """No account of the tenant's domains can sign in; mail to them is refused or taken in, as the setting says."""
    every = mail.list_domains()
    domains = _ours(work, every)
    to_disable = [one for one in domains if one.is_enabled and _refuses_mail(work, one)]
    do_all(
        [
            partial(_lock_accounts, work, mail, domains),
            *(partial(_disable, work, mail, domain) for domain in to_disable),
        ]
    )
    _require_stamps(work, every)
    if not domains:
        return skipped("nothing_there")
    return ok(mail="refused" if work.suspended_mail == "refuse" else "taken in")


def unlock_mail(work: Work, mail: Stalwart) -> None:
    """Whom we locked out may sign in again; who was locked out by others stays so."""
    locked = set(work.remote("stalwartLocked") or [])
    if not locked:
        return
    do_all(
        partial(work.change, f"let {account.address} sign in again", partial(mail.contents.unlock, account), None)
        for domain in _ours(work, mail.list_domains())
        for account in mail.contents.accounts(domain.id)
        if account.id in locked and not account.may_sign_in
    )
    work.save(stalwartLocked=[])


def remove_mail(work: Work, mail: Stalwart) -> Outcome:
    """Accounts, lists, groups, keys, then the domain, for each; the mail tenant last. Only what is provably ours."""
    every = mail.list_domains()
    domains = _ours(work, every)
    for domain in domains:
        _empty(work, mail, domain)
    for domain in domains:  # now that nobody has an alias in one who lives in another
        _take_away(work, mail, domain)
    for tenant in _mail_tenants(work, mail):
        take_mail_tenant_away(work, mail, tenant.id, tenant.name)
    _require_stamps(work, every)
    if work.is_plan:
        return ok()
    if _ours(work, mail.list_domains()) or _mail_tenants(work, mail):
        raise Unavailable("not_ready", "A domain of the tenant, or its mail tenant, is still listed.")
    return ok(verified="Stalwart lists no domain that carries the tenant's stamp")


def take_domain_away(deeds: Deeds, mail: Stalwart, domain: MailDomain) -> None:
    """Remove a mail domain whose stamp was read just now, with all that is in it. Raises Refused("in_use")."""
    _empty(deeds, mail, domain)
    _take_away(deeds, mail, domain)


def take_mail_tenant_away(deeds: Deeds, mail: Stalwart, id_: str, name: str) -> None:
    """Remove a mail tenant that is empty. Raises Refused("in_use") for one that is not."""
    deeds.change(f"remove the mail tenant {name}", partial(_remove_tenant, mail, id_), None)


def _ours(work: Work, every: Sequence[MailDomain]) -> list[MailDomain]:
    """By the stamp, not by our record: a domain that left the tenant is still the tenant's."""
    return [one for one in every if work.stamper.tenant_id(one.description) == work.tenant.id]


def _require_stamps(work: Work, every: Sequence[MailDomain]) -> None:
    """What is on record and there carries a stamp: one that was written over cannot be proven the tenant's, so the
    domain was left as it is, and that must not pass for closed or removed. Raises Refused("taken").
    """
    on_record = {entry["id"] for entry in work.remote("stalwartDomains") or []}
    bare = [one.name for one in every if one.id in on_record and work.stamper.tenant_id(one.description) is None]
    if bare:
        raise Refused("taken", f"{', '.join(bare)} in Stalwart: no stamp any more; put it back into the description.")


def _mail_tenants(work: Work, mail: Stalwart) -> list[MailTenant]:
    """One that is on record is looked for although none is made any more, as when the licence for it has ended."""
    may_be = mail.links_tenants() or work.remote("stalwartTenantId")
    return mail.list_tenants(work.tenant.id) if may_be else []


def _refuses_mail(work: Work, domain: MailDomain) -> bool:
    # one that left the tenant takes none in any case: should it wait for somebody's leave to be disabled, the tenant
    # could not be opened again, for leave is given to a reconcile, and a closed tenant has none
    return work.suspended_mail == "refuse" or domain.name not in work.tenant.domains


def _disable(work: Work, mail: Stalwart, domain: MailDomain) -> None:
    disable = partial(mail.update_domain, domain.id, is_enabled=False)
    work.change(f"disable the mail domain {domain.name}", disable, None)


def _lock_accounts(work: Work, mail: Stalwart, domains: Sequence[MailDomain]) -> None:
    locked = list(work.remote("stalwartLocked") or [])
    accounts = [one for domain in domains for one in mail.contents.accounts(domain.id)]
    open_now = [one for one in accounts if one.kind == "User" and one.may_sign_in]
    if not open_now:
        return
    # on record before it is done, so that whoever is locked out can always be let in again; those of all domains at
    # once, since a save takes the place of the one before
    if not work.save(stalwartLocked=sorted({*locked, *(one.id for one in open_now)})):
        raise Unavailable("not_ready", "A newer operation of the tenant was accepted, and goes by what it finds.")
    do_all(
        partial(work.change, f"keep {account.address} from signing in", partial(mail.contents.lock, account), None)
        for account in open_now
    )


def _empty(deeds: Deeds, mail: Stalwart, domain: MailDomain) -> None:
    contents = mail.contents
    deeds.change(f"stop making keys for {domain.name}", partial(contents.stop_keys, domain.id), None)
    accounts = contents.accounts(domain.id)
    for account in [one for one in accounts if one.kind != "Group"]:
        deeds.change(f"remove the account {account.address}", partial(contents.remove, "Account", account.id), None)
    for list_id, address in contents.lists(domain.id):
        deeds.change(f"remove the mailing list {address}", partial(contents.remove, "MailingList", list_id), None)
    for account in [one for one in accounts if one.kind == "Group"]:
        deeds.change(f"remove the group {account.address}", partial(contents.remove, "Account", account.id), None)
    for key in contents.keys(domain.id):
        deeds.change(f"remove the key {key} of {domain.name}", partial(contents.remove, "DkimSignature", key), None)


def _take_away(deeds: Deeds, mail: Stalwart, domain: MailDomain) -> None:
    deeds.change(f"remove the mail domain {domain.name}", partial(_remove_domain, mail, domain), None)


def _remove_domain(mail: Stalwart, domain: MailDomain) -> None:
    for _ in range(ROUNDS):
        in_the_way = mail.contents.remove("Domain", domain.id)
        if not in_the_way:
            return
        _require_own(mail, domain, in_the_way)
        # what is the domain's own may be referred to itself, such as a group by its members
        behind = [other for one in in_the_way for other in mail.contents.remove(str(one["object"]), str(one["id"]))]
        _require_own(mail, domain, behind)
    raise Unavailable("not_ready", f"Something new keeps referring to the domain {domain.name}.")


def _require_own(mail: Stalwart, domain: MailDomain, found: Sequence[Object]) -> None:
    """All of it is the domain's own: whoever lives elsewhere and has an alias in it is somebody else's.

    Raises Refused("in_use").
    """
    foreign = [one for one in found if not _is_own(mail, domain, str(one.get("object")), str(one.get("id")))]
    if foreign:
        raise Refused("in_use", f"{_named(foreign)} still refers to the domain {domain.name}, or to what is in it.")


def _is_own(mail: Stalwart, domain: MailDomain, kind: str, id_: str) -> bool:
    return kind in OURS_TO_REMOVE and mail.contents.is_of(domain.id, kind, id_)


def _remove_tenant(mail: Stalwart, tenant_id: str) -> None:
    in_the_way = mail.remove_tenant(tenant_id)
    if in_the_way:
        raise Refused("in_use", f"{_named(in_the_way)} still refers to the mail tenant.")


def _named(objects: Sequence[Object]) -> str:
    return ", ".join(sorted({f"{one.get('object')} {one.get('id')}" for one in objects}))
