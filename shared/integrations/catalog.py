"""The integrations. Settings, queues, filters, orphan scans and breakers follow from one entry each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

AUTHENTIK, STALWART, OCIS, BILLING = "authentik", "stalwart", "ocis", "billing"

#: the step that grants and revokes users' access: membership of the tenant's group
ACCESS = "access"


@dataclass(frozen=True)
class MarkedKind:
    """A kind of outside object that carries our ownership marker.

    `fields`: paths in a tenant's document that hold ids of such objects. `only`: the field with the id of the one
    object that a tenant has of this kind; None if it may have several.
    """

    name: str
    fields: tuple[str, ...]
    only: str | None = None


@dataclass(frozen=True)
class Integration:
    """One outside product.

    `address`: the setting that configures it. `credentials`: alternative sets of settings; one must be complete then.
    `fields`: the tenant's fields with its remote ids and state; `hidden`: those the API does not show. `marked`: the
    objects that orphan scans list; steps look up those of the first kind in other tenants' records. `is_optional`:
    without configuration it has no step.
    """

    address: str
    credentials: tuple[tuple[str, ...], ...]
    fields: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    marked: tuple[MarkedKind, ...] = ()
    is_optional: bool = False


INTEGRATIONS: Mapping[str, Integration] = {
    AUTHENTIK: Integration(
        address="authentik_api_url",
        credentials=(("authentik_api_token",),),
        fields=("authentikGroupId", "ownerSubject"),
        hidden=("ownerAccountId", "ownerMailed", "ownerGranted", "removedMembers"),
        marked=(MarkedKind("group", ("authentikGroupId",), only="authentikGroupId"),),
    ),
    STALWART: Integration(
        address="stalwart_api_url",
        credentials=(("stalwart_api_token",), ("stalwart_username", "stalwart_password")),
        fields=(
            "stalwartDomainId",
            "stalwartDomains",
            "stalwartTenantId",
            "stalwartLocked",
            "stalwartReturning",
            "stalwartRefused",
            "stalwartClosedDomains",
            "dnsRecords",
            "dnsRecordsAt",
        ),
        marked=(
            # a domain removed from a tenant still belongs to it, so one of a living tenant is never an orphan
            MarkedKind("mail_domain", ("stalwartDomains.id", "stalwartClosedDomains.id")),
            MarkedKind("mail_tenant", ("stalwartTenantId",), only="stalwartTenantId"),
        ),
    ),
    OCIS: Integration(
        address="ocis_api_url",
        credentials=(("ocis_token_url", "ocis_client_id", "ocis_client_secret"), ("ocis_username", "ocis_password")),
        fields=("ocisSpaceId", "ocisNewSpaceId", "ocisGroupId", "ocisMembers"),
        marked=(MarkedKind("space", ("ocisSpaceId", "ocisNewSpaceId"), only="ocisSpaceId"),),
    ),
    # Stripe's ids are on the subscription's record, and the records of former customers must be kept
    BILLING: Integration(address="stripe_api_key", credentials=(("stripe_api_key",),), is_optional=True),
}

#: integrations that have no step and no status until they are configured
OPTIONAL = frozenset(name for name, one in INTEGRATIONS.items() if one.is_optional)

#: integrations that are scanned for orphans
SCANNED = tuple(name for name, one in INTEGRATIONS.items() if one.marked)

#: the tenant's fields with remote ids and state that the API shows, of all integrations, and those that are stored
REMOTE_FIELDS = tuple(field for one in INTEGRATIONS.values() for field in one.fields)
STORED_FIELDS = (*REMOTE_FIELDS, *(field for one in INTEGRATIONS.values() for field in one.hidden))
#: former names of stored lists: both are read and written for one release, as old and new workers run together
FORMER_FIELDS = {"stalwartRefused": "stalwartOpening"}
