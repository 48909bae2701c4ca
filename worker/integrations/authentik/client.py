"""Call Authentik's API for groups, people and bindings.

Written for the API of 2026.8. Names are compared here, exactly: an unknown filter is ignored by the server. The client
builds every body itself: caller input never reaches `parents`, `users`, `roles` or `is_superuser`, which give powers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.config.settings import Settings
from shared.integrations.outcomes import NotFound, PermanentError, TemporaryError
from worker.http.json_client import BearerToken, JsonClient
from worker.http.response import ApiResponse
from worker.integrations.authentik.models import (
    OUR_KEY,
    Binding,
    Group,
    Person,
    read_binding,
    read_group,
    read_own_id,
    read_person,
)

GROUPS = "/api/v3/core/groups/"
USERS = "/api/v3/core/users/"
BINDINGS = "/api/v3/policies/bindings/"
APPLICATIONS = "/api/v3/core/applications/"
BRIEF_GROUP = {"include_users": "false"}
BRIEF_USER = {"include_groups": "false", "include_roles": "false"}
PAGE_SIZE = "100"
#: what Authentik says when it sends no recovery mail, and what that means here
NO_MAIL = {
    "recovery flow": "The brand in Authentik has no recovery flow.",
    "Email stage": "There is no such e-mail stage, or our account lacks the permission to see it.",
    "email address": "The account has no e-mail address.",
}


class AuthentikClient:
    """Client of Authentik: methods in the platform's terms that return small values, without policy."""

    def __init__(self, api: JsonClient) -> None:
        self._api = api

    def version(self) -> str:
        """Return the server's version."""
        return self._call("GET", "/api/v3/admin/version/").text("version_current")

    # -- groups

    def find_group(self, name: str) -> Group | None:
        """Return the group of exactly this name."""
        answer = self._call("GET", GROUPS, params={"name": name, **BRIEF_GROUP})
        found = [group for group in map(read_group, _results(answer)) if group.name == name]
        if len(found) > 1:
            raise TemporaryError("unexpected_answer", "Two groups of one name cannot exist.")
        return found[0] if found else None

    def get_group(self, group_id: str) -> Group:
        """Return a group. Raises NotFound."""
        return read_group(self._call("GET", f"{GROUPS}{group_id}/", params=BRIEF_GROUP).json())

    def list_groups(self) -> list[Group]:
        """Return every group that our account may see."""
        return [read_group(one) for one in self._pages(GROUPS, {**BRIEF_GROUP, "ordering": "name"})]

    def list_marked_groups(self, tenant_id: str) -> list[Group]:
        """Return the groups that carry a tenant's ownership marker, under whatever name."""
        found = map(read_group, self._marked(GROUPS, "tenantId", tenant_id, BRIEF_GROUP))
        return [one for one in found if one.tenant_id == tenant_id]

    def create_group(self, name: str, attributes: Mapping[str, Any]) -> Group:
        """Create a group. Raises PermanentError("taken") when the name exists.

        After either that or a TemporaryError, look for the group before a retry.
        """
        return read_group(self._call("POST", GROUPS, json={"name": name, "attributes": attributes}).json())

    def update_group(
        self, group_id: str, *, name: str | None = None, attributes: Mapping[str, Any] | None = None
    ) -> Group:
        """Change the name, or replace all attributes (send the foreign ones too). Members stay."""
        body = {key: value for key, value in (("name", name), ("attributes", attributes)) if value is not None}
        return read_group(self._call("PATCH", f"{GROUPS}{group_id}/", json=body, repeatable=True).json())

    def set_parents(self, group_id: str, parent_ids: Sequence[str]) -> None:
        """Replace a group's parents. Give only ids that were read from it, with the tenant's group added or removed."""
        self._call("PATCH", f"{GROUPS}{group_id}/", json={"parents": list(parent_ids)}, repeatable=True)

    def delete_group(self, group_id: str) -> None:
        """Delete a group. Raises NotFound when it does not exist."""
        self._call("DELETE", f"{GROUPS}{group_id}/")

    def add_member(self, group_id: str, user_id: int) -> None:
        """Add a member. May be repeated. Raises NotFound for an unknown or hidden group or user."""
        self._call("POST", f"{GROUPS}{group_id}/add_user/", json={"pk": user_id}, repeatable=True)

    def remove_member(self, group_id: str, user_id: int) -> None:
        """Remove a member. May be repeated. Raises NotFound as `add_member` does."""
        self._call("POST", f"{GROUPS}{group_id}/remove_user/", json={"pk": user_id}, repeatable=True)

    # -- access to applications

    def list_bindings(self) -> list[Binding]:
        """Return all bindings. Raises PermanentError("missing_permission") when our account may see none."""
        return [read_binding(one) for one in self._pages(BINDINGS, {"ordering": "pk"})]

    def application_modes(self) -> dict[str, str]:
        """Return the policy mode (any, all) by id of the applications that our account may see: rarely all of them."""
        found = self._pages(APPLICATIONS, {"superuser_full_list": "true", "ordering": "slug"})
        return {str(one.get("pk")): str(one.get("policy_engine_mode")) for one in found}

    # -- people

    def own_id(self) -> int:
        """Return the number of the user whose token we use."""
        return read_own_id(self._call("GET", f"{USERS}me/").json())

    def find_people(self, address: str) -> list[Person]:
        """Return the accounts that Authentik's sign-in page finds for an address; only the first can sign in."""
        found = map(read_person, self._pages(USERS, {"search": address, **BRIEF_USER}))
        return sorted((one for one in found if one.signs_in_as(address)), key=lambda one: one.id)

    def list_owners(self, tenant_id: str) -> list[Person]:
        """Return the accounts that we made for a tenant's owners."""
        found = map(read_person, self._marked(USERS, "ownerOf", tenant_id, BRIEF_USER))
        return [one for one in found if one.owned_tenant_id == tenant_id]

    def get_person(self, person_id: int) -> Person:
        """Return a user. Raises NotFound; PermanentError("missing_permission") when our account may not see users."""
        return read_person(self._call("GET", f"{USERS}{person_id}/").json())

    def create_person(self, username: str, name: str, email: str, attributes: Mapping[str, Any]) -> Person:
        """Create a user without a password and in no group. Raises PermanentError("taken") when the username exists."""
        body = {"username": username, "name": name, "email": email, "attributes": attributes, "type": "internal"}
        return read_person(self._call("POST", USERS, json=body).json())

    def set_attributes(self, person_id: int, attributes: Mapping[str, Any]) -> None:
        """Replace all attributes of a user: send the foreign ones too."""
        self._call("PATCH", f"{USERS}{person_id}/", json={"attributes": attributes}, repeatable=True)

    def invite_person(self, person_id: int, email_stage: str, duration: str) -> None:
        """Send a recovery mail with a link that is valid for `duration`.

        Raises PermanentError("not_supported"), with the cause, when Authentik cannot send it as it is set up.
        """
        path = f"{USERS}{person_id}/recovery_email/"
        answer = self._api.call("POST", path, json={"email_stage": email_stage, "token_duration": duration})
        if answer.status == 400:
            raise PermanentError("not_supported", _cause_of_no_mail(answer))
        if answer.status >= 300:
            raise self._fault("POST", path, answer)

    # -- calls and faults

    def _pages(self, path: str, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        number = 1
        while number:
            answer = self._call("GET", path, params={**params, "page": str(number), "page_size": PAGE_SIZE})
            yield from _results(answer)
            pagination = answer.fields().get("pagination")
            following = pagination.get("next") if isinstance(pagination, dict) else None
            if not isinstance(following, int):
                raise TemporaryError("unexpected_answer", "The list does not tell whether it has more pages.")
            number = following if following > number else 0

    def _marked(self, path: str, key: str, tenant_id: str, brief: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Yield the objects whose attributes have the tenant's id under this key of ours."""
        return self._pages(path, {"attributes": json.dumps({f"{OUR_KEY}__{key}": tenant_id}), **brief})

    def _call(self, method: str, path: str, **options: Any) -> ApiResponse:
        answer = self._api.call(method, path, **options)
        if answer.status < 300:
            return answer
        raise self._fault(method, path, answer)

    def _fault(self, method: str, path: str, answer: ApiResponse) -> Exception:
        if answer.status in (401, 403):
            # Authentik itself says 403; a proxy in front of it may say 401
            return self._refusal(path)
        if answer.status == 405 and answer.is_empty:
            # Authentik's error pages only know GET: a server fault on any other method looks like this
            return TemporaryError(
                "upstream_error", "It had a fault of its own; whether anything was written is unknown."
            )
        if answer.status == 404 and answer.is_json:
            return NotFound()
        if answer.status == 404:
            return PermanentError("not_supported", "There is no such page; is the URL Authentik's?")
        if answer.status == 400 and answer.is_json and _is_about_name(answer):
            return PermanentError("taken" if method in ("POST", "PATCH") else "invalid")
        return answer.refusal()

    def _refusal(self, path: str) -> PermanentError:
        """Distinguish an invalid token from one refused request: only a valid token may read itself.

        A bad token stops the work of all tenants; a refused request concerns one tenant.
        """
        if path != f"{USERS}me/" and self._api.call("GET", f"{USERS}me/").status == 200:
            return PermanentError("missing_permission", f"It refused {path.removeprefix('/api/v3/').split('/')[1]}.")
        return PermanentError("bad_credentials")


def connect(settings: Settings) -> AuthentikClient | None:
    """Return a client by the settings, or None when Authentik is not configured."""
    if settings.authentik_api_url is None or settings.authentik_api_token is None:
        return None
    return AuthentikClient(
        JsonClient(
            str(settings.authentik_api_url).rstrip("/").removesuffix("/api/v3"),
            authorize=BearerToken(settings.authentik_api_token.get_secret_value()),
            call_seconds=settings.call_seconds,
            ca_file=settings.extra_ca_certs,
        )
    )


def _results(answer: ApiResponse) -> list[dict[str, Any]]:
    results = answer.fields().get("results")
    if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
        raise TemporaryError("unexpected_answer", "The list has no results.")
    return results


def _cause_of_no_mail(answer: ApiResponse) -> str:
    """Return why Authentik sends no recovery mail, in our words: its text may hold more than may be shown."""
    body = answer.json() if answer.is_json else None
    fields = body if isinstance(body, dict) else {}
    said = str(fields.get("non_field_errors", ""))
    known = next((sentence for text, sentence in NO_MAIL.items() if text in said), None)
    refused = [name for name in ("email_stage", "token_duration") if name in fields]
    return known or f"Authentik refused the {' and the '.join(refused) or 'request for a recovery mail'}."


def _is_about_name(answer: ApiResponse) -> bool:
    body = answer.json()
    return isinstance(body, dict) and ("name" in body or "username" in body)
