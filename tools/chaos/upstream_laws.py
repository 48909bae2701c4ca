"""The laws about what the products hold: one of each for each tenant, as accepted last, and nothing older on top."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping

from shared.config.settings import Settings
from tools.chaos.evidence import Evidence, Row, Wished
from worker.integrations.ocis.finding import GIVEN_UP

TENANT_ID = re.compile(r"\b[0-9a-f]{24}\b")
#: what becomes of mail to a closed domain
CLOSED = frozenset({"refused", "returned"})
#: faults of a simulator by which a request comes to nothing
NO_EFFECT = frozenset({"hang", "reset", "status", "rate_limited"})


def groups_are_as_wished(evidence: Evidence) -> Iterator[str]:
    groups = evidence.products["authentik"]["groups"]
    users: Counter[str] = Counter(evidence.products["authentik"]["users"])
    for tenant, wished in _living_or_gone(evidence):
        slug = tenant["slug"]
        owner = f"owner@{slug}.test"
        found = [one for one in groups if one["name"] == f"tenant-{slug}" or str(tenant["_id"]) in json.dumps(one)]
        yield from _counted(evidence, tenant, wished, len(found), "groups")
        for group in found:
            yield from _group(slug, wished, group, [owner] if wished.has_owner else [])
        if users[owner] > 1:
            yield f"{slug} has {users[owner]} accounts for its owner"


def _group(slug: str, wished: Wished, group: Row, owners: list[str]) -> Iterator[str]:
    members = owners if wished.life == "alive" else []
    if group["members"] != members:
        yield f"{slug} is wished {wished.life} and its group has the members {group['members']}, not {members}"
    said = json.dumps(group["attributes"], sort_keys=True)
    if wished.life == "alive" and not all(f'"{text}"' in said for text in (wished.name, *wished.domains)):
        yield f"{slug}: its group says {said}, wished are {wished}"


def mail_is_as_wished(evidence: Evidence) -> Iterator[str]:
    objects = evidence.products["stalwart"]["Domain"]
    for tenant, wished in _living_or_gone(evidence):
        slug = tenant["slug"]
        ours = [one for one in objects if str(tenant["_id"]) in (one.get("description") or "")]
        open_now = [one for one in ours if evidence.products["stalwart"]["fates"][one["name"]] not in CLOSED]
        names = sorted(one["name"] for one in open_now)
        wanted = sorted(wished.domains) if wished.life == "alive" else []
        if names != wanted:
            yield f"{slug} is wished {wished.life} with {wished.domains}; mail is taken for {names}"
        if len({one["name"] for one in ours}) != len(ours):
            yield f"{slug} has a mail domain twice: {[one['name'] for one in ours]}"
        if wished.life == "purged" and ours:
            yield f"{slug} was purged and still has the mail domains {[one['name'] for one in ours]}"
        if wished.life == "alive":
            yield from _postmasters(evidence, slug, [one["id"] for one in open_now])
            told = sorted({one["domain"] for one in tenant.get("dnsRecords") or ()})
            if told != wanted:
                yield f"{slug} is told what to publish for {told}, its domains are {wanted}"


def _postmasters(evidence: Evidence, slug: str, domain_ids: list[str]) -> Iterator[str]:
    accounts = evidence.products["stalwart"].get("Account", [])
    for domain_id in domain_ids:
        found = [one for one in accounts if one.get("domainId") == domain_id and one.get("name") == "postmaster"]
        if len(found) != 1:
            yield f"{slug} has {len(found)} postmasters in one domain"


def spaces_are_as_wished(evidence: Evidence) -> Iterator[str]:
    spaces = evidence.products["ocis"]["spaces"]
    groups = evidence.products["ocis"]["groups"]
    for tenant, wished in _living_or_gone(evidence):
        slug = tenant["slug"]
        # one that was created without members is kept, disabled and with a description that says so, until the purge
        is_kept = wished.life != "purged"
        found = [
            one
            for one in spaces
            if str(tenant["_id"]) in one["description"]
            and not (is_kept and one["disabled"] and one["description"].startswith(GIVEN_UP))
        ]
        yield from _counted(evidence, tenant, wished, len(found), "spaces")
        own = [id_ for id_, name in groups.items() if name == f"tenant-{slug}"]
        for space in found:
            if space["disabled"] != (wished.life != "alive"):
                yield f"{slug} is wished {wished.life} and its space is {'disabled' if space['disabled'] else 'open'}"
            if wished.life == "alive" and space["name"] != wished.name:
                yield f"{slug} is wished to be named {wished.name}; its space is {space['name']}"
            if wished.life == "alive" and [space["grants"].get(f"g:{id_}") for id_ in own] != ["editor"]:
                yield f"{slug}: its group is not invited into its space: {space['grants']}, groups {own}"


def nothing_older_lands_over_newer(evidence: Evidence) -> Iterator[str]:
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


def nothing_belongs_to_nobody(evidence: Evidence) -> Iterator[str]:
    """But for the one tenant that the API makes by itself when it starts."""
    own = Settings.model_fields["default_tenant_slug"].default
    accepted = {
        slug: str(tenant["_id"])
        for slug, tenant in evidence.tenant_by_slug.items()
        if slug in evidence.wishes or slug == own
    }
    marks = set(accepted) | set(accepted.values())
    for what, found in _marked(evidence):
        if not found <= marks:
            yield f"{what} is of no tenant that was accepted: {sorted(found - marks)}"


def _marked(evidence: Evidence) -> Iterator[tuple[str, set[str]]]:
    """All that carries a mark of ours, and the marks: ids of tenants, and slugs in names of groups."""
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


def _living_or_gone(evidence: Evidence) -> Iterator[tuple[Row, Wished]]:
    for slug, wished in evidence.wishes.items():
        tenant = evidence.tenant_by_slug.get(slug)
        if tenant is not None:
            yield tenant, wished


def _counted(evidence: Evidence, tenant: Row, wished: Wished, count: int, what: str) -> Iterator[str]:
    """A tenant that was closed before it was ever set up may have none."""
    if wished.life == "purged":
        allowed: tuple[int, ...] = (0,)
    else:
        allowed = (1,) if wished.life == "alive" or evidence.was_set_up(tenant) else (0, 1)
    if count not in allowed:
        yield f"{tenant['slug']} is wished {wished.life} and has {count} {what}"


UPSTREAM_LAWS: Mapping[str, Callable[[Evidence], Iterator[str]]] = {
    "one group, with its members, as wished last; none after a purge": groups_are_as_wished,
    "each mail domain once and as wished last; none after a purge": mail_is_as_wished,
    "one space, with the group in it, as wished last; none after a purge": spaces_are_as_wished,
    "nothing outside is of a tenant that was never accepted": nothing_belongs_to_nobody,
    "nothing older is written outside after something newer": nothing_older_lands_over_newer,
}
