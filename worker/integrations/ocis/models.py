"""A project space in our words, and what is read of LibreGraph's drive for it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import TypeAdapter


@dataclass(frozen=True)
class Space:
    """A project space. `quota` in bytes, 0 without limit; `used` None while the space is disabled.

    `has_members`: some are shown with it; that none are says nothing, for some servers leave them out.
    """

    id: str
    name: str
    description: str
    quota: int
    used: int | None
    is_disabled: bool
    has_members: bool = False


# -- what is read of a drive: LibreGraph's names; absent or null where there is nothing


@dataclass(frozen=True, slots=True)
class _Quota:
    total: int | None = None
    used: int | None = None


@dataclass(frozen=True, slots=True)
class _Deleted:
    state: str | None = None


@dataclass(frozen=True, slots=True)
class _Permission:
    """That there is one is all that is asked."""


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


DRIVE, DRIVES = TypeAdapter(_Drive), TypeAdapter(_Drives)


def space_of(drive: _Drive) -> Space:
    quota, root = drive.quota or _Quota(), drive.root or _Root()
    return Space(
        id=drive.id,
        name=drive.name,
        description=drive.description or "",
        quota=quota.total or 0,
        used=quota.used,
        is_disabled=root.deleted is not None and root.deleted.state == "trashed",
        has_members=bool(root.permissions),
    )
