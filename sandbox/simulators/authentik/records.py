"""What Authentik's stand-in keeps: plain records, and its two ways of refusing to store one. No rules, no HTTP."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


class Invalid(Exception):
    """A 400: field name to messages, or to one text where the product gives no list."""

    def __init__(self, **fields: list[str] | str) -> None:
        super().__init__(str(fields))
        self.fields = fields


class ServerFault(Exception):
    """An unhandled exception inside the product: the masked 405."""


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
    pk: int
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

    @property
    def uid(self) -> str:
        """The default `sub` of this user's tokens."""
        return hashlib.sha256(f"stand-in:{self.username}".encode()).hexdigest()


@dataclass
class Token:
    """`permissions` None: all of them, as a superuser has. `expires` None: never."""

    identifier: str
    user: int
    intent: str = "api"
    description: str = ""
    expires: datetime | None = None
    permissions: frozenset[str] | None = None
    key: str = field(default_factory=lambda: secrets.token_urlsafe(45))


@dataclass
class Application:
    """`provider`: the number of the provider behind it; each has at most one application."""

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
    """Who may use an application. Exactly one of group, user and policy is set."""

    target: str
    order: int
    group: str | None = None
    user: int | None = None
    policy: str | None = None
    enabled: bool = True
    negate: bool = False
    timeout: int = 30
    failure_result: bool = False
    pk: str = field(default_factory=new_id)


@dataclass
class Invitation:
    """`flow`: the number of an enrolment flow, or None."""

    name: str
    expires: datetime
    created_by: int
    fixed_data: dict[str, Any] = field(default_factory=dict)
    single_use: bool = False
    flow: str | None = None
    pk: str = field(default_factory=new_id)


@dataclass
class RecoveryToken:
    """A user has one at most; asking again moves its end."""

    key: str
    expires: datetime


@dataclass(frozen=True)
class Mail:
    """What the product would have sent."""

    to: str
    kind: str
    link: str
