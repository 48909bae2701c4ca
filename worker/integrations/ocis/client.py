"""Project spaces, members and groups of OCIS and OpenCloud over LibreGraph. The server ignores filters by name."""

from __future__ import annotations

import re
import time
from typing import Any

from shared.config.settings import Settings
from shared.integrations.outcomes import PermanentError, TemporaryError
from worker.http.client_credentials import ClientCredentials
from worker.http.deadline import remaining
from worker.http.json_client import JsonClient
from worker.http.response import ApiResponse
from worker.http.shared_read import SharedRead
from worker.integrations.ocis.connection import BETA, DAV, GRAPH, GraphConnection, NoRole, open_api
from worker.integrations.ocis.models import (
    DRIVE,
    DRIVES,
    GROUP,
    ME,
    PERMISSIONS,
    SPACE_ROLES,
    Account,
    Space,
    account_of,
    members_of,
    space_of,
)

#: both products show a space's members when asked like this, OpenCloud only then
WITH_MEMBERS = {"$expand": "root($expand=permissions)"}
PROJECTS = {"$filter": "driveType eq 'project'", **WITH_MEMBERS}
#: statuses of a change of groups that a read-only directory refuses
READ_ONLY = (405, 501)
#: statuses of a refused group: a read-only directory, or a name that exists
NO_NEW_GROUP = (*READ_ONLY, 409)
#: ids of roles, the same everywhere: both see all spaces, only the first may create groups
ADMIN, SPACE_ADMIN = "71881883-1768-46bd-a24d-a356a2afdf7f", "2aadd357-682c-406b-8874-293091995fdd"
#: reads of our role before it counts as missing, and the pause between them in seconds: OCIS assigns it
#: while the first requests of a new account are under way
ROLE_READS, ROLE_PAUSE = 3, 1.0
ENTRY = re.compile(rb"</(?:[\w-]+:)?response>")


class ReadOnlyDirectory(PermanentError):
    """OCIS takes its groups from a directory that it does not change."""


class OcisClient:
    """Client of LibreGraph: methods in the platform's terms that return small values, without policy."""

    def __init__(
        self, api: JsonClient, credentials: ClientCredentials | None = None, *, role_pause: float = ROLE_PAUSE
    ) -> None:
        """`credentials`: the token source that `api` authorizes with, if it can renew tokens."""
        self._graph = GraphConnection(api, credentials)
        self._role_pause = role_pause
        self._spaces = SharedRead(self._read_spaces)

    # -- our own account and the storage

    def require_storage(self) -> None:
        """Check that our own personal space is there. Raises TemporaryError("storage_down") when it is not.

        With the storage provider down every list is empty and every space is "not found", so absence counts only when
        this check passed before and after.
        """
        if self._call("GET", f"{GRAPH}/me/drive", hand_back=(404,)).status == 404:
            raise TemporaryError("storage_down")

    def version(self) -> str:
        """Return the server's version; with it our own account is checked for the role that it needs."""
        self.require_role()
        return self._call("GET", "/status.php").text("productversion")

    def require_role(self) -> str:
        """Return our role. Without one a list is short and does not say so.

        Raises PermanentError("missing_permission").
        """
        for number in range(ROLE_READS):
            if number:
                time.sleep(max(0.0, remaining(self._role_pause)))
            held = self.account().roles
            for role in (ADMIN, SPACE_ADMIN):
                if role in held:
                    return role
        raise PermanentError("missing_permission", "The account has neither the role Admin nor Space Admin in OCIS.")

    def may_create_groups(self) -> bool:
        """Return whether our role allows it. Raises PermanentError("missing_permission") without a role."""
        return self.require_role() == ADMIN

    def account(self) -> Account:
        """Return our own account."""
        return account_of(self._graph.call("GET", f"{GRAPH}/me", params={"$expand": "appRoleAssignments"}).parsed(ME))

    # -- spaces

    def list_spaces(self) -> list[Space]:
        """List every project space that our account may see: with the role that it needs, those of all tenants.

        Two lists are joined: the first is read from an index that loses entries when the server is killed, and the
        second shows where we are a member. Threads that ask at the same time share them.
        """
        return list(self._spaces.get())

    def _read_spaces(self) -> tuple[Space, ...]:
        found: dict[str, Space] = {}
        for path in (f"{GRAPH}/drives", f"{GRAPH}/me/drives"):
            drives = self._call("GET", path, params=PROJECTS).parsed(DRIVES).value or ()
            found |= {one.id: space_of(one) for one in drives}
        return tuple(found.values())

    def find_space(self, space_id: str) -> Space | None:
        """Return a space, or None, which is also the response while the storage is down or our role is missing."""
        answer = self._call("GET", f"{GRAPH}/drives/{space_id}", params=WITH_MEMBERS, hand_back=(404,))
        return None if answer.status == 404 else space_of(answer.parsed(DRIVE))

    def create_space(self, name: str, alias: str, description: str, quota: int) -> Space:
        """Create a space. Nothing is unique there: after an unclear answer, search before creating again."""
        body = {
            "name": name,
            "driveType": "project",
            "driveAlias": alias,
            "description": description,
            "quota": {"total": quota},
        }
        return space_of(self._call("POST", f"{GRAPH}/drives", json=body).parsed(DRIVE))

    def update_space(self, space_id: str, changes: dict[str, Any]) -> None:
        """Change `name`, `description` or `quota` (`{"total": bytes}`, negative without limit). Raises NotFound."""
        self._call("PATCH", f"{GRAPH}/drives/{space_id}", json=changes, repeatable=True)

    def restore_space(self, space_id: str) -> None:
        """Enable a disabled space, with its members. OpenCloud refuses it for an enabled one. Raises NotFound."""
        self._call("PATCH", f"{GRAPH}/drives/{space_id}", json={}, headers={"Restore": "T"})

    def disable_space(self, space_id: str) -> None:
        """Close a space to everybody and keep its data and members. May be repeated. Raises NotFound."""
        self._call("DELETE", f"{GRAPH}/drives/{space_id}", repeatable=True)

    def purge_space(self, space_id: str) -> None:
        """Remove a disabled space with its data. Raises NotFound, PermanentError("invalid") for an enabled one."""
        self._call("DELETE", f"{GRAPH}/drives/{space_id}", headers={"Purge": "T"})

    def has_content(self, space_id: str) -> bool:
        """Return whether a space holds files, in the trash bin too. Call it for an enabled space of ours only.

        Raises TemporaryError("not_ready") when they are not shown, as while the storage is down.
        """
        for path in (f"{DAV}/{space_id}", f"{DAV}/trash-bin/{space_id}"):
            answer = self._call("PROPFIND", path, headers={"Depth": "1"}, repeatable=True, hand_back=(403, 404))
            if answer.status != 207:
                raise TemporaryError("not_ready", "The files of a space are not shown at the moment.")
            if len(ENTRY.findall(answer.content)) != 1:  # the folder itself is the first entry
                return True
        return False

    # -- members and groups

    def members(self, space_id: str) -> dict[str, str]:
        """Return the role's id of each permission. Raises NotFound when our account is not a member itself."""
        answer = self._call("GET", f"{BETA}/drives/{space_id}/root/permissions")
        return members_of(answer.parsed(PERMISSIONS).value)

    def invite_group(self, space_id: str, group_id: str, role: str) -> None:
        """Add a group.

        Raises NotFound when our account is not a member, PermanentError("taken") when the group is one.
        """
        recipient = {"@libre.graph.recipient.type": "group", "objectId": group_id}
        body = {"recipients": [recipient], "roles": [SPACE_ROLES[role]]}
        self._call("POST", f"{BETA}/drives/{space_id}/root/invite", json=body)

    def change_member_role(self, space_id: str, group_id: str, role: str) -> None:
        """Give a group that is a member another role."""
        path = f"{BETA}/drives/{space_id}/root/permissions/g:{group_id}"
        self._call("PATCH", path, json={"roles": [SPACE_ROLES[role]]}, repeatable=True)

    def find_group(self, name: str) -> str | None:
        """Return the id of the group of exactly this name, or None.

        Raises PermanentError("taken") when a group's name differs in case only: Authentik keeps such groups apart, and
        OCIS makes the members of both members of one.
        """
        answer = self._call("GET", f"{GRAPH}/groups/{name}", hand_back=(404,))
        if answer.status == 404:
            return None
        group = answer.parsed(GROUP)
        shown = group.displayName or ""
        if shown != name and shown.lower() == name.lower():
            raise PermanentError(
                "taken", f"OCIS has a group whose name differs from {name} in case only; rename it there."
            )
        return group.id if shown == name else None

    def create_group(self, name: str) -> str | None:
        """Return the new group's id; None for a read-only directory, or a name that exists by now.

        Raises PermanentError("missing_permission") without the role Admin.
        """
        answer = self._graph.call("POST", f"{GRAPH}/groups", json={"displayName": name}, hand_back=NO_NEW_GROUP)
        return None if answer.status in NO_NEW_GROUP else answer.parsed(GROUP).id

    def delete_group(self, group_id: str) -> None:
        """Remove a group; its members stay in OCIS. May be repeated.

        Raises PermanentError("missing_permission") and ReadOnlyDirectory.
        """
        hand_back = (404, *READ_ONLY)
        answer = self._graph.call("DELETE", f"{GRAPH}/groups/{group_id}", repeatable=True, hand_back=hand_back)
        if answer.status in READ_ONLY:
            raise ReadOnlyDirectory("not_supported", "The directory of OCIS is read-only.")

    def _call(self, method: str, path: str, **options: Any) -> ApiResponse:
        """Send a request. A refusal for a missing role counts only if the role is still missing when read again."""
        try:
            return self._graph.call(method, path, **options)
        except NoRole:
            self.require_role()
            raise TemporaryError("not_ready", "OCIS was still assigning the role of our account.", wait=0.5) from None


def connect(settings: Settings) -> OcisClient | None:
    """Return a client built from the settings, or None when OCIS is not configured."""
    opened = open_api(settings)
    return OcisClient(*opened) if opened else None
