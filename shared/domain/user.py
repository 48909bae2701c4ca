"""A person's record: what the database, not the token, says they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What somebody is within their own tenants or partner."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


@dataclass(frozen=True)
class User:
    """`subject` is the `sub` of their Authentik tokens; `tenant_ids` the tenants whose groups they are in."""

    id: str
    subject: str
    tenant_ids: tuple[str, ...]
    partner_id: str | None
    email: str
    name: str
    role: Role
    platform_admin: bool
    created_at: datetime
    updated_at: datetime
