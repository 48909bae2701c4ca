"""The evidence of one tenant, created and suspended: a world in which all laws hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tools.chaos.journal import Entry

ID = "6b058a725d1747cfeba27b12"
FIRST, SECOND = "6b058a725d1747cfeba27b13", "6b058a725d1747cfeba27b14"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
World = dict[str, Any]


def operation(id_: str, action: str, generation: int) -> World:
    return {
        "_id": id_,
        "tenantId": ID,
        "tenantSlug": "acme",
        "action": action,
        "mode": "apply",
        "generation": generation,
        "requestId": f"request-{generation}",
        "status": "succeeded",
        "settled": True,
        "steps": [{"name": "ocis", "status": "ok", "attempts": 1}],
        "createdAt": BEGAN + timedelta(minutes=generation),
        "finishedAt": BEGAN + timedelta(minutes=generation, seconds=30),
        "dueAt": None,
        "deadlineAt": BEGAN + timedelta(hours=1),
    }


def event(action: str, request: str, operation_id: str | None) -> World:
    return {"action": action, "tenantId": ID, "requestId": request, "after": {"operation": operation_id}}


def world() -> World:
    """One tenant, created and suspended."""
    body = {"slug": "acme", "name": "Acme", "domains": ["acme.test"]}
    tenant = {
        "_id": ID,
        "slug": "acme",
        "name": "Acme",
        "domains": ["acme.test"],
        "status": "suspended",
        "provisioningErrors": {},
        "generation": 2,
        "operationId": SECOND,
    }
    request = {"method": "PATCH", "path": "/graph/v1.0/drives/1", "status": 200, "body": ""}
    return {
        "entries": [
            Entry("acme", "create", "request-1", "accepted", 201, None, FIRST, body),
            Entry("acme", "suspend", "request-2", "accepted", 202, None, SECOND),
        ],
        "tenants": [tenant],
        "operations": [operation(FIRST, "provision", 1), operation(SECOND, "suspend", 2)],
        "events": [
            event("tenant.created", "request-1", None),
            event("operation.succeeded", "request-1", FIRST),
            event("tenant.suspend", "request-2", SECOND),
            event("operation.succeeded", "request-2", SECOND),
        ],
        "products": {
            "authentik": {"groups": [{"name": "tenant-acme", "attributes": {}, "members": []}], "users": []},
            "stalwart": {
                "Domain": [{"id": "d", "name": "acme.test", "description": ID}],
                "fates": {"acme.test": "refused"},
            },
            "ocis": {"spaces": [{"description": ID, "disabled": True, "name": "Acme", "grants": {}}], "groups": {}},
        },
        "requests": {"ocis": [request | {"request_id": "request-1"}, request | {"request_id": "request-2"}]},
    }
