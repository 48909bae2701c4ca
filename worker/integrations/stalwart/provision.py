"""Set up the tenant's mail in Stalwart: domains with their DKIM keys, a postmaster for each, records to publish."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from shared.domains.dns_records import Record
from shared.integrations.outcomes import Outcome, PermanentError, TemporaryError, ok, skipped
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.closing import close_removed, open_mail
from worker.integrations.stalwart.closed.record import ClosedRecord, DomainRecord
from worker.integrations.stalwart.dkim import wait_for_keys
from worker.integrations.stalwart.domain_faults import DomainFaults, repeat_refused
from worker.integrations.stalwart.mail_tenant import ensure_mail_tenant, ensure_members
from worker.integrations.stalwart.models import POSTMASTER, MailDomain
from worker.integrations.stalwart.ownership import closable_domains, domains_of
from worker.integrations.stalwart.protocol.answers import KeyTaken
from worker.integrations.step_context import StepContext, enumerate_names


def ensure_mail(step: StepContext, stalwart: StalwartClient) -> Outcome:
    """Ensure that every domain of the tenant accepts mail and carries our marker, and record its DNS records.

    If proofs are required, only proven domains are set up; others wait, and earlier ones stay unchanged. A domain that
    fails does not stop the others; the step fails after them.
    """
    record = ClosedRecord(step)
    on_record = DomainRecord(step)
    faults = DomainFaults()
    closed = close_removed(step, stalwart, record, on_record, faults)
    if not step.tenant.domains:
        _note_records(step, {}, ())
        faults.raise_found()
        return skipped("no_domains", **closed.notes)
    waiting = _waiting_domains(step, stalwart, on_record)
    waiting_names = enumerate_names(step.waiting_domains)
    if not step.ready_domains:
        with faults.of_change():
            notes = open_mail(step, stalwart, record, waiting, closed)
        _note_records(step, {}, step.waiting_domains)
        faults.raise_found()
        return skipped("domains_unverified", **closed.notes, **notes, waiting_for_proof=waiting_names)
    owner = ensure_mail_tenant(step, stalwart) if stalwart.links_tenants() else None
    since = time.monotonic()
    domains = _ensure_domains(step, stalwart, owner, on_record, faults)
    with faults.of_change():
        notes = open_mail(step, stalwart, record, [*domains, *waiting], closed)
    published = {}
    for domain in domains:
        with faults.of(domain.name):
            published[domain.name] = repeat_refused(partial(_complete_setup, step, stalwart, domain, owner, since))
    _note_records(step, published, [*step.waiting_domains, *faults.found])
    members = ensure_members(step, stalwart, domains, owner)
    faults.raise_found()
    return ok(**closed.notes, **notes, waiting_for_proof=waiting_names, **members)


def _waiting_domains(step: StepContext, stalwart: StalwartClient, on_record: DomainRecord) -> list[MailDomain]:
    """Return the domains that were set up and wait for a proof now: they accept mail again after a suspension."""
    ids = [entry["id"] for entry in on_record.set_up if entry["domain"] in step.waiting_domains]
    return closable_domains(step, stalwart.find_domains(ids))


# -- domains


def _ensure_domains(
    step: StepContext, stalwart: StalwartClient, owner: str | None, on_record: DomainRecord, faults: DomainFaults
) -> list[MailDomain]:
    domains: list[MailDomain] = []
    for name in step.ready_domains:
        with faults.of(name):
            domains.append(repeat_refused(partial(_ensure_domain, step, stalwart, name, owner, on_record)))
            # after each domain, so that an interrupted attempt has recorded the domains that it created
            on_record.add(domains[-1])
    return domains


def _ensure_domain(
    step: StepContext, stalwart: StalwartClient, name: str, owner: str | None, on_record: DomainRecord
) -> MailDomain:
    # names are unique: the first attempt need not read, since a failed create names the holder
    seen = None if step.is_first else _known_domain(step, stalwart, name, on_record)
    domain = seen or step.change(
        f"create the mail domain {name} with its postmaster",
        lambda: _created_domain(step, stalwart, name, owner),
        MailDomain("", name, True, _description(step), owner),
    )
    if owner is not None and domain.tenant_id not in (None, owner):
        raise PermanentError("taken", f"The domain {name} belongs to another tenant inside Stalwart.")
    _align(step, stalwart, domain, name, owner)
    return replace(domain, name=name)


def _known_domain(step: StepContext, stalwart: StalwartClient, name: str, on_record: DomainRecord) -> MailDomain | None:
    """Return the domain on record, which a person may have renamed, or the one of this name.

    Without a marker it is the tenant's if it is on record by its id and has the name on record: people edit
    descriptions. Raises PermanentError("marker_removed") if a person renamed it too.
    """
    ids = [entry["id"] for entry in (*on_record.set_up, *on_record.closed) if entry["domain"] == name]
    recorded = closable_domains(step, stalwart.find_domains(ids))
    if not recorded:
        return _ours(step, stalwart.find_domain(name))
    if recorded[0].name != name and not domains_of(step, recorded):
        raise PermanentError("marker_removed", f"The mail domain is {recorded[0].name}, on record as {name}.")
    return recorded[0]


def _align(step: StepContext, stalwart: StalwartClient, domain: MailDomain, name: str, owner: str | None) -> None:
    wanted = _description(step)
    differs: dict[str, Any] = {
        "name": name if domain.name != name else None,
        "description": wanted if domain.description != wanted else None,
        "tenant_id": owner if owner and domain.tenant_id != owner else None,
        "is_enabled": None if domain.is_enabled else True,
    }
    settings = [key.removesuffix("_id").replace("is_", "") for key, value in differs.items() if value is not None]
    settings += [] if domain.makes_keys else [_key_management(domain)]
    if settings:
        sentence = f"set {', '.join(settings)} of the mail domain {domain.name}"
        if step.signer.tenant_id(domain.description) is None:
            sentence += "; its ownership marker is written back"
        step.change(sentence, lambda: stalwart.update_domain(domain, **differs), None)


def _key_management(domain: MailDomain) -> str:
    """Describe a fault of the domain's DKIM settings: a person set them to fewer algorithms, or to none."""
    made = ", ".join(sorted(domain.algorithms or ())) or "no keys"
    return f"DKIM key management (both algorithms instead of {made})"


def _created_domain(step: StepContext, stalwart: StalwartClient, name: str, owner: str | None) -> MailDomain:
    description = _description(step)
    try:
        domain_id = stalwart.create_domain(name, description, owner)
    except (KeyTaken, TemporaryError) as fault:
        domain = _ours(step, stalwart.find_domain(name))
        if domain is not None:
            return domain
        if isinstance(fault, KeyTaken):
            raise PermanentError(
                "taken", f"The name {name} is in use in Stalwart, as another domain's alias."
            ) from None
        raise
    return MailDomain(domain_id, name, True, description, owner)


def _ours(step: StepContext, domain: MailDomain | None) -> MailDomain | None:
    """Return the domain if it carries our marker. Raises PermanentError("taken") for one that does not."""
    if domain is not None and not domains_of(step, [domain]):
        raise PermanentError(
            "taken", f"The domain {domain.name} exists in Stalwart without this tenant's ownership marker."
        )
    return domain


def _description(step: StepContext) -> str:
    return f"{step.tenant.name} {step.signer.text(step.tenant.id)}"


# -- addresses and records


def _complete_setup(
    step: StepContext, stalwart: StalwartClient, domain: MailDomain, owner: str | None, since: float
) -> tuple[Record, ...]:
    """Wait for the domain's keys, ensure its postmaster, and return the records to publish."""
    setup = wait_for_keys(step, stalwart, domain, since)
    if not setup.has_postmaster:
        _ensure_postmaster(step, stalwart, domain, owner)
    return setup.records


def _ensure_postmaster(step: StepContext, stalwart: StalwartClient, domain: MailDomain, owner: str | None) -> None:
    if stalwart.contents.has_address(domain.id, POSTMASTER):
        return  # the tenant has made one of its own
    address = f"{POSTMASTER}@{domain.name}"
    step.change(f"create the address {address}", lambda: _make_postmaster(stalwart, domain, owner), None)


def _make_postmaster(stalwart: StalwartClient, domain: MailDomain, owner: str | None) -> None:
    """Create the address that RFC 5321 section 4.5.1 and the domain's own DMARC record ask for."""
    try:
        stalwart.create_postmaster(domain.name, domain.id, owner)
    except KeyTaken:
        # the domain is the tenant's, so the holder of one of the two addresses is too: most likely it is `abuse`
        with suppress(KeyTaken):
            stalwart.create_postmaster(domain.name, domain.id, owner, has_abuse=False)
    except TemporaryError:
        if not stalwart.read_setup(domain.name, domain.id).has_postmaster:
            raise


def _note_records(step: StepContext, published: Mapping[str, Sequence[Record]], unchanged: Collection[str]) -> None:
    """Record the DNS records to publish, by domain; records of `unchanged` domains stay as they were."""
    fresh = [
        {"domain": domain, "name": one.name, "type": one.type, "value": one.value}
        for domain, records in published.items()
        for one in records
    ]
    before = step.remote("dnsRecords") or []
    kept = [record for record in before if record["domain"] in unchanged and record["domain"] not in published]
    if fresh + kept != before:
        step.found["dnsRecords"] = fresh + kept
