"""The users of OCIS with their roles, and the groups with their members. Raises GraphError."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sandbox.simulators.clock import Clock

ADMIN_ROLES = {
    "Admin": "71881883-1768-46bd-a24d-a356a2afdf7f",
    "Space Admin": "2aadd357-682c-406b-8874-293091995fdd",
    "User": "d7beeea8-8ff4-406b-8fb6-ab2dd81e6b11",
    "User Light": "38071a68-456a-4553-846a-fa67bf5596cc",
}
#: shortest time between two updates of a person's memberships from their token
GROUPS_INTERVAL = timedelta(minutes=5)


class GraphError(Exception):
    """A LibreGraph error with its status; without `code` the body is empty, as the proxy's are."""

    def __init__(self, status: int, code: str | None = None, message: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Person:
    username: str
    role: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    groups_read: datetime | None = None
    #: when the role of a new account is assigned, and how often it tried to create a space before
    role_at: datetime | None = None
    early_creates: int = 0
    #: the address of the first sign-in
    mail: str | None = None
    #: groups that the running request has only just added
    new_groups: frozenset[str] = frozenset()

    @property
    def lists_everything(self) -> bool:
        return self.role in ("Admin", "Space Admin")


class People:
    """In memory. Names of groups are unique without regard to case."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.people: dict[str, Person] = {}
        self.groups: dict[str, str] = {}
        self.group_ids: dict[str, str] = {}
        self.members: dict[str, set[str]] = {}

    def clear(self) -> None:
        for held in (self.people, self.groups, self.group_ids, self.members):
            held.clear()

    def person(self, username: str, role: str) -> Person:
        """Return the person of this name; a new one gets the role."""
        return self.people.setdefault(username, Person(username, role))

    def add_person(self, username: str) -> Person:
        if username in self.people:
            raise GraphError(409, "nameAlreadyExists", "user already exists")
        return self.person(username, "User")

    def by_id(self, id_: str) -> Person:
        for person in self.people.values():
            if id_ in (person.id, person.username):
                return person
        raise GraphError(404, "itemNotFound", "user not found")

    def set_role(self, username: str, role: str) -> None:
        """Assign a role immediately, regardless of the person's tokens.

        Raises KeyError for an unknown person, ValueError for an unknown role.
        """
        if role not in ADMIN_ROLES:
            raise ValueError(f"no role named {role!r}; there are {', '.join(ADMIN_ROLES)}")
        self.people[username].role = role

    def add_group(self, name: str) -> str:
        if name.lower() in self.group_ids:
            raise GraphError(409, "nameAlreadyExists", "group already exists")
        id_ = str(uuid.uuid4())
        self.groups[id_] = name
        self.group_ids[name.lower()] = id_
        self.members[id_] = set()
        return id_

    def group(self, name_or_id: str) -> tuple[str, str]:
        id_ = name_or_id if name_or_id in self.groups else self.group_ids.get(name_or_id.lower())
        if id_ is None:
            raise GraphError(404, "itemNotFound", "not found")
        return id_, self.groups[id_]

    def read_groups(self, person: Person, names: Iterable[str]) -> None:
        """Update a person's groups from a token, at most once per interval: create groups, add and remove memberships.

        Spaces of new groups are visible from the person's next request on.
        """
        now, person.new_groups = self._clock.now(), frozenset()
        if person.groups_read is not None and now < person.groups_read + GROUPS_INTERVAL:
            return
        person.groups_read = now
        wanted = {self.group_ids.get(name.lower()) or self.add_group(name) for name in names}
        person.new_groups = frozenset(id_ for id_ in wanted if person.id not in self.members[id_])
        for id_, members in self.members.items():
            (members.add if id_ in wanted else members.discard)(person.id)

    def grantees(self, person: Person) -> set[str]:
        """Return the ids of the permissions through which a person is a member of a space."""
        groups = {id_ for id_, members in self.members.items() if person.id in members} - person.new_groups
        return {f"u:{person.id}"} | {f"g:{id_}" for id_ in groups}

    def remove_group(self, id_: str) -> None:
        _, name = self.group(id_)
        del self.groups[id_], self.group_ids[name.lower()], self.members[id_]

    def has(self, kind: str, id_: str) -> bool:
        return id_ in self.groups if kind == "group" else any(one.id == id_ for one in self.people.values())
