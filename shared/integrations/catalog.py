"""The integrations: their names, the order of their steps, and the tenant's fields that hold their ids."""

from __future__ import annotations

AUTHENTIK, STALWART, OCIS, BILLING = "authentik", "stalwart", "ocis", "billing"


#: the step that gives people access and takes it back: membership of the tenant's group
ACCESS = "access"


#: integration: the tenant's fields that hold what it knows the tenant by
INTEGRATIONS: dict[str, tuple[str, ...]] = {
    AUTHENTIK: ("authentikGroupId", "ownerSubject"),
    STALWART: (
        "stalwartDomainId",
        "stalwartDomains",
        "stalwartTenantId",
        "stalwartLocked",
        "stalwartReturning",
        "stalwartOpening",
        "stalwartClosedDomains",
        "dnsRecords",
        "dnsRecordsAt",
    ),
    OCIS: ("ocisSpaceId", "ocisNewSpaceId", "ocisGroupId", "ocisMembers"),
    # what Stripe knows a tenant by is on its subscription's record
    BILLING: (),
}


#: the order in which a phase's steps are sent: who takes longest begins first, or a tenant waits for it at the end.
#: Stalwart makes keys in the background for a second or more, OCIS is asked three times in a row, Authentik once
LONGEST_FIRST = (STALWART, OCIS, BILLING, AUTHENTIK)


#: integrations of which nothing is seen, no step and no status, until they are configured
OPTIONAL = frozenset({BILLING})
