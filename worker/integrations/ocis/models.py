"""A project space as the step sees it, and the parts of LibreGraph's JSON that are read for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

#: role name to the id that is the same on every server
SPACE_ROLES = {
    "viewer": "a8d5fe5e-96e3-418d-825b-534dbdf22b99",
    "editor": "58c63c02-1d89-4572-916a-870abc5a1b7d",
    "manager": "312c0871-5ef7-4b3a-85b6-0e4074c64049",
}


@dataclass(frozen=True)
class Space:
    """A project space. `quota` in bytes, 0 without limit; `used` None while the space is disabled.

    `used` leaves out the trash bin, so 0 does not prove that the space is empty. `members` maps ids of permissions
    (`u:<id>`, `g:<id>`) to a role's id. It is None when no members are shown: some servers hide them, and none shows
    them for a space without any, so None never proves that there are none.
    """

    id: str
    name: str
    description: str
    quota: int
    used: int | None
    is_disabled: bool
    members: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Account:
    """Our own account in OCIS. `roles`: ids of the roles assigned to it."""

    id: str
    roles: frozenset[str]

    @property
    def permission(self) -> str:
        """Return the id of the permission by which the account is a member of a space."""
        return f"u:{self.id}"


# -- LibreGraph's own names; a field is absent or null where there is nothing


@dataclass(frozen=True, slots=True)
class _Quota:
    total: int | None = None
    used: int | None = None


@dataclass(frozen=True, slots=True)
class _Deleted:
    state: str | None = None


@dataclass(frozen=True, slots=True)
class _Identity:
    id: str | None = None


@dataclass(frozen=True, slots=True)
class _Identities:
    user: _Identity | None = None
    group: _Identity | None = None

    def permission(self) -> str | None:
        if self.group is not None and self.group.id:
            return f"g:{self.group.id}"
        return f"u:{self.user.id}" if self.user is not None and self.user.id else None


@dataclass(frozen=True, slots=True)
class _Permission:
    """Version 1 names one or several identities in lists; the newer version has ids of permissions."""

    id: str | None = None
    roles: tuple[str, ...] | None = None
    grantedToV2: _Identities | None = None  # noqa: N815 - LibreGraph's name
    grantedToIdentities: tuple[_Identities, ...] | None = None  # noqa: N815 - LibreGraph's name

    def members(self) -> dict[str, str]:
        role = next(iter(self.roles or ()), "")
        named = [self.grantedToV2, *(self.grantedToIdentities or ())]
        ids = [self.id, *(one.permission() for one in named if one is not None)]
        return {one: SPACE_ROLES.get(role, role) for one in ids if one}


@dataclass(frozen=True, slots=True)
class _Root:
    deleted: _Deleted | None = None
    permissions: tuple[_Permission, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Drive:
    id: str
    name: str
    description: str | None = None
    quota: _Quota | None = None
    root: _Root | None = None


@dataclass(frozen=True, slots=True)
class _Drives:
    value: tuple[_Drive, ...] | None


@dataclass(frozen=True, slots=True)
class _Permissions:
    value: tuple[_Permission, ...] | None


@dataclass(frozen=True, slots=True)
class _Assignment:
    appRoleId: str | None = None  # noqa: N815 - LibreGraph's name


@dataclass(frozen=True, slots=True)
class _Me:
    id: str
    appRoleAssignments: tuple[_Assignment, ...] | None = None  # noqa: N815 - LibreGraph's name


@dataclass(frozen=True, slots=True)
class _Group:
    id: str
    displayName: str | None = None  # noqa: N815 - LibreGraph's name


DRIVE, DRIVES, PERMISSIONS = TypeAdapter(_Drive), TypeAdapter(_Drives), TypeAdapter(_Permissions)
ME, GROUP = TypeAdapter(_Me), TypeAdapter(_Group)


def space_of(drive: _Drive) -> Space:
    quota, root = drive.quota or _Quota(), drive.root or _Root()
    return Space(
        id=drive.id,
        name=drive.name,
        description=drive.description or "",
        quota=max(quota.total or 0, 0),  # unlimited is 0 or negative
        used=quota.used,
        is_disabled=root.deleted is not None and root.deleted.state == "trashed",
        members=members_of(root.permissions) or None,
    )


def members_of(permissions: tuple[_Permission, ...] | None) -> dict[str, str]:
    """Return the role's id of each permission."""
    return {id_: role for one in permissions or () for id_, role in one.members().items()}


def account_of(me: _Me) -> Account:
    held = (one.appRoleId for one in me.appRoleAssignments or ())
    return Account(me.id, frozenset(role for role in held if role))
