"""Describe a tenant briefly for a list, and in full to diagnose its problems."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from client import ApiError
from client.models import Operation, Step, Tenant
from platformctl.output import Column
from platformctl.session import Session
from platformctl.text import between, line, plain
from platformctl.views.zone import zone_file
from platformctl.waiting import operation_lines

DONE = ("ok", "skipped")
OPERATIONS = (
    Column("id", "id"),
    Column("action", "action"),
    Column("status", "status"),
    Column("age", "createdAt"),
    Column("took", lambda one: between(one.get("createdAt"), one.get("finishedAt"))),
    Column("by", "requestedBy"),
    Column("request", "requestId"),
)
EVENTS = (
    Column("age", "time"),
    Column("action", "action"),
    Column("by", "actor"),
    Column("request", "requestId"),
)
DOMAINS = (
    Column("domain", "domain"),
    Column("state", "state"),
    Column("proof required", "proofRequired", wide=True),
    Column("checked", "checkedAt"),
    Column("next", "nextCheckAt"),
    Column("wrong", lambda domain: ", ".join(wrong_records(domain))),
    Column("fault", "fault"),
)
#: operations shown for a tenant without problems
SHOWN_OPERATIONS = 5


def ready(tenant: Any) -> str:
    """Return the number of the tenant's steps that are done, and of all, such as `3/4`."""
    states = tenant["provisioningStatus"].values()
    return f"{sum(state in DONE for state in states)}/{len(states)}"


def problem(operation: Any) -> str:
    """Return the first open step of an operation and its reason, such as `stalwart: unavailable (3 attempts)`."""
    step = failing_step(operation)
    if step is None:
        return ""
    attempts = f" ({step['attempts']} attempts)" if step["status"] == "pending" and step["attempts"] else ""
    return f"{step['name']}: {step.get('reason') or step['status']}{attempts}"


def reason(tenant: Any) -> str:
    """Return the tenant's problem: the first open step and its reason."""
    if found := problem(tenant.get("operation")):
        return found
    failed = [name for name, state in tenant["provisioningStatus"].items() if state == "error"]
    if failed:
        return f"{failed[0]}: error"
    if tenant.get("pause"):
        return "paused"
    return "drift" if (tenant.get("drift") or {}).get("changes") else ""


def purge(tenant: Any) -> str | None:
    """Return when a deleted tenant is purged, or that it was."""
    return "done" if tenant.get("purgedAt") else tenant.get("purgeAfter")


def problem_since(tenant: Any) -> str | None:
    """Return the start of the operation with the failing step."""
    operation: Operation | None = tenant.get("operation")
    return operation["createdAt"] if operation is not None and failing_step(operation) is not None else None


def failing_step(operation: Operation | None) -> Step | None:
    """Return the first failed step, else the first open step with a reason."""
    steps = operation["steps"] if operation is not None else []
    for step in steps:
        if step["status"] == "error":
            return step
    return next((step for step in steps if step["status"] not in DONE and step.get("reason")), None)


def wrong_records(domain: Any) -> list[str]:
    """Return the essential records that are missing or different in DNS, such as `MX missing`."""
    return [
        f"{record['type']} {record['presence']}"
        for record in domain["records"]
        if record["essential"] and record.get("presence", "ok") != "ok"
    ]


def describe_tenant(session: Session, slug: str, events: int, dns: bool) -> None:
    """Print all records of a tenant; for programs as one document."""
    platform, out = session.platform, session.out
    tenant = platform.tenants.get(slug).data
    domains = platform.domains.list(slug) if tenant["domains"] else []
    operations = list(platform.tenants.operations(slug, SHOWN_OPERATIONS))
    log = list(platform.events.list(events, tenant=slug)) if events else []
    if out.is_data:
        out.data({"tenant": tenant, "domains": domains, "operations": operations, "events": log})
        return
    out.fields(_summary(tenant))
    if operations:
        _section("Latest operation")
        _print(operation_lines(operations[0]))
        _facts(session, operations[0])
        _section("Operations")
        out.table(operations, OPERATIONS)
    if domains:
        _section("Domains")
        out.table(domains, DOMAINS)
    if dns:
        _section("DNS records")
        _print(text for domain in domains for text in zone_file(domain))
    if log:
        _section("Events")
        out.table(log, EVENTS)


def _summary(tenant: Tenant) -> dict[str, Any]:
    """Return the most important fields for operators, without absent ones."""
    pause = tenant.get("pause")
    found = {
        "slug": tenant["slug"],
        "name": tenant["name"],
        "status": tenant["status"],
        "health": tenant["health"],
        "ready": ready(tenant),
        "reason": reason(tenant) or None,
        "suspended because": tenant.get("suspendReason"),
        "paused because": f"{pause['reason']}, since {line('since', pause['since'])}" if pause else None,
        **_drift(tenant),
        "plan": tenant["plan"],
        "domains": tenant["domains"],
        "partnerId": tenant.get("partnerId"),
        "owner": tenant["owner"]["email"] if "owner" in tenant else None,
        "created": tenant["createdAt"],
        "changed": tenant["updatedAt"],
        "purge after": tenant.get("purgeAfter"),
        "purged": tenant.get("purgedAt"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _drift(tenant: Tenant) -> dict[str, Any]:
    drift = tenant.get("drift")
    if drift is None:
        return {}
    changes = [f"{step}: {text}" for step, texts in drift["changes"].items() for text in texts]
    # an API of the release before has no such field
    left_out = [
        f"{one['step']}, last checked {line('at', one['lookedAt']) if 'lookedAt' in one else 'before the last change'}"
        for one in drift.get("notChecked", [])
    ]
    return {"drift": changes or None, "drift not checked": left_out or None}


def _facts(session: Session, operation: Operation) -> None:
    """Print an operation's author, time and duration."""
    try:
        by = session.names.user(operation["requestedBy"]) if "requestedBy" in operation else "the platform"
    except ApiError:
        by = operation["requestedBy"]
    took = between(operation.get("createdAt"), operation.get("finishedAt"))
    until = f"took {took}" if took else f"until {line('deadline', operation['deadlineAt'])} at the latest"
    click.echo(f"  requested by {plain(by)}, {until}, request id {plain(operation['requestId'])}")


def _section(title: str) -> None:
    click.echo(f"\n{click.style(title, bold=True)}")


def _print(lines: Iterable[str]) -> None:
    for text in lines:
        click.echo(text)
