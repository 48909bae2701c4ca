"""Invariants about the products' objects: one of each for each tenant, as last accepted, and no older writes later."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping

from shared.config.settings import Settings
from tools.chaos.checks.evidence import DesiredState, Evidence, Row
from tools.chaos.load.members import member_of
from worker.integrations.ocis.finding import ABANDONED_TEXT

TENANT_ID = re.compile(r"\b[0-9a-f]{24}\b")
#: faults of a simulator by which a request has no effect
NO_EFFECT = frozenset({"hang", "reset", "status", "rate_limited"})


def groups_match(evidence: Evidence) -> Iterator[str]:
    groups = evidence.products["authentik"]["groups"]
    users: Counter[str] = Counter(evidence.products["authentik"]["users"])
    for tenant, desired in _tenants_with_state(evidence):
        slug = tenant["slug"]
        owner = f"owner@{slug}.test"
        found = [one for one in groups if one["name"] == f"tenant-{slug}" or str(tenant["_id"]) in json.dumps(one)]
        yield from _wrong_counts(evidence, tenant, desired, len(found), "groups")
        for group in found:
            yield from _group(slug, desired, group, sorted(_members(evidence, slug, desired, owner)))
        if users[owner] > 1:
            yield f"{slug} has {users[owner]} accounts for its owner"


def _members(evidence: Evidence, slug: str, desired: DesiredState, owner: str) -> Iterator[str]:
    if desired.has_owner:
        yield owner
    if slug in evidence.members:
        yield member_of(slug)


def _group(slug: str, desired: DesiredState, group: Row, people: list[str]) -> Iterator[str]:
    members = people if desired.state == "active" else []
    if group["members"] != members:
        yield f"{slug} should be {desired.state}; its group has the members {group['members']}, not {members}"
    said = json.dumps(group["attributes"], sort_keys=True)
    if desired.state == "active" and not all(f'"{text}"' in said for text in (desired.name, *desired.domains)):
        yield f"{slug}: its group has the attributes {said}, but should have {desired}"


def mail_domains_match(evidence: Evidence) -> Iterator[str]:
    objects = evidence.products["stalwart"]["Domain"]
    for tenant, desired in _tenants_with_state(evidence):
        slug = tenant["slug"]
        ours = [one for one in objects if str(tenant["_id"]) in (one.get("description") or "")]
        names = {one["name"] for one in ours}
        accepted = evidence.accepted_domains[slug]
        if not names <= accepted:
            yield f"{slug} has the mail domains {sorted(names)}; {sorted(accepted)} were accepted"
        if desired.state == "purged" and ours:
            yield f"{slug} was purged and still has the mail domains {[one['name'] for one in ours]}"
        if desired.state == "active":
            wanted = sorted(desired.domains)
            if not set(wanted) <= names:
                yield f"{slug} has the mail domains {sorted(names)}, but should have {wanted}"
            yield from _postmasters(evidence, slug, [one["id"] for one in ours if one["name"] in wanted])
            shown = sorted({one["domain"] for one in tenant.get("dnsRecords") or ()})
            if shown != wanted:
                yield f"{slug} shows DNS records for {shown}, its domains are {wanted}"


def _postmasters(evidence: Evidence, slug: str, domain_ids: list[str]) -> Iterator[str]:
    accounts = evidence.products["stalwart"].get("Account", [])
    for domain_id in domain_ids:
        found = [one for one in accounts if one.get("domainId") == domain_id and one.get("name") == "postmaster"]
        if len(found) != 1:
            yield f"{slug} has {len(found)} postmasters in one domain"


def spaces_match(evidence: Evidence) -> Iterator[str]:
    spaces = evidence.products["ocis"]["spaces"]
    for tenant, desired in _tenants_with_state(evidence):
        slug = tenant["slug"]
        # a space that was created without members is kept until the purge, disabled, and its description says so
        is_kept = desired.state != "purged"
        found = [
            one
            for one in spaces
            if str(tenant["_id"]) in one["description"]
            and not (is_kept and one["disabled"] and one["description"].startswith(ABANDONED_TEXT))
        ]
        yield from _wrong_counts(evidence, tenant, desired, len(found), "spaces")
        for space in found:
            if desired.state == "active" and space["name"] != desired.name:
                yield f"{slug} should have the name {desired.name}; its space is {space['name']}"


def writes_keep_their_order(evidence: Evidence) -> Iterator[str]:
    of_request: dict[str, list[Row]] = defaultdict(list)
    for row in evidence.operations:
        of_request[row["requestId"]].append(row)
    for product, requests in evidence.requests.items():
        latest: dict[str, int] = {}
        for request in requests:
            rows = of_request.get(request["request_id"] or "", [])
            if len(rows) != 1 or rows[0]["mode"] != "apply" or not _may_change(request):
                continue
            tenant, generation = rows[0]["tenantSlug"], rows[0]["generation"]
            if generation < latest.get(tenant, 0):
                yield (
                    f"{product} got {request['method']} {request['path']} of {tenant}'s generation {generation} "
                    f"after one of generation {latest[tenant]}"
                )
            latest[tenant] = max(generation, latest.get(tenant, 0))


def no_object_is_of_an_unknown_tenant(evidence: Evidence) -> Iterator[str]:
    """Yield every object of a tenant that was not accepted. The default tenant, which the API creates, is known too."""
    own = Settings.model_fields["default_tenant_slug"].default
    accepted = {
        slug: str(tenant["_id"])
        for slug, tenant in evidence.tenant_by_slug.items()
        if slug in evidence.desired_states or slug == own
    }
    known = set(accepted) | set(accepted.values())
    for what, found in _owned_objects(evidence):
        if not found <= known:
            yield f"{what} is of no tenant that was accepted: {sorted(found - known)}"


def _owned_objects(evidence: Evidence) -> Iterator[tuple[str, set[str]]]:
    """Yield every object with an ownership marker, and the tenants that it names by id or by a group's slug."""
    products = evidence.products
    for group in products["authentik"]["groups"]:
        yield f"the group {group['name']}", _slug(group["name"]) | _ids(json.dumps(group["attributes"]))
    for domain in products["stalwart"]["Domain"]:
        yield f"the mail domain {domain['name']}", _ids(domain.get("description"))
    for space in products["ocis"]["spaces"]:
        yield f"the space {space['name']}", _ids(space["description"])
    for name in products["ocis"]["groups"].values():
        yield f"the group {name} of the file service", _slug(name)


def _slug(name: str) -> set[str]:
    return {name.removeprefix("tenant-")} if name.startswith("tenant-") else set()


def _ids(text: str | None) -> set[str]:
    return set(TENANT_ID.findall(text or ""))


def _may_change(request: Row) -> bool:
    if request["method"] in ("GET", "HEAD") or request.get("fault") in NO_EFFECT or request["status"] is None:
        return False
    if request.get("fault") is None and request["status"] >= 400:
        return False
    return "/jmap" not in request["path"] or "/set" in request["body"]


def _tenants_with_state(evidence: Evidence) -> Iterator[tuple[Row, DesiredState]]:
    for slug, desired in evidence.desired_states.items():
        tenant = evidence.tenant_by_slug.get(slug)
        if tenant is not None:
            yield tenant, desired


def _wrong_counts(evidence: Evidence, tenant: Row, desired: DesiredState, count: int, what: str) -> Iterator[str]:
    """Require one object, or none after a purge; a tenant that was closed before it was set up may have none."""
    if desired.state == "purged":
        allowed: tuple[int, ...] = (0,)
    else:
        allowed = (1,) if desired.state == "active" or evidence.was_set_up(tenant) else (0, 1)
    if count not in allowed:
        yield f"{tenant['slug']} should be {desired.state} and has {count} {what}"


PRODUCT_INVARIANTS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    "each tenant has one group with its members, as last accepted; none after a purge": groups_match,
    "each tenant has its mail domains, as last accepted, and no other; none after a purge": mail_domains_match,
    "each tenant has one space, as last accepted; none after a purge": spaces_match,
    "no object outside belongs to a tenant that was never accepted": no_object_is_of_an_unknown_tenant,
    "no older operation writes outside after a newer one": writes_keep_their_order,
}
