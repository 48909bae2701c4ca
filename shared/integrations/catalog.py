"""The integrations: names, order of publishing, and the tenant's fields with their remote ids."""

from __future__ import annotations

AUTHENTIK, STALWART, OCIS, BILLING = "authentik", "stalwart", "ocis", "billing"

#: the step that grants and revokes users' access: membership of the tenant's group
ACCESS = "access"

#: integration to the tenant's fields with the remote ids and state of that integration
INTEGRATIONS: dict[str, tuple[str, ...]] = {
    AUTHENTIK: ("authentikGroupId", "ownerSubject"),
    STALWART: (
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
    OCIS: ("ocisSpaceId", "ocisNewSpaceId", "ocisGroupId", "ocisMembers"),
    # Stripe's ids are on the subscription's record
    BILLING: (),
}

#: order in which a stage's steps are published: the slowest starts first, because the stage ends with it.
#: Stalwart creates keys in the background for a second or more, OCIS needs three calls in a row, Authentik one
SLOWEST_FIRST = (STALWART, OCIS, BILLING, AUTHENTIK)

#: integrations that have no step and no status until they are configured
OPTIONAL = frozenset({BILLING})
