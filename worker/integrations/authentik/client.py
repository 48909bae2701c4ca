"""Authentik's groups in our words. Names are compared here, exactly; the server's filters are only a first sieve.

Built on the API of 2026.8. The client makes every body itself: what a caller says never reaches `parents`, `users`,
`roles` or `is_superuser`, by which a group could gain powers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.config.settings import Settings
from shared.integrations.outcomes import Missing, Refused, Unavailable
from worker.http.json_client import BearerToken, JsonApi
from worker.http.response import Answer

GROUPS = "/api/v3/core/groups/"
USERS = "/api/v3/core/users/"
BINDINGS = "/api/v3/policies/bindings/"
#: the one key of a group's attributes that is ours
OUR_KEY = "dezky"


@dataclass(frozen=True)
class Group:
    """`attributes` holds foreign keys too; ours is under OUR_KEY. `member_ids` are user numbers."""

    id: str
    name: str
    attributes: Mapping[str, Any]
    member_ids: frozenset[int]

    @property
    def tenant_id(self) -> str | None:
        """The tenant whose stamp the group carries, or None."""
        ours = self.attributes.get(OUR_KEY)
        found = ours.get("tenantId") if isinstance(ours, dict) else None
        return found if isinstance(found, str) else None


@dataclass(frozen=True)
class Person:
    """A user. `subject`: the `sub` of their tokens, in the default mode."""

    id: int
    username: str
    subject: str
    attributes: Mapping[str, Any]

    @property
    def owned_tenant_id(self) -> str | None:
        """The tenant as whose owner we made this account, or None for an account that is not our making."""
        ours = self.attributes.get(OUR_KEY)
        found = ours.get("ownerOf") if isinstance(ours, dict) else None
        return found if isinstance(found, str) else None


class Authentik:
    """A phrasebook: methods in our words, small values back, no policy."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api

    def find_group(self, name: str) -> Group | None:
        """The group of exactly this name."""
        answer = self._call("GET", GROUPS, params={"name": name, "include_users": "false"})
        found = [group for group in map(_group, _results(answer)) if group.name == name]
        if len(found) > 1:
            raise Unavailable("unexpected_answer", "Two groups of one name cannot exist.")
        return found[0] if found else None

    def get_group(self, group_id: str) -> Group:
        """Raises Missing."""
        return _group(self._call("GET", f"{GROUPS}{group_id}/", params={"include_users": "false"}).json())

    def list_groups(self) -> list[Group]:
        """Every group our account may see, without its members."""
        groups: list[Group] = []
        number = 1
        while number:
            options = {"include_users": "false", "page": str(number), "page_size": "100", "ordering": "name"}
            answer = self._call("GET", GROUPS, params=options)
            groups += map(_group, _results(answer))
            following = (answer.json().get("pagination") or {}).get("next") or 0
            number = following if isinstance(following, int) and following > number else 0
        return groups

    def create_group(self, name: str, attributes: Mapping[str, Any]) -> Group:
        """Raises Refused("taken") when the name exists; after that, or Unavailable, look before you create again."""
        return _group(self._call("POST", GROUPS, json={"name": name, "attributes": attributes}).json())

    def update_group(
        self, group_id: str, *, name: str | None = None, attributes: Mapping[str, Any] | None = None
    ) -> Group:
        """Change the name, or replace all attributes: keep the foreign ones yourself. Members stay."""
        body = {key: value for key, value in (("name", name), ("attributes", attributes)) if value is not None}
        return _group(self._call("PATCH", f"{GROUPS}{group_id}/", json=body, repeatable=True).json())

    def delete_group(self, group_id: str) -> None:
        """Raises Missing when it is gone already."""
        self._call("DELETE", f"{GROUPS}{group_id}/")

    def add_member(self, group_id: str, user_id: int) -> None:
        """May be repeated. Raises Missing for an unknown group or user, or one our account may not see."""
        self._call("POST", f"{GROUPS}{group_id}/add_user/", json={"pk": user_id}, repeatable=True)

    def remove_member(self, group_id: str, user_id: int) -> None:
        """May be repeated. Raises Missing as `add_member` does."""
        self._call("POST", f"{GROUPS}{group_id}/remove_user/", json={"pk": user_id}, repeatable=True)

    def last_bindings(self, group_id: str) -> list[str]:
        """Targets (applications) that this group alone guards: without it they would be open to everybody.

        Raises Refused("missing_permission") when our account may see no bindings: of those it may not see, what a group
        is used by says nothing.
        """
        self._call("GET", BINDINGS, params={"page_size": "1"})
        used = self._call("GET", f"{GROUPS}{group_id}/used_by/").json()
        if not isinstance(used, list):
            raise Unavailable("unexpected_answer", "The answer is not a list.")
        bindings = [one for one in used if isinstance(one, dict) and one.get("model_name") == "policybinding"]
        targets = {str(self._call("GET", f"{BINDINGS}{one['pk']}/").json()["target"]) for one in bindings}
        return sorted(target for target in targets if self._guards(target) <= {group_id})

    def _guards(self, target: str) -> set[str]:
        """Who or what lets people in there: the group's id, or the binding's own for anything else."""
        answer = self._call("GET", BINDINGS, params={"target": target, "page_size": "100"})
        found = [one for one in _results(answer) if str(one.get("target")) == target and one.get("enabled", True)]
        return {str(one.get("group") or one["pk"]) for one in found}

    def find_person(self, username: str) -> Person | None:
        """The user of exactly this username. An e-mail address proves nobody: it is never looked up by."""
        options = {"username": username, "include_groups": "false", "include_roles": "false"}
        found = map(_person, _results(self._call("GET", USERS, params=options)))
        return next((one for one in found if one.username == username), None)

    def get_person(self, person_id: int) -> Person:
        """Raises Missing; Refused("missing_permission") when our account may see nobody."""
        return _person(self._call("GET", f"{USERS}{person_id}/").json())

    def create_person(self, username: str, name: str, email: str, attributes: Mapping[str, Any]) -> Person:
        """Without a password and in no group. Raises Refused("taken") when the username exists."""
        body = {"username": username, "name": name, "email": email, "attributes": attributes, "type": "internal"}
        return _person(self._call("POST", USERS, json=body).json())

    def mark_person(self, person_id: int, attributes: Mapping[str, Any]) -> None:
        """Replace all attributes: keep the foreign ones yourself."""
        self._call("PATCH", f"{USERS}{person_id}/", json={"attributes": attributes}, repeatable=True)

    def invite_person(self, person_id: int, email_stage: str) -> None:
        """Have a recovery mail sent. Raises Refused("not_supported") when the brand has no recovery flow."""
        path = f"{USERS}{person_id}/recovery_email/"
        answer = self._api.call("POST", path, json={"email_stage": email_stage})
        if answer.status == 400:
            raise Refused("not_supported", "Authentik sends no recovery mail as it is set up.")
        if answer.status >= 300:
            raise self._meaning("POST", path, answer)

    def _call(self, method: str, path: str, **options: Any) -> Answer:
        answer = self._api.call(method, path, **options)
        if answer.status < 300:
            return answer
        raise self._meaning(method, path, answer)

    def _meaning(self, method: str, path: str, answer: Answer) -> Exception:
        if answer.status == 401:
            # not Authentik's, which says 403; a proxy before it wants credentials, too
            return Refused("bad_credentials")
        if answer.status == 403:
            return self._refusal(path)
        if answer.status == 405 and answer.is_empty:
            # Authentik's error pages only know GET: a server fault on any other method looks like this
            return Unavailable("upstream_error", "It had a fault of its own; whether anything was written is unknown.")
        is_json = "json" in answer.headers.get("Content-Type", "")
        if answer.status == 404:
            return Missing() if is_json else Refused("not_supported", "There is no such page; is the URL Authentik's?")
        if answer.status == 400 and is_json and _complains_of_name(answer):
            return Refused("taken" if method in ("POST", "PATCH") else "invalid")
        return answer.refusal()

    def _refusal(self, path: str) -> Refused:
        """A 403 means a bad token or a missing permission; only a good token may read itself."""
        if path != f"{USERS}me/" and self._api.call("GET", f"{USERS}me/").status == 200:
            return Refused("missing_permission", f"It refused {path.removeprefix('/api/v3/').split('/')[1]}.")
        return Refused("bad_credentials")


def connect(settings: Settings) -> Authentik | None:
    """A client by the settings, or None when Authentik is not configured."""
    if settings.authentik_api_url is None or settings.authentik_api_token is None:
        return None
    return Authentik(
        JsonApi(
            str(settings.authentik_api_url).rstrip("/").removesuffix("/api/v3"),
            authorize=BearerToken(settings.authentik_api_token.get_secret_value()),
            call_seconds=settings.call_seconds,
            ca_file=settings.extra_ca_certs,
        )
    )


def _results(answer: Answer) -> list[dict[str, Any]]:
    body = answer.json()
    results = body.get("results") if isinstance(body, dict) else None
    if not isinstance(results, list):
        raise Unavailable("unexpected_answer", "The list has no results.")
    return results


def _complains_of_name(answer: Answer) -> bool:
    body = answer.json()
    return isinstance(body, dict) and ("name" in body or "username" in body)


def _person(body: Any) -> Person:
    try:
        return Person(int(body["pk"]), str(body["username"]), str(body["uid"]), dict(body["attributes"] or {}))
    except (KeyError, TypeError, ValueError):
        raise Unavailable("unexpected_answer", "The answer is not a user.") from None


def _group(body: Any) -> Group:
    try:
        return Group(
            id=str(body["pk"]),
            name=str(body["name"]),
            attributes=dict(body["attributes"] or {}),
            member_ids=frozenset(body.get("users") or ()),
        )
    except (KeyError, TypeError, ValueError):
        raise Unavailable("unexpected_answer", "The answer is not a group.") from None
