"""Spaces and grants as OCIS keeps them. Nothing about a space is unique but its id."""

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
    used: int = 0
    id: str = field(default_factory=lambda: f"{STORAGE}${uuid.uuid4()}")
    modified: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


class Storage:
    """All spaces, in memory. Every method is one transaction and raises GraphError."""

    def __init__(self, people: People, max_quota: int = 0) -> None:
        self._people = people
        self.max_quota = max_quota
        self.spaces: dict[str, Space] = {}

    @property
    def groups(self) -> dict[str, str]:
        """Groups that can be invited: id to name."""
        return self._people.groups

    def add_group(self, name: str) -> str:
        return self._people.add_group(name)

    # -- who may see what

    def roles(self, space: Space, person: Person) -> set[str]:
        """The roles a person has in a space, by themselves and by their groups."""
        return {space.grants[id_] for id_ in self._people.grantees(person) if id_ in space.grants}

    def mine(self, person: Person) -> list[Space]:
        """Where a person is a member; a disabled space is shown to its managers only."""
        return [space for space in self.spaces.values() if self._shows(space, self.roles(space, person))]

    def visible(self, person: Person) -> list[Space]:
        """All there are, for those whose role lists everything."""
        return list(self.spaces.values()) if person.lists_everything else self.mine(person)

    def space(self, id_: str, person: Person) -> Space:
        space = self.spaces.get(id_) or self.spaces.get(f"{STORAGE}${id_}")
        if space is None or not (person.lists_everything or self._shows(space, self.roles(space, person))):
            raise GraphError(404, "itemNotFound", "no drive returned from storage")
        return space

    def open_for_members(self, id_: str, person: Person) -> Space:
        """The space, for what only members may do: an administrator's role does not help."""
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
        quota = self._quota(body.get("quota"), negative=10**9, maximum_on_zero=False)
        alias = body.get("driveAlias") or f"project/{name.lower().replace(' ', '-')}"
        space = Space(name, alias, body.get("description", ""), quota or 0, {f"u:{person.id}": "manager"})
        self.spaces[space.id] = space
        return space

    def change(self, space: Space, person: Person, body: dict[str, Any], *, restore: bool) -> None:
        """A manager may all but the quota; an editor only the alias; an administrator's role all but nothing at all."""
        allow(body, {"name", "description", "driveAlias", "quota"})
        self._require_change(space, self.roles(space, person), person, body, restore=restore)
        if "name" in body:
            space.name = checked_name(body["name"], code="generalException")
        quota = self._quota(body.get("quota"), negative=0, maximum_on_zero=True)
        space.quota = space.quota if quota is None else quota
        space.description = body.get("description", space.description)
        space.alias = body.get("driveAlias") or space.alias
        if restore:
            space.disabled = False

    def remove(self, space: Space, person: Person, *, purge: bool) -> None:
        """Disable, or purge what is disabled. A space's managers may both, whatever their role."""
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
        """The id of the new permission."""
        self._require_manager(space, person)
        recipients, roles = body.get("recipients") or [], body.get("roles") or []
        kind = recipients[0].get("@libre.graph.recipient.type") if recipients else None
        if len(recipients) != 1 or kind not in ("user", "group") or len(roles) != 1:
            raise GraphError(400, "invalidRequest", "invalid body schema definition")
        target = recipients[0].get("objectId")
        if not self._people.knows(kind, target) or roles[0] not in ROLE_NAMES:
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
        """Somebody who is gone already is an error of the server; the last manager stays, and a group counts."""
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

    def _quota(self, given: Any, *, negative: int, maximum_on_zero: bool) -> int | None:
        if given is None:
            return None
        if not isinstance(given, dict) or type(given.get("total")) is not int:
            raise GraphError(400, "invalidRequest", "invalid body schema definition")
        total: int = given["total"]
        if self.max_quota and total > self.max_quota:
            raise GraphError(400, "notAllowed", "the requested quota exceeds the maximum allowed quota")
        if total == 0 and maximum_on_zero:
            return self.max_quota
        return negative if total < 0 else total


def checked_name(given: Any, code: str = "invalidRequest") -> str:
    name = given.strip() if isinstance(given, str) else ""
    if not name or len(name.encode()) > 255 or FORBIDDEN & set(name):
        raise GraphError(400, code, "invalid spacename: the name must not be empty")
    return name


def allow(body: dict[str, Any], known: set[str]) -> None:
    if not set(body) <= known:
        raise GraphError(400, "invalidRequest", "invalid body schema definition")
