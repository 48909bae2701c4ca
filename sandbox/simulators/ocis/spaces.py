"""Spaces with their members and files. As in OCIS, only the id of a space is unique."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.simulators.ocis.people import GraphError, People, Person

STORAGE = str(uuid.UUID(int=1))
FORBIDDEN = set('/\\.:?*"><|')
ROLE_NAMES = {
    "a8d5fe5e-96e3-418d-825b-534dbdf22b99": "viewer",
    "58c63c02-1d89-4572-916a-870abc5a1b7d": "editor",
    "312c0871-5ef7-4b3a-85b6-0e4074c64049": "manager",
}
ROLE_IDS = {name: id_ for id_, name in ROLE_NAMES.items()}
UNLIMITED = 2**63 - 1


@dataclass
class Space:
    name: str
    alias: str
    description: str
    quota: int
    grants: dict[str, str] = field(default_factory=dict)
    disabled: bool = False
    #: bytes of its files; the trash bin does not count
    used: int = 0
    files: dict[str, int] = field(default_factory=dict)
    trash: list[str] = field(default_factory=list)
    id: str = field(default_factory=lambda: f"{STORAGE}${uuid.uuid4()}")
    modified: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


class Storage:
    """All spaces, in memory. Every method is one transaction and raises GraphError.

    `opencloud`: enabling an enabled space is an error. `unlisted`: ids that are missing in the index by type.
    """

    def __init__(self, people: People, max_quota: int = 0, *, opencloud: bool = False) -> None:
        self._people = people
        self._opencloud = opencloud
        self.max_quota = max_quota
        self.spaces: dict[str, Space] = {}
        self.unlisted: set[str] = set()

    @property
    def groups(self) -> dict[str, str]:
        """Return the groups that can be invited: id to name."""
        return self._people.groups

    def add_group(self, name: str) -> str:
        return self._people.add_group(name)

    # -- visibility

    def roles(self, space: Space, person: Person) -> set[str]:
        """Return the roles that a person has in a space, granted directly or through groups."""
        return {space.grants[id_] for id_ in self._people.grantees(person) if id_ in space.grants}

    def of_person(self, person: Person) -> list[Space]:
        """List the spaces of a person; only managers see a disabled space.

        It reads an index by user, which stays complete after a crash.
        """
        return [space for space in self.spaces.values() if self._shows(space, self.roles(space, person))]

    def visible(self, person: Person) -> list[Space]:
        """List all spaces in the index by type, for a role that may list everything."""
        everything = person.lists_everything
        return (
            [one for one in self.spaces.values() if one.id not in self.unlisted]
            if everything
            else self.of_person(person)
        )

    def space(self, id_: str, person: Person) -> Space:
        space = self.spaces.get(id_) or self.spaces.get(f"{STORAGE}${id_}")
        if space is None or not (person.lists_everything or self._shows(space, self.roles(space, person))):
            raise GraphError(404, "itemNotFound", "no drive returned from storage")
        return space

    def open_for_members(self, id_: str, person: Person) -> Space:
        """Return the space for requests that only members may make, which excludes administrators."""
        space = self.spaces.get(id_)
        if space is None or space.disabled or not self.roles(space, person):
            raise GraphError(404, "itemNotFound", "stat: error: not found")
        return space

    # -- one space

    def create(self, person: Person, body: dict[str, Any]) -> Space:
        if not person.lists_everything:
            raise GraphError(403, "notAllowed", "insufficient permissions to create a space.")
        allow(body, {"name", "driveType", "driveAlias", "description", "quota", "id"})
        if body.get("driveType", "project") not in ("", "project"):
            raise GraphError(400, "invalidRequest", "drives of this type cannot be created via this api")
        name = checked_name(body.get("name"))
        quota = self._quota(body.get("quota"), negative=10**9, refusal="invalidRequest")
        alias = body.get("driveAlias") or f"project/{name.lower().replace(' ', '-')}"
        space = Space(name, alias, body.get("description", ""), quota or 0, {f"u:{person.id}": "manager"})
        self.spaces[space.id] = space
        return space

    def change(self, space: Space, person: Person, body: dict[str, Any], *, restore: bool) -> None:
        """Change a space. Managers may change everything except the quota, editors the alias, administrators all."""
        if restore and self._opencloud and not space.disabled:
            raise GraphError(500, "generalException", "grpc error")
        allow(body, {"name", "description", "driveAlias", "quota"})
        self._require_change(space, self.roles(space, person), person, body, restore=restore)
        if "name" in body:
            space.name = checked_name(body["name"], code="generalException")
        quota = self._quota(body.get("quota"), negative=-1, refusal="notAllowed")
        if quota is not None:
            # in a change 0 is the maximum, and a negative number no limit
            space.quota = self.max_quota if quota == 0 else max(quota, 0)
        space.description = body.get("description", space.description)
        space.alias = body.get("driveAlias") or space.alias
        if restore:
            space.disabled = False

    def remove(self, space: Space, person: Person, *, purge: bool) -> None:
        """Disable a space, or purge a disabled one. A space's managers may do both, regardless of their role."""
        if not (person.lists_everything or "manager" in self.roles(space, person)):
            raise GraphError(404, "itemNotFound", "drive not found")
        if not purge:
            space.disabled = True
        elif not space.disabled:
            raise GraphError(400, "invalidRequest", "can't purge enabled space")
        else:
            del self.spaces[space.id]

    def _require_change(
        self, space: Space, roles: set[str], person: Person, body: dict[str, Any], *, restore: bool
    ) -> None:
        may_all = person.lists_everything and (bool(body) or restore)
        needed = {"name", "description"} & set(body) or restore
        if not may_all and (not roles or (needed and "manager" not in roles) or roles == {"viewer"}):
            raise GraphError(404, "itemNotFound", "drive not found")
        if "quota" in body and not person.lists_everything:
            raise GraphError(403, "notAllowed", "user has no permission to set the quota")

    @staticmethod
    def _shows(space: Space, roles: set[str]) -> bool:
        return "manager" in roles if space.disabled else bool(roles)

    # -- members

    def invite(self, space: Space, person: Person, body: dict[str, Any]) -> str:
        """Add one member and return the id of the new permission."""
        self._require_manager(space, person)
        recipients, roles = body.get("recipients") or [], body.get("roles") or []
        kind = recipients[0].get("@libre.graph.recipient.type") if recipients else None
        if len(recipients) != 1 or kind not in ("user", "group") or len(roles) != 1:
            raise GraphError(400, "invalidRequest", "invalid body schema definition")
        target = recipients[0].get("objectId")
        if not self._people.has(kind, target) or roles[0] not in ROLE_NAMES:
            raise GraphError(400, "invalidRequest", "itemNotFound: not found")
        permission = f"{kind[0]}:{target}"
        if permission in space.grants:
            raise GraphError(409, "nameAlreadyExists", "add grant: error: already exists")
        space.grants[permission] = ROLE_NAMES[roles[0]]
        return permission

    def change_member(self, space: Space, person: Person, id_: str, body: dict[str, Any]) -> None:
        self._require_manager(space, person)
        roles = body.get("roles") or [""]
        if id_ not in space.grants:
            raise GraphError(404, "itemNotFound", "permission not found")
        if roles[0] not in ROLE_NAMES:
            raise GraphError(400, "invalidRequest", "unknown role")
        space.grants[id_] = ROLE_NAMES[roles[0]]

    def remove_member(self, space: Space, person: Person, id_: str) -> None:
        """Remove a member. An unknown one is a server error; the last manager stays, and a group counts as one."""
        self._require_manager(space, person)
        if not re.fullmatch(r"[ug]:.+", id_):
            raise GraphError(400, "invalidRequest", "invalid permission id")
        if id_ not in space.grants:
            raise GraphError(500, "generalException", "error getting grant to remove")
        if space.grants[id_] == "manager" and list(space.grants.values()).count("manager") == 1:
            raise GraphError(403, "accessDenied", "can't remove the last manager")
        del space.grants[id_]

    def _require_manager(self, space: Space, person: Person) -> None:
        if "manager" not in self.roles(space, person):
            raise GraphError(403, "accessDenied", "only managers may change members")

    # -- files

    def put_file(self, space: Space, name: str, size: int) -> None:
        """Store a file under a name; it replaces a file of the same name."""
        space.used += size - space.files.get(name, 0)
        space.files[name] = size

    def delete_file(self, space: Space, name: str) -> None:
        """Move a file to the trash bin, where it no longer counts against the quota."""
        if name not in space.files:
            raise GraphError(404, "itemNotFound", "file not found")
        space.used -= space.files.pop(name)
        space.trash.append(name)

    def _quota(self, given: Any, *, negative: int, refusal: str) -> int | None:
        if given is None:
            return None
        if not isinstance(given, dict) or type(given.get("total")) is not int:
            raise GraphError(400, "invalidRequest", "invalid body schema definition")
        total: int = given["total"]
        if self.max_quota and total > self.max_quota:
            raise GraphError(400, refusal, "requested quota is higher than allowed")
        return negative if total < 0 else total


def checked_name(given: Any, code: str = "invalidRequest") -> str:
    name = given.strip() if isinstance(given, str) else ""
    if not name or len(name.encode()) > 255 or FORBIDDEN & set(name):
        raise GraphError(400, code, "invalid spacename: the name must not be empty")
    return name


def allow(body: dict[str, Any], known: set[str]) -> None:
    if not set(body) <= known:
        raise GraphError(400, "invalidRequest", "invalid body schema definition")
