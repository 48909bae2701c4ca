"""OCIS's project spaces in our words, over LibreGraph. The server ignores filters by name."""

from __future__ import annotations

from typing import Any

from requests.auth import AuthBase

from shared.config.settings import Settings
from shared.integrations.outcomes import Fault, Missing, Refused, Unavailable
from worker.http.client_credentials import ClientCredentials
from worker.http.json_client import JsonApi, user_and_password
from worker.http.response import Answer
from worker.integrations.ocis.models import DRIVE, DRIVES, Space, space_of

GRAPH, BETA = "/graph/v1.0", "/graph/v1beta1"
#: answers to the making of a group: a read-only directory, one that is there, not supported
NO_NEW_GROUP = (405, 409, 501)

#: role name to the id that is the same on every server
SPACE_ROLES = {
    "viewer": "a8d5fe5e-96e3-418d-825b-534dbdf22b99",
    "editor": "58c63c02-1d89-4572-916a-870abc5a1b7d",
    "manager": "312c0871-5ef7-4b3a-85b6-0e4074c64049",
}
#: ids of roles, the same everywhere: both see all spaces, only the first makes groups
ADMIN, SPACE_ADMIN = "71881883-1768-46bd-a24d-a356a2afdf7f", "2aadd357-682c-406b-8874-293091995fdd"


class Ocis:
    """A phrasebook: methods in our words, small values back, no policy."""

    def __init__(self, api: JsonApi, credentials: ClientCredentials | None = None) -> None:
        """`credentials`: the token source that `api` authorizes with, if it is one that can renew tokens."""
        self._api = api
        self._credentials = credentials

    def require_storage(self) -> None:
        """The canary: our own personal space is there. Raises Unavailable("storage_down") when it is not.

        With the storage provider down a list is empty and a space is "not found", each with a straight face; nothing
        OCIS says about absence means anything unless this holds before and after.
        """
        answer = self._call("GET", f"{GRAPH}/me/drive", hand_back=(404,))
        if answer.status == 404:
            raise Unavailable("storage_down")

    def require_role(self) -> None:
        """We still hold a role that shows all spaces: without it a list is short and says nothing of it.

        Raises Refused("missing_permission").
        """
        self._role()

    def may_make_groups(self) -> bool:
        """Our role is the one that may. Raises Refused("missing_permission") when we hold none that we need."""
        return self._role() == ADMIN

    def _role(self) -> str:
        body = self._call("GET", f"{GRAPH}/me", params={"$expand": "appRoleAssignments"}).fields()
        held = {str(one.get("appRoleId")) for one in body.get("appRoleAssignments") or [] if isinstance(one, dict)}
        for role in (ADMIN, SPACE_ADMIN):
            if role in held:
                return role
        raise Refused("missing_permission", "The account has neither the role Admin nor Space Admin in OCIS.")

    def list_spaces(self) -> list[Space]:
        """Every project space our account may see: with the role it needs, all tenants'."""
        answer = self._call("GET", f"{GRAPH}/drives", params={"$filter": "driveType eq 'project'"})
        return [space_of(one) for one in answer.parsed(DRIVES).value or ()]

    def find_space(self, space_id: str) -> Space | None:
        """None also when the storage is down or our role is gone: ask `require_storage`."""
        answer = self._call("GET", f"{GRAPH}/drives/{space_id}", hand_back=(404,))
        return None if answer.status == 404 else space_of(answer.parsed(DRIVE))

    def create_space(self, name: str, alias: str, description: str, quota: int) -> Space:
        """Nothing is unique there: after any unclear answer look before you create again."""
        body = {
            "name": name,
            "driveType": "project",
            "driveAlias": alias,
            "description": description,
            "quota": {"total": quota},
        }
        return space_of(self._call("POST", f"{GRAPH}/drives", json=body).parsed(DRIVE))

    def update_space(self, space_id: str, changes: dict[str, Any]) -> None:
        """Change `name`, `description` or `quota` (`{"total": bytes}`). Raises Missing."""
        self._call("PATCH", f"{GRAPH}/drives/{space_id}", json=changes, repeatable=True)

    def restore_space(self, space_id: str) -> None:
        """Enable a disabled space, with its members. May be repeated. Raises Missing."""
        self._call("PATCH", f"{GRAPH}/drives/{space_id}", json={}, headers={"Restore": "T"}, repeatable=True)

    def disable_space(self, space_id: str) -> None:
        """Nobody can use it; data and members are kept. May be repeated. Raises Missing."""
        self._call("DELETE", f"{GRAPH}/drives/{space_id}", repeatable=True)

    def purge_space(self, space_id: str) -> None:
        """Remove a disabled space and its data for good. Raises Missing, Refused("invalid") for an enabled one."""
        self._call("DELETE", f"{GRAPH}/drives/{space_id}", headers={"Purge": "T"})

    def find_group(self, name: str) -> str | None:
        """The id of the group of this name, however its case is written there."""
        answer = self._call("GET", f"{GRAPH}/groups/{name}", hand_back=(404,))
        if answer.status == 404:
            return None
        return answer.text("id") if answer.text("displayName").lower() == name.lower() else None

    def create_group(self, name: str) -> str | None:
        """The new group's id; None when the directory is read-only, or somebody made it in the same moment.

        Raises Refused("missing_permission"), as it does for who is no Admin.
        """
        answer = self._call("POST", f"{GRAPH}/groups", json={"displayName": name}, hand_back=NO_NEW_GROUP)
        return None if answer.status in NO_NEW_GROUP else answer.text("id")

    def find_member_role(self, space_id: str, group_id: str) -> str | None:
        """The role of a group in a space, as a role id. Raises Missing when our account is no member itself."""
        body = self._call("GET", f"{BETA}/drives/{space_id}/root/permissions").fields()
        for permission in body.get("value") or []:
            if permission.get("id") == f"g:{group_id}":
                return str((permission.get("roles") or [""])[0])
        return None

    def invite_group(self, space_id: str, group_id: str, role: str) -> None:
        """Raises Missing when our account is no member itself, Refused("taken") when the group is in already."""
        recipient = {"@libre.graph.recipient.type": "group", "objectId": group_id}
        body = {"recipients": [recipient], "roles": [SPACE_ROLES[role]]}
        self._call("POST", f"{BETA}/drives/{space_id}/root/invite", json=body)

    def change_member_role(self, space_id: str, group_id: str, role: str) -> None:
        path = f"{BETA}/drives/{space_id}/root/permissions/g:{group_id}"
        self._call("PATCH", path, json={"roles": [SPACE_ROLES[role]]}, repeatable=True)

    def _call(self, method: str, path: str, **options: Any) -> Answer:
        hand_back = options.get("hand_back", ())
        answer = self._api.call(method, path, **options)
        if answer.status == 401 and self._credentials is not None:
            # a token can end early; a second refusal of a fresh one is an answer
            self._credentials.forget()
            answer = self._api.call(method, path, **options)
        if answer.status < 300 or answer.status in hand_back:
            return answer
        raise _meaning(method, path, answer)


def connect(settings: Settings) -> Ocis | None:
    """A client by the settings, or None when OCIS is not configured."""
    if settings.ocis_api_url is None:
        return None
    credentials = _credentials(settings)
    authorize: AuthBase = credentials or user_and_password(
        settings.ocis_username or "", settings.ocis_password.get_secret_value() if settings.ocis_password else ""
    )
    api = JsonApi(
        str(settings.ocis_api_url),
        authorize=authorize,
        call_seconds=settings.call_seconds,
        ca_file=settings.extra_ca_certs,
    )
    return Ocis(api, credentials)


def _credentials(settings: Settings) -> ClientCredentials | None:
    if settings.ocis_token_url is None or settings.ocis_client_id is None:
        return None
    account = {}
    if settings.ocis_username is not None and settings.ocis_password is not None:
        account = {"username": settings.ocis_username, "password": settings.ocis_password.get_secret_value()}
    secret = settings.ocis_client_secret
    return ClientCredentials(
        str(settings.ocis_token_url),
        settings.ocis_client_id,
        secret.get_secret_value() if secret is not None else None,
        settings.ocis_scope,
        account,
        call_seconds=settings.call_seconds,
        ca_file=settings.extra_ca_certs,
    )


def _meaning(method: str, path: str, answer: Answer) -> Fault:
    if answer.status == 401:
        return Refused("bad_credentials")
    if answer.headers.get("X-Ocis-Mfa-Required"):
        return Refused("missing_permission", "OCIS asks our machine account for a second factor; exempt it.")
    if answer.status == 403:
        needed = "role Space Admin" if path.startswith(GRAPH) else "membership as manager"
        return Refused("missing_permission", f"{method} needs the {needed}.")
    if answer.status == 404:
        is_json = "json" in answer.headers.get("Content-Type", "")
        return Missing() if is_json else Refused("not_supported", "There is no LibreGraph at this URL.")
    if answer.status == 409:
        return Refused("taken")
    return answer.refusal()
