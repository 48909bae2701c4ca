"""Invariants about the platform's own records. Each yields a sentence for each violation."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from tools.chaos.checks.effects import EFFECT_INVARIANTS
from tools.chaos.checks.evidence import Evidence, Row, action_of
from tools.chaos.checks.product_invariants import PRODUCT_INVARIANTS
from worker.execution.watchdog import EXIT_CODE

Invariant = Callable[[Evidence], Iterator[str]]


def nothing_is_open(evidence: Evidence) -> Iterator[str]:
    for row in evidence.operations:
        if row["status"] == "running":
            steps = [(one["name"], one["status"], one["attempts"], one.get("reason")) for one in row["steps"]]
            yield f"{_name(row)} is still open: {steps}, due {row['dueAt']}, deadline {row['deadlineAt']}"
        elif not row["settled"]:
            yield f"{_name(row)} {row['status']} and was never settled"


def failures_have_reasons(evidence: Evidence) -> Iterator[str]:
    for row in evidence.operations:
        for step in row["steps"]:
            if step["status"] == "error" and not (step.get("reason") and step.get("message") and step.get("remedy")):
                yield f"{_name(row)}: step {step['name']} failed without reason, message and remedy"
    for tenant in evidence.tenants:
        if tenant["status"] == "pending" and not tenant["provisioningErrors"]:
            yield f"{tenant['slug']} is pending without an error"


def retried_operations_succeed(evidence: Evidence) -> Iterator[str]:
    for rows in evidence.applied.values():
        last = rows[-1]
        if last["status"] not in ("succeeded", "running"):
            errors = [
                (one["name"], one.get("reason"), one.get("message")) for one in last["steps"] if one.get("reason")
            ]
            yield f"{_name(last)} {last['status']}, requested again without any fault: {errors}"


def accepted_requests_are_on_record(evidence: Evidence) -> Iterator[str]:
    for entry in evidence.entries:
        operation = evidence.operation_of(entry)
        asked = f"{entry.kind} of {entry.slug} (request {entry.request_id})"
        if entry.answered == "accepted" and entry.operation is not None:
            if operation is None:
                yield f"{asked} was accepted as operation {entry.operation}, which does not exist"
            elif operation["action"] != action_of(entry.kind) or operation["tenantSlug"] != entry.slug:
                yield f"{asked} was answered with {_name(operation)}"
        if entry.answered == "refused" and evidence.of_request.get(entry.request_id):
            yield f"{asked} was refused ({entry.code}) and has an event all the same"


def one_request_is_carried_out_once(evidence: Evidence) -> Iterator[str]:
    for entry in evidence.entries:
        if entry.answered == "accepted" and len(evidence.of_request.get(entry.request_id, ())) > 1:
            yield f"{entry.kind} of {entry.slug} (request {entry.request_id}) was carried out more than once"


def events_and_changes_match(evidence: Evidence) -> Iterator[str]:
    begun: Counter[str] = Counter()
    ended: dict[str, list[str]] = defaultdict(list)
    for event in evidence.events:
        operation_id = _operation_of(evidence, event)
        if operation_id is None:
            continue
        if operation_id not in evidence.by_id:
            yield f"event {event['action']} names the operation {operation_id}, which does not exist"
        if event["action"].startswith("operation."):
            ended[operation_id].append(event["action"].removeprefix("operation."))
        else:
            begun[operation_id] += 1
    for operation_id, row in evidence.by_id.items():
        if begun[operation_id] != (row["mode"] == "apply"):
            yield f"{_name(row)} has {begun[operation_id]} events of its beginning"
        if row["settled"] and ended[operation_id] != [row["status"]]:
            yield f"{_name(row)} {row['status']} and has these events of its end: {ended[operation_id]}"


def _operation_of(evidence: Evidence, event: Row) -> str | None:
    """Return the operation that an event is about; the event of a tenant's creation does not name it."""
    if event["action"] == "tenant.created":
        return str(evidence.applied[event["tenantId"]][0]["_id"])
    named: str | None = (event.get("after") or {}).get("operation")
    return named


def generations_rise(evidence: Evidence) -> Iterator[str]:
    for tenant in evidence.tenants:
        rows = evidence.applied.get(str(tenant["_id"]), [])
        generations = [row["generation"] for row in rows]
        if generations != sorted(set(generations)):
            yield f"the operations of {tenant['slug']} have the generations {generations}"
        if rows and (tenant["generation"], str(tenant["operationId"])) != (generations[-1], str(rows[-1]["_id"])):
            yield f"{tenant['slug']} does not show its latest operation"
        for earlier, later in pairwise(rows):
            if earlier["finishedAt"] is None or earlier["finishedAt"] > later["createdAt"]:
                yield f"{_name(later)} began before {_name(earlier)} had ended"


def the_record_is_what_was_accepted_last(evidence: Evidence) -> Iterator[str]:
    statuses = {"active": "active", "suspended": "suspended", "deleted": "deleted", "purged": "deleted"}
    for slug, desired in evidence.desired_states.items():
        tenant = evidence.tenant_by_slug.get(slug)
        if tenant is None:
            yield f"{slug} was accepted and is not on record"
            continue
        shown = (tenant["name"], tuple(tenant["domains"]), tenant["status"], bool(tenant.get("purgedAt")))
        wanted = (desired.name, desired.domains, statuses[desired.state], desired.state == "purged")
        if shown != wanted:
            yield f"{slug} is {shown} on record; what was accepted last is {wanted}"


def the_broker_is_empty(evidence: Evidence) -> Iterator[str]:
    yield from evidence.broker


def no_bug_was_met(evidence: Evidence) -> Iterator[str]:
    yield from evidence.server_errors
    yield from evidence.bugs


def no_process_ends_by_itself(evidence: Evidence) -> Iterator[str]:
    """Yield unexpected ends of processes. A worker may end by its watchdog, and once for each malformed message."""
    allowed = evidence.malformed_messages
    for name, codes in evidence.unexpected_exits.items():
        others = [code for code in codes if not (name.startswith("worker") and code == EXIT_CODE)]
        if name.startswith("worker"):
            excused = min(allowed, others.count(1))
            allowed -= excused
            others = [code for code in others if code != 1] + [1] * (others.count(1) - excused)
        if others:
            yield f"{name} ended with {others}"


INVARIANTS: Mapping[str, Invariant] = {
    "no operation stays open, and each ended one is settled": nothing_is_open,
    "every failure has a reason, a message and a remedy": failures_have_reasons,
    "a failed operation succeeds when it is requested again": retried_operations_succeed,
    "accepted requests are on record, refused ones are not": accepted_requests_are_on_record,
    "one request is carried out once": one_request_is_carried_out_once,
    "every change has its event, every event its change": events_and_changes_match,
    "a tenant has one operation at a time, in the order of generations": generations_rise,
    "the record is what was accepted last": the_record_is_what_was_accepted_last,
    **PRODUCT_INVARIANTS,
    **EFFECT_INVARIANTS,
    "the broker holds nothing left over": the_broker_is_empty,
    "no answer is a 500, and no log has a bug": no_bug_was_met,
    "no process ends by itself": no_process_ends_by_itself,
}


def broken(evidence: Evidence) -> dict[str, list[str]]:
    """Return the violations of each broken invariant; empty when all hold."""
    found = {name: list(invariant(evidence)) for name, invariant in INVARIANTS.items()}
    return {name: sentences for name, sentences in found.items() if sentences}


def _name(row: Row) -> str:
    return f"{row['action']} {row['_id']} of {row['tenantSlug']} (generation {row['generation']})"
