"""Authentik's directory as it keeps it: groups, users, tokens. Rules of storage only; no HTTP."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

DUPLICATE_GROUP = {"en": "Group with this name already exists.", "de": "Gruppe mit diesem Wert existiert bereits."}


class Invalid(Exception):
    """A 400: field name to messages."""

    def __init__(self, **fields: list[str]) -> None:
        super().__init__(str(fields))
        self.fields = fields


class ServerFault(Exception):
    """An unhandled exception inside the product: the masked 405."""


@dataclass
class Group:
    name: str
    num_pk: int
    attributes: dict[str, Any] = field(default_factory=dict)
    is_superuser: bool = False
    parents: list[str] = field(default_factory=list)
    users: set[int] = field(default_factory=set)
    pk: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass
class User:
    pk: int
    username: str
    name: str = ""
    email: str = ""
    is_active: bool = True
    type: str = "internal"
    path: str = "users"
    attributes: dict[str, Any] = field(default_factory=dict)
    entitlements: list[str] = field(default_factory=list)
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def uid(self) -> str:
        """The default `sub` of this user's tokens."""
        return hashlib.sha256(f"stand-in:{self.username}".encode()).hexdigest()


@dataclass(frozen=True)
class Token:
    """`permissions` None: all of them."""

    key: str
    user: int
    intent: str = "api"
    permissions: frozenset[str] | None = None


class Directory:
    """All of it, in memory. Every method is one transaction."""

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.groups_by_name: dict[str, Group] = {}
        self.users: dict[int, User] = {}
        self.users_by_name: dict[str, User] = {}
        self.tokens: dict[str, Token] = {}
        self._numbers = itertools.count(1)

    def add_group(self, body: dict[str, Any], language: str = "en") -> Group:
        fields = self._group_fields(body, whole=True)
        self._require_free(fields["name"], None, language)
        group = Group(num_pk=next(self._numbers), **fields)
        self.groups[group.pk] = group
        self.groups_by_name[group.name] = group
        return group

    def change_group(self, group: Group, body: dict[str, Any], *, whole: bool, language: str = "en") -> None:
        """PATCH, or PUT when `whole`: which clears the members when `users` is left out."""
        fields = self._group_fields(body, whole=whole)
        if "name" in fields:
            self._require_free(fields["name"], group, language)
            del self.groups_by_name[group.name]
            self.groups_by_name[fields["name"]] = group
        for name, value in fields.items():
            setattr(group, name, value)

    def delete_group(self, group: Group) -> None:
        del self.groups[group.pk]
        del self.groups_by_name[group.name]

    def add_user(self, body: dict[str, Any]) -> User:
        username = str(body.get("username") or "").strip()
        if not username:
            raise Invalid(username=["This field is required."])
        if username in self.users_by_name:
            raise Invalid(username=["This field must be unique."])
        known = {key: body[key] for key in ("name", "email", "is_active", "type", "path", "attributes") if key in body}
        user = User(pk=next(self._numbers), username=username, **known)
        self.users[user.pk] = user
        self.users_by_name[username] = user
        for pk in body.get("groups", []):
            self.groups[pk].users.add(user.pk)
        return user

    def groups_of(self, user: User) -> list[Group]:
        return [group for group in self.groups.values() if user.pk in group.users]

    def _group_fields(self, body: dict[str, Any], *, whole: bool) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if "name" in body or whole:
            fields["name"] = _name(body.get("name"))
        if "attributes" in body:
            fields["attributes"] = _attributes(body["attributes"])
        if "is_superuser" in body:
            fields["is_superuser"] = bool(body["is_superuser"])
        if "parents" in body:
            self._require_known("parents", body["parents"], self.groups)
            fields["parents"] = list(body["parents"])
        if "users" in body or whole:
            self._require_known("users", body.get("users", []), self.users)
            fields["users"] = set(body.get("users", []))
        return fields

    @staticmethod
    def _require_known(name: str, wanted: list[Any], known: dict[Any, Any]) -> None:
        for pk in wanted:
            if pk not in known:
                raise Invalid(**{name: [f'Invalid pk "{pk}" - object does not exist.']})

    def _require_free(self, name: str, owner: Group | None, language: str) -> None:
        holder = self.groups_by_name.get(name)
        if holder is not None and holder is not owner:
            raise Invalid(name=[DUPLICATE_GROUP.get(language, DUPLICATE_GROUP["en"])])


def _name(given: Any) -> str:
    if given is None:
        raise Invalid(name=["This field is required."])
    name = str(given).strip()
    if not name:
        raise Invalid(name=["This field may not be blank."])
    if "\x00" in name:
        raise Invalid(name=["Null characters are not allowed."])
    return name


def _attributes(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Invalid(attributes=["Value must be a dictionary, and not have any duplicate keys."])
    if "\x00" in str(given) or "\\x00" in str(given):
        raise ServerFault
    return given
