"""Keep groups, users and memberships."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.simulators.authentik.records import Group, Invalid, User
from sandbox.simulators.authentik.user_fields import NOT_UNIQUE, REQUIRED, attributes, user_fields

DUPLICATE_GROUP = {"en": "Group with this name already exists.", "de": "Gruppe mit diesem Wert existiert bereits."}


class Directory:
    """Everything in memory. Every method is one transaction and may raise Invalid."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.groups_by_name: dict[str, Group] = {}
        self.users: dict[int, User] = {}
        self.users_by_name: dict[str, User] = {}
        #: called with the pk of each group and user that is deleted, to delete the objects that refer to it
        self.on_delete: list[Callable[[str | int], None]] = []
        #: called with each user whose sessions end
        self.on_sign_out: list[Callable[[User], None]] = []
        self._numbers = itertools.count(1)
        #: how many users were added under each username
        self._added: Counter[str] = Counter()

    def clear(self) -> None:
        for held in (self.groups, self.groups_by_name, self.users, self.users_by_name, self._added):
            held.clear()

    # -- groups

    def add_group(self, body: dict[str, Any], language: str = "en") -> Group:
        fields = self._group_fields(body, whole=True)
        self._require_free(fields["name"], None, language)
        parents = fields.pop("parents", [])
        group = Group(num_pk=next(self._numbers), **fields)
        self.groups[group.pk] = group
        self.groups_by_name[group.name] = group
        self._place(group, parents)
        return group

    def change_group(self, group: Group, body: dict[str, Any], *, whole: bool, language: str = "en") -> None:
        """Change a group as PATCH does, or with `whole` as PUT, which removes members that are left out."""
        fields = self._group_fields(body, whole=whole)
        if "name" in fields:
            self._require_free(fields["name"], group, language)
            del self.groups_by_name[group.name]
            self.groups_by_name[fields["name"]] = group
        self._place(group, fields.pop("parents", group.parents))
        for name, value in fields.items():
            setattr(group, name, value)

    def delete_group(self, group: Group) -> None:
        """Delete a group with its memberships and every policy binding that names it."""
        self._place(group, [])
        del self.groups[group.pk]
        del self.groups_by_name[group.name]
        for child in group.children.values():
            child.parents = [pk for pk in child.parents if pk != group.pk]
        self._delete(group.pk)

    def _place(self, group: Group, parents: list[str]) -> None:
        for pk in group.parents:
            self.groups[pk].children.pop(group.pk, None)
        group.parents = parents
        for pk in parents:
            self.groups[pk].children[group.pk] = group

    def groups_of(self, user: User) -> list[Group]:
        """Return the groups of which a user is a direct member; tokens name these."""
        return [group for group in self.groups.values() if user.pk in group.users]

    def all_groups_of(self, user: User) -> dict[str, Group]:
        """Return those groups and all above them, by pk; access and powers follow from these."""
        found: dict[str, Group] = {}
        waiting = self.groups_of(user)
        while waiting:
            group = waiting.pop()
            if group.pk not in found:
                found[group.pk] = group
                waiting += [self.groups[pk] for pk in group.parents]
        return found

    def is_superuser(self, user: User) -> bool:
        return any(group.is_superuser for group in self.all_groups_of(user).values())

    # -- users

    def add_user(self, body: dict[str, Any]) -> User:
        """Add a user. Without a `name` it is empty; the API requires one."""
        fields = user_fields({"name": "", **body}, whole=True)
        self._require_groups(body.get("groups", []))
        if fields["username"] in self.users_by_name:
            raise Invalid(username=NOT_UNIQUE)
        user = User(pk=next(self._numbers), uid=self._new_uid(fields["username"]), **fields)
        self.users[user.pk] = user
        self.users_by_name[user.username] = user
        self._put_into(user, body.get("groups", []))
        return user

    def change_user(self, user: User, body: dict[str, Any], *, whole: bool) -> None:
        """Change a user as PATCH does, or with `whole` as PUT. Groups are replaced; inactive users are signed out."""
        fields = user_fields(body, whole=whole)
        if self.users_by_name.get(fields.get("username", user.username)) not in (None, user):
            raise Invalid(username=NOT_UNIQUE)
        if "groups" in body or whole:
            self._require_groups(body.get("groups", []))
            self._put_into(user, body.get("groups", []))
        del self.users_by_name[user.username]
        for name, value in fields.items():
            setattr(user, name, value)
        self.users_by_name[user.username] = user
        if not user.is_active:
            self.sign_out(user)

    def delete_user(self, user: User) -> None:
        self.sign_out(user)
        del self.users[user.pk], self.users_by_name[user.username]
        self._put_into(user, [])
        self._delete(user.pk)

    def find_for_sign_in(self, text: str) -> User | None:
        """Return the oldest user whose username or e-mail this is, whatever the case: a younger one never signs in."""
        wanted = text.strip().lower()
        found = [
            user for user in self.users.values() if wanted and wanted in (user.username.lower(), user.email.lower())
        ]
        return min(found, key=lambda user: user.pk, default=None)

    def sign_out(self, user: User) -> None:
        for callback in self.on_sign_out:
            callback(user)

    def _new_uid(self, username: str) -> str:
        """Return another uid for each new user.

        Authentik hashes its own id and the user's number. This is the same after a restart instead, because the
        sandbox's database keeps the subjects of tokens.
        """
        self._added[username] += 1
        return hashlib.sha256(f"simulator:{username}:{self._added[username]}".encode()).hexdigest()

    def _put_into(self, user: User, groups: Iterable[str]) -> None:
        wanted = set(groups)
        for group in self.groups.values():
            (group.users.add if group.pk in wanted else group.users.discard)(user.pk)

    def _delete(self, pk: str | int) -> None:
        for callback in self.on_delete:
            callback(pk)

    def _group_fields(self, body: dict[str, Any], *, whole: bool) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if "name" in body or whole:
            fields["name"] = _name(body.get("name"))
        if "attributes" in body:
            fields["attributes"] = attributes(body["attributes"])
        if "is_superuser" in body:
            fields["is_superuser"] = bool(body["is_superuser"])
        if "parents" in body:
            _require_known("parents", body["parents"], self.groups)
            fields["parents"] = list(body["parents"])
        if "users" in body or whole:
            _require_known("users", body.get("users", []), self.users)
            fields["users"] = set(body.get("users", []))
        return fields

    def _require_groups(self, wanted: list[str]) -> None:
        _require_known("groups", wanted, self.groups)

    def _require_free(self, name: str, owner: Group | None, language: str) -> None:
        holder = self.groups_by_name.get(name)
        if holder is not None and holder is not owner:
            raise Invalid(name=[DUPLICATE_GROUP.get(language, DUPLICATE_GROUP["en"])])


def _require_known(name: str, wanted: list[Any], known: dict[Any, Any]) -> None:
    for pk in wanted:
        if pk not in known:
            raise Invalid(**{name: [f'Invalid pk "{pk}" - object does not exist.']})


def _name(given: Any) -> str:
    if given is None:
        raise Invalid(name=REQUIRED)
    name = str(given).strip()
    if not name:
        raise Invalid(name=["This field may not be blank."])
    if "\x00" in name:
        raise Invalid(name=["Null characters are not allowed."])
    return name
