"""Spaces, grants and groups as OCIS keeps them. Nothing about a space is unique but its id."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

STORAGE = str(uuid.UUID(int=1))
FORBIDDEN = set('/\\.:?*"><|')
ROLE_NAMES = {
    "a8d5fe5e-96e3-418d-825b-534dbdf22b99": "viewer",
    "58c63c02-1d89-4572-916a-870abc5a1b7d": "editor",
    "312c0871-5ef7-4b3a-85b6-0e4074c64049": "manager",
}
ROLE_IDS = {name: id_ for id_, name in ROLE_NAMES.items()}
ADMIN_ROLES = {
    "Admin": "71881883-1768-46bd-a24d-a356a2afdf7f",
    "Space Admin": "2aadd357-682c-406b-8874-293091995fdd",
    "User": "d7beeea8-8ff4-406b-8fb6-ab2dd81e6b11",
    "User Light": "38071a68-456a-4553-846a-fa67bf5596cc",
}
UNLIMITED = 2**63 - 1


class GraphError(Exception):
    """A LibreGraph error body with its status; `code` None: an empty body, as the proxy answers."""

    def __init__(self, status: int, code: str | None = None, message: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Person:
    username: str
    role: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def lists_everything(self) -> bool:
        return self.role in ("Admin", "Space Admin")


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
    """All of it, in memory. Every method is one transaction and raises GraphError."""

    def __init__(self, max_quota: int = 0) -> None:
        self.max_quota = max_quota
        self.spaces: dict[str, Space] = {}
        self.groups: dict[str, str] = {}
        self.group_ids: dict[str, str] = {}
        self.people: dict[str, Person] = {}

    def person(self, username: str, role: str) -> Person:
        found = self.people.setdefault(username, Person(username, role))
        found.role = role
        return found

    def add_group(self, name: str) -> str:
        """Names are unique without regard to case, unlike spaces'."""
        if name.lower() in self.group_ids:
            raise GraphError(409, "nameAlreadyExists", "group already exists")
        id_ = str(uuid.uuid4())
        self.groups[id_] = name
        self.group_ids[name.lower()] = id_
        return id_

    def group(self, name_or_id: str) -> tuple[str, str]:
        id_ = name_or_id if name_or_id in self.groups else self.group_ids.get(name_or_id.lower())
        if id_ is None:
            raise GraphError(404, "itemNotFound", "not found")
        return id_, self.groups[id_]

    def visible(self, person: Person) -> list[Space]:
        if person.lists_everything:
            return list(self.spaces.values())
        return [space for space in self.spaces.values() if self.is_member(space, person)]

    def is_member(self, space: Space, person: Person) -> bool:
        return f"u:{person.id}" in space.grants

    def space(self, id_: str, person: Person) -> Space:
        space = self.spaces.get(id_) or self.spaces.get(f"{STORAGE}${id_}")
        if space is None or not (person.lists_everything or self.is_member(space, person)):
            raise GraphError(404, "itemNotFound", "no drive returned from storage")
        return space

    def create(self, person: Person, body: dict[str, Any]) -> Space:
        if not person.lists_everything:
            raise GraphError(403, "notAllowed", "insufficient permissions to create a space.")
        allow(body, {"name", "driveType", "driveAlias", "description", "quota", "id"})
        name = checked_name(body.get("name"))
        quota = self._quota(body.get("quota"), negative=10**9, maximum_on_zero=False)
        alias = body.get("driveAlias") or f"project/{name.lower().replace(' ', '-')}"
        space = Space(name, alias, body.get("description", ""), quota or 0, {f"u:{person.id}": "manager"})
        self.spaces[space.id] = space
        return space

    def change(self, space: Space, person: Person, body: dict[str, Any], *, restore: bool) -> None:
        if not (person.lists_everything or space.grants.get(f"u:{person.id}") == "manager"):
            raise GraphError(404, "itemNotFound", "drive not found")
        if not body and not restore and not self.is_member(space, person):
            raise GraphError(404, "itemNotFound", "drive not found")
        allow(body, {"name", "description", "driveAlias", "quota"})
        if "name" in body:
            space.name = checked_name(body["name"])
        space.description = body.get("description", space.description)
        space.alias = body.get("driveAlias") or space.alias
        quota = self._quota(body.get("quota"), negative=0, maximum_on_zero=True)
        space.quota = space.quota if quota is None else quota
        if restore:
            space.disabled = False

    def remove(self, space: Space, person: Person, *, purge: bool) -> None:
        if not (person.lists_everything or space.grants.get(f"u:{person.id}") == "manager"):
            raise GraphError(404, "itemNotFound", "drive not found")
        if not purge:
            space.disabled = True
        elif not space.disabled:
            raise GraphError(400, "invalidRequest", "can't purge enabled space")
        else:
            del self.spaces[space.id]

    def open_for_members(self, id_: str, person: Person) -> Space:
        """The space, for what only members may do: an administrator's role does not help."""
        space = self.spaces.get(id_)
        if space is None or space.disabled or not self.is_member(space, person):
            raise GraphError(404, "itemNotFound", "stat: error: not found")
        return space

    def invite(self, space: Space, body: dict[str, Any]) -> str:
        recipients, roles = body.get("recipients") or [], body.get("roles") or []
        kind = recipients[0].get("@libre.graph.recipient.type") if recipients else None
        if len(recipients) != 1 or kind not in ("user", "group") or len(roles) != 1:
            raise GraphError(400, "invalidRequest", "invalid body schema definition")
        target = recipients[0].get("objectId")
        known = target in self.groups if kind == "group" else any(p.id == target for p in self.people.values())
        if not known or roles[0] not in ROLE_NAMES:
            raise GraphError(400, "invalidRequest", "itemNotFound: not found")
        permission = f"{kind[0]}:{target}"
        if permission in space.grants:
            raise GraphError(409, "nameAlreadyExists", "add grant: error: already exists")
        space.grants[permission] = ROLE_NAMES[roles[0]]
        return permission

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


def checked_name(given: Any) -> str:
    name = given.strip() if isinstance(given, str) else ""
    if not name or len(name.encode()) > 255 or FORBIDDEN & set(name):
        raise GraphError(400, "invalidRequest", "invalid spacename: the name must not be empty")
    return name


def allow(body: dict[str, Any], known: set[str]) -> None:
    if not set(body) <= known:
        raise GraphError(400, "invalidRequest", "invalid body schema definition")
