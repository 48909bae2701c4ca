"""Names of stored fields stay as they are: a field of another name would read its default in silence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId

from shared.accounts.user_repository import user_of
from shared.bulk import repository as bulk
from shared.diagnostics import repository as diagnostics
from shared.domains.documents import domain_of
from shared.events import repository as events
from shared.operations.documents import operation_of
from shared.orphans import repository as orphans
from shared.orphans import scan_repository as scans
from shared.subscriptions.repository import subscription_of
from shared.switches import repository as switches
from shared.tenants import tombstones
from shared.tenants.documents import tenant_of
from shared.webhooks import delivery_repository as deliveries
from shared.webhooks import repository as webhooks

AT = datetime(2030, 1, 31, tzinfo=UTC)
ID = {"_id": ObjectId()}
MADE = {"createdAt": AT, "updatedAt": AT}
PROBLEM = {"reason": "r", "message": "m", "remedy": "fix"}
PAUSE = {"reason": "r", "since": AT, "by": "u"}
STEP = {
    **{"name": "ocis", "phase": 1, "status": "ok", "attempts": 2, "dispatch": 3, "validFrom": 2, "dueAt": AT},
    **{"leaseUntil": AT, "startedAt": AT, "finishedAt": AT, **PROBLEM, "retryable": True, "notes": {"a": "b"}},
    **{"changes": ["c"], "heldBy": "ocis", "holds": 4},
}
ANSWER = {"version": "1.0", "seconds": 0.5}
REMOVAL = {"askedBy": "u", "askedAt": AT, "attempts": 1, **PROBLEM, "changes": ["c"], "verified": "v", "endedAt": AT}
STORED: dict[str, tuple[Callable[[dict[str, Any]], Any], dict[str, Any]]] = {
    "an operation": (
        operation_of,
        {
            **{"tenantId": "t", "tenantSlug": "s", "action": "purge", "status": "failed", "requestedBy": "u"},
            **{"requestId": "r", "generation": 2, "dispatch": 3, "phase": 1, "settled": True, "steps": [STEP]},
            **{"createdAt": AT, "deadlineAt": AT, "finishedAt": AT, "mode": "plan", "pausedAt": AT},
            **{"allowRemovals": True, "found": {"a": "b"}, "forgotten": 5, "newTenant": {"slug": "s"}},
        },
    ),
    "a tenant": (
        tenant_of,
        {
            **{"slug": "s", "name": "n", "status": "active", "plan": "p", "domains": ["d"], "partnerId": "p"},
            **{"billingInfo": {"company": "c", "vatId": "v", "email": "e", "address": {"line1": "a", "line2": "b"}}},
            **{"provisioningStatus": {"a": "ok"}, "provisioningErrors": {"a": "b"}, "authentikGroupId": "g"},
            **{"operationId": ObjectId(), "generation": 2, "version": 3, "suspendReason": "r", "purgeAfter": AT},
            **{"purgedAt": AT, "owner": {"email": "e", "name": "n", "invitations": 2}, "pause": PAUSE, **MADE},
            "drift": {"lookedAt": AT, "changes": {"ocis": ["c"]}, "notChecked": [{"step": "ocis", "lookedAt": AT}]},
            "activationId": ObjectId(),
        },
    ),
    "a domain": (
        domain_of,
        {
            **{"tenantId": "t", "tenantSlug": "s", "domain": "d", "state": "verified", "askedAt": AT, "since": AT},
            **{"verifiedAt": AT, "proofLostAt": AT, "checkedAt": AT, "fault": "f", "faults": 2, "dueAt": AT, **MADE},
            **{"requestedAt": AT, "proofRequired": True},
            "checks": [{"name": "n", "type": "TXT", "value": "v", "presence": "ok", "seen": ["x"], "lastSeen": AT}],
        },
    ),
    "a user": (
        user_of,
        {
            **{"authentikSubjectId": "s", "email": "e", "name": "n", "tenantIds": ["t"], "roles": {"t": "admin"}},
            **{"partnerId": "p", "partnerRole": "admin", "platformRole": "admin", "platformAdmin": True, "version": 2},
            **{"tokenIssuedAt": 1.0, "rightsTakenAt": 2.0, **MADE},
        },
    ),
    "a subscription": (
        subscription_of,
        {
            **{"tenantId": "t", "plan": "p", "status": "active", "stripeCustomerId": "c", "version": 2, **MADE},
            **{"stripeSubscriptionId": "s", "currentPeriodEnd": AT},
        },
    ),
    "a webhook": (
        webhooks._webhook,
        {
            **{"tenantId": "t", "partnerId": "p", "tenantSlug": "s", "url": "u", "actions": ["a"], "enabled": True},
            **{"disabledReason": "r", "disabledAt": AT, "failures": 1, "failingSince": AT, "cursor": 2, "version": 3},
            **MADE,
        },
    ),
    "a delivery": (
        deliveries._record,
        {
            **{"webhookId": "w", "eventId": ObjectId(), "action": "a", "requestId": "r", "status": "failed"},
            **{"attempts": 1, "dueAt": AT, "responseStatus": 500, "reason": "r", "createdAt": AT, "finishedAt": AT},
        },
    ),
    "an orphan": (
        orphans._orphan,
        {
            **{"integration": "ocis", "kind": "space", "objectId": "o", "name": "n", "tenantId": "t"},
            **{"cause": "tenant_purged", "status": "removing", "firstSeenAt": AT, "lastSeenAt": AT, "sightings": 2},
            **{"removableAt": AT, "removal": REMOVAL, "dueAt": AT},
        },
    ),
    "an orphan scan": (
        scans._scan,
        {"doneAt": AT, "dueAt": AT, "beganAt": AT, "stamped": 3, "orphans": 1, **PROBLEM},
    ),
    "a switch": (
        switches._switch,
        {
            **{"pause": PAUSE, "openUntil": AT, "openedAt": AT, "cause": "c", "detail": "d", "failures": 2},
            **{"failing": [{"tenantId": "t", "slug": "s", "reason": "r", "since": AT, "at": AT, "isolated": True}]},
            "resumedAt": AT,
        },
    ),
    "an event": (
        events._event,
        {
            **{"number": 1, "time": AT, "action": "a", "actor": "u", "tenant": "s", "requestId": "r"},
            **{"before": {"a": 1}, "after": {"a": 2}},
        },
    ),
    "a bulk operation's item": (
        bulk._item,
        {
            **{"bulkId": ObjectId(), "tenantId": "t", "slug": "s", "operationId": "o", "steps": ["a"]},
            **{"status": "refused", "detail": "d"},
        },
    ),
    "a diagnostics run": (
        diagnostics._diagnosis,
        {
            **{"status": "finished", "requestedBy": "u", "createdAt": AT, "finishedAt": AT},
            "checks": [{"area": "a", "name": "n", "status": "ok", "message": "m", "remedy": "fix", **ANSWER}],
        },
    ),
    "a receipt": (
        tombstones._receipt,
        {
            **{"slug": "s", "domains": ["d"], "purgedAt": AT, "usersRemoved": 1},
            "removals": [{"operation": "o", "step": "s", "status": "ok", "removed": ["x"], "verified": "v", "at": AT}],
        },
    ),
}


def unread(value: Any) -> Iterator[str]:
    """Yield the fields, of this value and of those in it, that have their default or nothing."""
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        for one in value:
            yield from unread(one)
    defaults: dict[str, Any] = {}
    if is_dataclass(value):
        defaults = {one.name: None if one.default is MISSING else one.default for one in fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        defaults = {name: value._field_defaults.get(name) for name in value._fields}
    for name, default in defaults.items():
        found = getattr(value, name)
        if found in (None, default):
            yield f"{type(value).__name__}.{name}"
        yield from unread(found)


@pytest.mark.parametrize("kind", STORED)
def test_every_field_of_a_value_is_read_from_its_document(kind: str) -> None:
    read, stored = STORED[kind]
    missing = list(unread(read(ID | stored)))
    # the action of a bulk operation's target decides only whether it becomes an item
    assert [name for name in missing if not name.startswith("Address.") and name != "Target.action"] == []
