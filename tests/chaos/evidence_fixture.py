"""Build the evidence of one tenant that was created and suspended, in which all invariants hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tools.chaos.checks.observations import LAGGING, MEMBER, STRANGER, Effects
from tools.chaos.load.request_log import LoggedRequest

ID = "6b058a725d1747cfeba27b12"
FIRST, SECOND = "6b058a725d1747cfeba27b13", "6b058a725d1747cfeba27b14"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
Given = dict[str, Any]


def operation(id_: str, action: str, generation: int) -> Given:
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


def event(action: str, request: str, operation_id: str | None) -> Given:
    return {"action": action, "tenantId": ID, "requestId": request, "after": {"operation": operation_id}}


def change_effects(made: Given, **changes: Any) -> None:
    made["effects"] = replace(made["effects"], **changes)


def given() -> Given:
    """Return the keyword arguments of Evidence."""
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
            LoggedRequest("acme", "create", "request-1", "accepted", 201, None, FIRST, body),
            LoggedRequest("acme", "suspend", "request-2", "accepted", 202, None, SECOND),
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
            },
            "ocis": {"spaces": [{"description": ID, "name": "Acme", "disabled": True}], "groups": {}},
        },
        "members": {"acme"},
        "effects": Effects(
            mail=dict.fromkeys(("postmaster@acme.test", "member@acme.test", "postmaster@acme-b.test"), "refused"),
            mailboxes={"member@acme.test": False},
            groups={"acme": ()},
            opened={"acme": {STRANGER: False, MEMBER: False}},
            files={"acme": {STRANGER: False, MEMBER: False, LAGGING: False}},
        ),
        "requests": {"ocis": [request | {"request_id": "request-1"}, request | {"request_id": "request-2"}]},
    }
