"""The tenant's mail in Stalwart: domains with their DKIM keys, a postmaster for each, records to publish."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from shared.domains.dns_records import Record
from shared.integrations.outcomes import Outcome, Refused, Unavailable, ok, skipped
from worker.integrations.stalwart.client import POSTMASTER, MailDomain, MailTenant, Stalwart
from worker.integrations.stalwart.deprovision import unlock_mail
from worker.integrations.stalwart.dkim import furnished_with_keys
from worker.integrations.stalwart.jmap import KeyTaken
from worker.integrations.stalwart.unverified_domains import keep_open, waiting_notes
from worker.integrations.step_context import Work


def ensure_mail(work: Work, mail: Stalwart) -> Outcome:
    """Every domain of the tenant takes mail, is provably ours, and has its records on the tenant.

    Where proofs are required, only the proven ones: the others wait, and those set up before stay as they are.
    """
    _release_removed(work, mail)
    unlock_mail(work, mail)
    if not work.tenant.domains:
        _note_records(work, {})
        return skipped("no_domains")
    keep_open(work, mail)
    notes = waiting_notes(work)
    if not work.ready_domains:
        _note_records(work, {})
        return skipped("domains_unverified", **notes)
    owner = _ensure_tenant(work, mail) if mail.links_tenants() else None
    since = time.monotonic()
    domains = _ensure_domains(work, mail, owner)
    furnished = [furnished_with_keys(work, mail, domain, since) for domain in domains]
    for domain, furnishing in zip(domains, furnished, strict=True):
        if not furnishing.has_postmaster:
            _ensure_postmaster(work, mail, domain, owner)
    _note_records(work, {domain.name: one.records for domain, one in zip(domains, furnished, strict=True)})
    return ok(**notes)


# -- the tenant object, whose names are not unique


def _ensure_tenant(work: Work, mail: Stalwart) -> str:
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


# -- domains


def _ensure_domains(work: Work, mail: Stalwart, owner: str | None) -> list[MailDomain]:
    domains: list[MailDomain] = []
    for name in work.ready_domains:
        domains.append(_ensure_domain(work, mail, name, owner))
        # the record grows as the domains do, so that an interrupted attempt leaves what it made on record
        _save_domains(work, domains)
    return domains


def _save_domains(work: Work, made: list[MailDomain]) -> None:
    """In the tenant's order: those made now, and those that were on record before."""
    known = {entry["domain"]: entry["id"] for entry in _on_record(work)} | {one.name: one.id for one in made}
    entries = [{"domain": name, "id": known[name]} for name in work.tenant.domains if name in known]
    work.save(stalwartDomainId=entries[0]["id"], stalwartDomains=entries)


def _ensure_domain(work: Work, mail: Stalwart, name: str, owner: str | None) -> MailDomain:
    # names are unique: whoever is first need not look, and is told when somebody holds the name
    seen = None if work.is_first else _ours(work, mail.find_domain(name))
    domain = seen or work.change(
        f"create the mail domain {name} with its postmaster",
        lambda: _created_domain(work, mail, name, owner),
        MailDomain("", name, True, _description(work), owner, True),
    )
    if owner is not None and domain.tenant_id not in (None, owner):
        raise Refused("taken", f"The domain {name} belongs to another tenant inside Stalwart.")
    _align(work, mail, domain, owner)
    return domain


def _align(work: Work, mail: Stalwart, domain: MailDomain, owner: str | None) -> None:
    wanted = _description(work)
    differs: dict[str, Any] = {
        "description": wanted if domain.description != wanted else None,
        "tenant_id": owner if owner and domain.tenant_id != owner else None,
        "is_enabled": None if domain.is_enabled else True,
    }
    what = [name.removesuffix("_id").replace("is_", "") for name, value in differs.items() if value is not None]
    what += [] if domain.makes_keys else ["key management"]
    if what:
        work.change(
            f"set {', '.join(what)} of the mail domain {domain.name}",
            lambda: mail.update_domain(domain.id, make_keys=not domain.makes_keys, **differs),
            None,
        )


def _created_domain(work: Work, mail: Stalwart, name: str, owner: str | None) -> MailDomain:
    description = _description(work)
    try:
        domain_id = mail.create_domain(name, description, owner)
    except (KeyTaken, Unavailable) as fault:
        domain = _ours(work, mail.find_domain(name))
        if domain is not None:
            return domain
        if isinstance(fault, KeyTaken):
            raise Refused("taken", f"The name {name} is in use in Stalwart, as another domain's alias.") from None
        raise
    return MailDomain(domain_id, name, True, description, owner, True)


def _ours(work: Work, domain: MailDomain | None) -> MailDomain | None:
    """The domain, if it is provably ours. Raises Refused("taken") for somebody else's."""
    if domain is not None and not _is_ours(work, domain):
        raise Refused("taken", f"The domain {domain.name} exists in Stalwart without this tenant's stamp.")
    return domain


def _is_ours(work: Work, domain: MailDomain) -> bool:
    return work.stamper.tenant_id(domain.description) == work.tenant.id


def _description(work: Work) -> str:
    return f"{work.tenant.name} {work.stamper.text(work.tenant.id)}"


def _on_record(work: Work) -> list[dict[str, str]]:
    return list(work.remote("stalwartDomains") or [])


def _release_removed(work: Work, mail: Stalwart) -> None:
    """Domains that left the tenant stop working and leave the record; what is in them is kept until a purge."""
    kept = [entry for entry in _on_record(work) if entry["domain"] in work.tenant.domains]
    removed = [entry for entry in _on_record(work) if entry not in kept]
    found = [mail.find_domain_by_id(entry["id"]) for entry in removed]
    to_disable = [one for one in found if one is not None and _is_ours(work, one) and one.is_enabled]
    work.announce_removals([_disabling(domain) for domain in to_disable])
    for domain in to_disable:
        work.remove(_disabling(domain), partial(mail.update_domain, domain.id, is_enabled=False))
    if removed:
        work.save(stalwartDomains=kept, stalwartDomainId=kept[0]["id"] if kept else None)


def _disabling(domain: MailDomain) -> str:
    return f"disable the mail domain {domain.name}"


# -- addresses and records


def _ensure_postmaster(work: Work, mail: Stalwart, domain: MailDomain, owner: str | None) -> None:
    if mail.contents.has_address(domain.id, POSTMASTER):
        return  # the tenant has made one of its own
    address = f"{POSTMASTER}@{domain.name}"
    work.change(f"create the address {address}", lambda: _make_postmaster(mail, domain, owner), None)


def _make_postmaster(mail: Stalwart, domain: MailDomain, owner: str | None) -> None:
    """RFC 5321 section 4.5.1 and the domain's own DMARC record ask for the address."""
    try:
        mail.create_postmaster(domain.name, domain.id, owner)
    except KeyTaken:
        # whoever has one of the two addresses is the tenant's own, since the domain is: most likely it is `abuse`
        with suppress(KeyTaken):
            mail.create_postmaster(domain.name, domain.id, owner, has_abuse=False)
    except Unavailable:
        if not mail.furnishing(domain.name, domain.id).has_postmaster:
            raise


def _note_records(work: Work, published: Mapping[str, Sequence[Record]]) -> None:
    """What is to be published, by domain; of the domains that wait for a proof it stays as it was."""
    fresh = [
        {"domain": domain, "name": one.name, "type": one.type, "value": one.value}
        for domain, records in published.items()
        for one in records
    ]
    kept = [record for record in work.remote("dnsRecords") or [] if record["domain"] in work.waiting_domains]
    if fresh + kept != (work.remote("dnsRecords") or []):
        work.found["dnsRecords"] = fresh + kept
