"""Observe effects from outside: send mail, sign in, open applications, and reach files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import requests

from tools.chaos.checks.browser import Browser
from tools.chaos.checks.evidence import Evidence
from tools.chaos.checks.mail_probes import fates_of_mail, sign_ins
from tools.chaos.checks.observations import LAGGING, MEMBER, STRANGER, Effects
from tools.chaos.load.members import PASSWORD, Members, application_of, member_of
from tools.chaos.load.scripts import domains_of
from tools.chaos.platform.environment import PORTAL, Environment

SECONDS = 15


def probe_effects(environment: Environment, evidence: Evidence, members: Members) -> Effects:
    """Observe all effects for the tenants on record."""
    slugs = [slug for slug in evidence.desired_states if slug in evidence.tenant_by_slug]
    stranger = _Person(environment, "stranger")
    people = {slug: _Person(environment, member_of(slug)) for slug in slugs if slug in members.joined}
    postmasters = [f"postmaster@{domain}" for slug in slugs for domain in domains_of(slug)]
    return Effects(
        mail=fates_of_mail(environment, [*postmasters, *sorted(members.accounts)]),
        mailboxes=sign_ins(environment, sorted(members.accounts), PASSWORD),
        groups={slug: person.groups for slug, person in people.items()},
        opened={slug: dict(_open_surfaces(slug, stranger, people.get(slug))) for slug in slugs},
        files={slug: dict(_files(environment, evidence, slug, stranger, people.get(slug))) for slug in slugs},
    )


class _Person:
    """A user who signs in with a browser. `token`: an access token for members' use, or None."""

    def __init__(self, environment: Environment, username: str) -> None:
        if username == "stranger":
            person = {"username": username, "email": "stranger@people.test", "password": PASSWORD}
            given = {"app_password": "unused", "entitlements": ["ocisUser"]}
            environment.control("authentik", "ensure_person", **person, **given)
        self.browser = Browser(environment.products["authentik"], username)
        self.token = self.browser.token(PORTAL)
        claims = self.browser.userinfo(self.token) if self.token else None
        self.groups = tuple(claims.get("groups", ())) if claims is not None else None


def _open_surfaces(slug: str, stranger: _Person, member: _Person | None) -> Iterator[tuple[str, bool]]:
    yield STRANGER, stranger.browser.opens(application_of(slug))
    if member is not None:
        yield MEMBER, member.browser.opens(application_of(slug))


def _files(
    environment: Environment, evidence: Evidence, slug: str, stranger: _Person, member: _Person | None
) -> Iterator[tuple[str, bool]]:
    """Try to list and add files in the tenant's spaces; a tenant without a space has no reachable files."""
    tenant_id = str(evidence.tenant_by_slug[slug]["_id"])
    ids = [one["id"] for one in evidence.products["ocis"]["spaces"] if tenant_id in one["description"]]
    yield STRANGER, _reaches(environment, stranger.token, ids)
    if member is not None:
        yield MEMBER, _reaches(environment, member.token, ids)
    if f"tenant-{slug}" in evidence.products["ocis"]["groups"].values():
        name, token = f"lagging-{slug}", f"token-of-lagging-{slug}"
        environment.control("ocis", "add_member", group=f"tenant-{slug}", username=name)
        environment.control("ocis", "allow_token", token=token, username=name, role="User")
        yield LAGGING, _reaches(environment, token, ids)


def _reaches(environment: Environment, token: str | None, space_ids: list[str]) -> bool:
    """Return whether a caller can list one of the spaces, or add a file to it."""
    headers = {"Authorization": f"Bearer {token}"}
    # OCIS shows the spaces of groups that a token brought only from the second request on
    _ask(environment, "GET", "/graph/v1.0/me/drives", headers)
    return any(
        _ask(environment, method, f"/dav/spaces/{id_}{name}", headers).ok
        for id_ in space_ids
        for method, name in (("PROPFIND", ""), ("PUT", "/probe.txt"))
    )


def _ask(environment: Environment, method: str, path: str, headers: dict[str, Any]) -> requests.Response:
    url = environment.products["ocis"] + path
    return requests.request(method, url, headers=headers, data="text" if method == "PUT" else None, timeout=SECONDS)
