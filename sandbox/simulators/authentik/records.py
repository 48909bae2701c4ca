"""Define the records that the Authentik simulator keeps, and the two ways of refusing to store one."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class Invalid(Exception):
    """A 400: maps a field's name to its messages, or to one text where Authentik gives no list."""

    def __init__(self, **fields: list[str] | str) -> None:
        super().__init__(str(fields))
        self.fields = fields


class ServerFault(Exception):
    """An unhandled exception inside Authentik, which answers an empty 405."""


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass
class Group:
    name: str
    num_pk: int
    attributes: dict[str, Any] = field(default_factory=dict)
    is_superuser: bool = False
    parents: list[str] = field(default_factory=list)
    users: set[int] = field(default_factory=set)
    pk: str = field(default_factory=new_id)
    children: dict[str, Group] = field(default_factory=dict, repr=False, compare=False)


@dataclass
class User:
    """A user. `uid`: the default `sub` of the user's tokens, which no change of the user changes."""

    pk: int
    uid: str
    username: str
    name: str = ""
    email: str = ""
    is_active: bool = True
    type: str = "internal"
    path: str = "users"
    attributes: dict[str, Any] = field(default_factory=dict)
    entitlements: list[str] = field(default_factory=list)
    password: str = field(default="", repr=False)
    uuid: str = field(default_factory=new_id)

    def has_password_of(self, given: str) -> bool:
        """Return whether an active user signs in with this password."""
        same = secrets.compare_digest(self.password.encode(), given.encode())
        return self.is_active and bool(self.password) and same


@dataclass
class Token:
    """An API key or app password. `permissions` None: a superuser's. `expires` None: never.

    `visible`: pks of the objects that it may view without the permission to view all.
    """

    identifier: str
    user: int
    intent: str = "api"
    description: str = ""
    expires: datetime | None = None
    permissions: frozenset[str] | None = None
    visible: frozenset[str] = frozenset()
    key: str = field(default_factory=lambda: secrets.token_urlsafe(45))


@dataclass
class Application:
    """An application. A provider (by its number) has at most one."""

    name: str
    slug: str
    provider: int | None = None
    group: str = ""
    meta_launch_url: str = ""
    open_in_new_tab: bool = False
    policy_engine_mode: str = "any"
    pk: str = field(default_factory=new_id)


@dataclass
class Binding:
    """A policy binding, which grants access to an application. Exactly one of group, user and policy is set.

    It is deleted at `expires` (RFC 3339) if it is `expiring`.
    """

    target: str
    order: int
    group: str | None = None
    user: int | None = None
    policy: str | None = None
    enabled: bool = True
    negate: bool = False
    timeout: int = 30
    failure_result: bool = False
    expires: str | None = None
    expiring: bool = False
    pk: str = field(default_factory=new_id)


@dataclass
class Invitation:
    """An invitation to enrol. `flow` is the id of an enrolment flow, or None."""

    name: str
    expires: datetime
    created_by: int
    fixed_data: dict[str, Any] = field(default_factory=dict)
    single_use: bool = False
    flow: str | None = None
    pk: str = field(default_factory=new_id)


@dataclass
class RecoveryToken:
    """The token of a recovery link. A user has at most one; another request extends it."""

    key: str
    expires: datetime


@dataclass(frozen=True)
class Mail:
    """A mail that Authentik would have sent."""

    to: str
    kind: str
    link: str
