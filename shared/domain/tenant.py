"""A tenant, its parts and its status, as read from the record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


@dataclass(frozen=True)
class Address:
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    line1: str = ""
    line2: str = ""
    city: str = ""
    postal_code: str = ""
    country: str = ""


@dataclass(frozen=True)
class BillingInfo:
    company: str = ""
    vat_id: str = ""
    email: str = ""
    address: Address = field(default_factory=Address)


@dataclass(frozen=True)
class NewTenant:
    """What a caller asks for; already checked for form, not yet for whether it is free."""

    slug: str
    name: str
    plan: str
    domains: tuple[str, ...] = ()
    billing_info: BillingInfo | None = None
    partner_id: str | None = None


@dataclass(frozen=True)
class Tenant:
    """A customer organisation.

    `remote`: what each integration knows the tenant by, under the record's field names (`authentikGroupId` ...).
    `generation` is raised by each accepted change; `version` by every write.
    """

    id: str
    slug: str
    name: str
    status: Status
    plan: str
    domains: tuple[str, ...]
    billing_info: BillingInfo | None
    partner_id: str | None
    provisioning_status: Mapping[str, str]
    provisioning_errors: Mapping[str, str]
    remote: Mapping[str, Any]
    operation_id: str | None
    generation: int
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def group_name(self) -> str:
        """The name of its group in Authentik, which is also the name that tokens carry."""
        return f"tenant-{self.slug}"

    @property
    def is_degraded(self) -> bool:
        return "error" in self.provisioning_status.values()
