"""Remove a tenant's mail permanently: accounts, lists, groups, keys and domains, in an order that the server allows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from shared.integrations.outcomes import Outcome, PermanentError, TemporaryError, ok
from worker.integrations.stalwart.accounts import Account
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.mail_acceptance import remove_former_keys
from worker.integrations.stalwart.closed.record import REFUSED_NAMES, ClosedRecord, DomainRecord
from worker.integrations.stalwart.mail_tenant import mail_tenants, restore_names
from worker.integrations.stalwart.models import MailDomain, MailTenant
from worker.integrations.stalwart.ownership import domains_of, require_markers
from worker.integrations.stalwart.protocol.batching import Object
from worker.integrations.step_context import ChangeRecorder, StepContext

#: attempts to remove the objects that still refer to a domain
ROUNDS = 3
#: kinds of a domain's own objects that may be removed because they refer to it
OURS_TO_REMOVE = ("Account", "MailingList", "DkimSignature")


def remove_mail(step: StepContext, stalwart: StalwartClient) -> Outcome:
    """Remove the contents of each marked domain, then the domain, and last the mail tenant.

    Our own account is never removed: a domain that holds it stops the removal before anything is removed.
    """
    # a name on record may have a key, which would refuse the mail of the name's next owner
    record = ClosedRecord(step)
    stalwart.rule.require_opening(record.recorded(REFUSED_NAMES))
    every = stalwart.list_domains()
    domains = domains_of(step, every)
    tenants = _mail_tenants(step, stalwart, domains)
    accounts = {domain.id: _removable(stalwart, domain) for domain in domains}
    # by their names the next attempt knows them, if this one ends between the domains and them
    restore_names(step, stalwart, tenants)
    for domain in domains:
        _empty(step, stalwart, domain, accounts[domain.id])
    for domain in domains:  # only after all were emptied: an account may have an alias in another domain
        _delete(step, stalwart, domain)
        record.keep(REFUSED_NAMES, record.recorded(REFUSED_NAMES) - set(domain.names))
    remove_former_keys(step, stalwart, record, DomainRecord(step).ids)
    for tenant in tenants:
        delete_mail_tenant(step, stalwart, tenant.id, tenant.name)
    require_markers(step, every)
    if step.is_dry_run:
        return ok()
    if domains_of(step, stalwart.list_domains()) or _mail_tenants(step, stalwart, domains):
        raise TemporaryError("not_ready", "A domain of the tenant, or its mail tenant, is still listed.")
    return ok(verified="Stalwart lists no domain with the tenant's ownership marker")


def delete_domain(recorder: ChangeRecorder, stalwart: StalwartClient, domain: MailDomain) -> None:
    """Remove a mail domain whose marker was read just now, with its contents. Raises PermanentError("in_use")."""
    _empty(recorder, stalwart, domain, _removable(stalwart, domain))
    _delete(recorder, stalwart, domain)


def delete_mail_tenant(recorder: ChangeRecorder, stalwart: StalwartClient, id_: str, name: str) -> None:
    """Remove a mail tenant that is empty. Raises PermanentError("in_use") for one that is not."""
    recorder.change(f"remove the mail tenant {name}", partial(_remove_tenant, stalwart, id_), None)


def _mail_tenants(step: StepContext, stalwart: StalwartClient, domains: Sequence[MailDomain]) -> list[MailTenant]:
    """Return the tenant's mail tenants; include one on record even if the platform now creates none."""
    may_be = stalwart.links_tenants() or step.remote("stalwartTenantId")
    return mail_tenants(step, stalwart, lambda: domains) if may_be else []


def _removable(stalwart: StalwartClient, domain: MailDomain) -> list[Account]:
    """Return the accounts of a domain. Raises PermanentError("in_use") when one of them is the platform's own."""
    accounts = stalwart.accounts.in_domain(domain.id)
    for account in accounts:
        if account.is_ours:
            raise PermanentError(
                "in_use",
                f"The platform's own account {account.address} is in the domain {domain.name}, so nothing of the "
                "domain was removed. Give the platform an account in a domain that is no tenant's.",
            )
    return accounts


def _empty(recorder: ChangeRecorder, stalwart: StalwartClient, domain: MailDomain, accounts: Sequence[Account]) -> None:
    contents = stalwart.contents
    recorder.change(f"stop making keys for {domain.name}", partial(contents.stop_keys, domain.id), None)
    for account in [one for one in accounts if one.kind != "Group"]:
        recorder.change(f"remove the account {account.address}", partial(contents.remove, "Account", account.id), None)
    for found in contents.lists(domain.id):
        remove = partial(contents.remove, "MailingList", found.id)
        recorder.change(f"remove the mailing list {found.address}", remove, None)
    for account in [one for one in accounts if one.kind == "Group"]:
        recorder.change(f"remove the group {account.address}", partial(contents.remove, "Account", account.id), None)
    for key in contents.keys(domain.id):
        recorder.change(f"remove the key {key} of {domain.name}", partial(contents.remove, "DkimSignature", key), None)


def _delete(recorder: ChangeRecorder, stalwart: StalwartClient, domain: MailDomain) -> None:
    recorder.change(f"remove the mail domain {domain.name}", partial(_remove_domain, stalwart, domain), None)


def _remove_domain(stalwart: StalwartClient, domain: MailDomain) -> None:
    # before the domain, because a remaining key would refuse the mail of the domain's next owner
    held = stalwart.rule.keys()
    ids = [id_ for name in domain.names for id_ in held.get(name, ())]
    # also without keys: an interrupted attempt may have removed one without loading the change
    if ids or stalwart.rule.may_open():
        stalwart.rule.remove_keys(ids)
    for _ in range(ROUNDS):
        in_the_way = stalwart.contents.remove("Domain", domain.id)
        if not in_the_way:
            return
        _require_own(stalwart, domain, in_the_way)
        # an object of the domain may be referred to itself, such as a group by its members
        behind = [other for one in in_the_way for other in stalwart.contents.remove(str(one["object"]), str(one["id"]))]
        _require_own(stalwart, domain, behind)
    raise TemporaryError("not_ready", f"New objects keep referring to the domain {domain.name}.")


def _require_own(stalwart: StalwartClient, domain: MailDomain, found: Sequence[Object]) -> None:
    """Require that all objects belong to the domain. An account of another domain with an alias in this one does not.

    Raises PermanentError("in_use").
    """
    foreign = [one for one in found if not _is_own(stalwart, domain, str(one.get("object")), str(one.get("id")))]
    if foreign:
        raise PermanentError(
            "in_use", f"{_names(foreign)} still refers to the domain {domain.name}, or to what is in it."
        )


def _is_own(stalwart: StalwartClient, domain: MailDomain, kind: str, id_: str) -> bool:
    if kind not in OURS_TO_REMOVE or stalwart.contents.is_our_account(kind, id_):
        return False
    return stalwart.contents.is_of(domain.id, kind, id_)


def _remove_tenant(stalwart: StalwartClient, tenant_id: str) -> None:
    in_the_way = stalwart.remove_tenant(tenant_id)
    if in_the_way:
        raise PermanentError("in_use", f"{_names(in_the_way)} still refers to the mail tenant.")


def _names(objects: Sequence[Object]) -> str:
    return ", ".join(sorted({f"{one.get('object')} {one.get('id')}" for one in objects}))
