"""The invariants about effects that were observed from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from tools.chaos.checks.evidence import Evidence
from tools.chaos.checks.observations import STRANGER


def mail_arrives_at_active_tenants_only(evidence: Evidence) -> Iterator[str]:
    active = _active_domains(evidence)
    for address, fate in evidence.effects.mail.items():
        domain = address.rpartition("@")[2]
        if domain in active and fate != "delivered":
            yield f"mail to {address}, in a domain of an active tenant, was {fate}"
        if domain not in active and fate == "delivered":
            yield f"mail to {address}, in no domain of an active tenant, was delivered"
    for domain in sorted(active - {address.rpartition("@")[2] for address in evidence.effects.mail}):
        yield f"no mail was sent to {domain}, a domain of an active tenant"


def mail_accounts_open_for_active_tenants_only(evidence: Evidence) -> Iterator[str]:
    active = _active_domains(evidence)
    for address, opens in evidence.effects.mailboxes.items():
        if opens != (address.rpartition("@")[2] in active):
            yield f"the mail account {address} {'can' if opens else 'cannot'} sign in"


def tokens_name_active_tenants_only(evidence: Evidence) -> Iterator[str]:
    for slug, desired in evidence.desired_states.items():
        if desired.state == "active" and slug in evidence.tenant_by_slug and slug not in evidence.effects.groups:
            yield f"{slug} should be active; nobody could become its member"
    for slug, groups in evidence.effects.groups.items():
        if groups is None:
            yield f"{slug}: its member cannot sign in"
            continue
        state = evidence.state_of(slug)
        if (f"tenant-{slug}" in groups) != (state == "active"):
            yield f"{slug} should be {state}; the token of its member names the groups {sorted(groups)}"


def applications_open_for_members_only(evidence: Evidence) -> Iterator[str]:
    yield from _unwanted_effects(evidence, evidence.effects.opened, "open its application")


def files_open_for_members_only(evidence: Evidence) -> Iterator[str]:
    yield from _unwanted_effects(evidence, evidence.effects.files, "reach its files")


def _unwanted_effects(evidence: Evidence, found: Mapping[str, Mapping[str, bool]], what: str) -> Iterator[str]:
    for slug, by_person in found.items():
        state = evidence.state_of(slug)
        for person, reached in by_person.items():
            if reached != (state == "active" and person != STRANGER):
                yield f"{slug} should be {state}; {person} {'can' if reached else 'cannot'} {what}"


def _active_domains(evidence: Evidence) -> set[str]:
    return {
        domain
        for slug, desired in evidence.desired_states.items()
        if desired.state == "active" and slug in evidence.tenant_by_slug
        for domain in desired.domains
    }


EFFECT_INVARIANTS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    "mail is delivered to the domains of active tenants, and to no other": mail_arrives_at_active_tenants_only,
    "mail accounts sign in while their domain is one of an active tenant": mail_accounts_open_for_active_tenants_only,
    "a member's token names the tenant's group while the tenant is active": tokens_name_active_tenants_only,
    "members of active tenants open the tenant's application, and nobody else": applications_open_for_members_only,
    "members of active tenants reach the tenant's files, and nobody else": files_open_for_members_only,
}
