"""The laws about the platform's own records. Each gives a sentence for each time it is broken."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from tools.chaos.evidence import Evidence, Row, action_of
from tools.chaos.upstream_laws import UPSTREAM_LAWS
from worker.execution.watchdog import EXIT_CODE

Law = Callable[[Evidence], Iterator[str]]


def nothing_is_open(evidence: Evidence) -> Iterator[str]:
    for row in evidence.operations:
        if row["status"] == "running":
            steps = [(one["name"], one["status"], one["attempts"], one.get("reason")) for one in row["steps"]]
            yield f"{_named(row)} is still open: {steps}, due {row['dueAt']}, deadline {row['deadlineAt']}"
        elif not row["settled"]:
            yield f"{_named(row)} {row['status']} and was never settled"


def failures_have_reasons(evidence: Evidence) -> Iterator[str]:
    for row in evidence.operations:
        for step in row["steps"]:
            if step["status"] == "error" and not (step.get("reason") and step.get("message") and step.get("remedy")):
                yield f"{_named(row)}: step {step['name']} failed without reason, message and remedy"
    for tenant in evidence.tenants:
        if tenant["status"] == "pending" and not tenant["provisioningErrors"]:
            yield f"{tenant['slug']} is pending and nothing says why"


def asked_again_all_comes_right(evidence: Evidence) -> Iterator[str]:
    for rows in evidence.applied.values():
        last = rows[-1]
        if last["status"] not in ("succeeded", "running"):
            errors = [
                (one["name"], one.get("reason"), one.get("message")) for one in last["steps"] if one.get("reason")
            ]
            yield f"{_named(last)} {last['status']}, asked for again without any fault: {errors}"


def what_was_accepted_is_on_record(evidence: Evidence) -> Iterator[str]:
    for entry in evidence.entries:
        operation = evidence.operation_of(entry)
        asked = f"{entry.move} of {entry.slug} (request {entry.request_id})"
        if entry.answered == "accepted" and entry.operation is not None:
            if operation is None:
                yield f"{asked} was accepted as operation {entry.operation}, which does not exist"
            elif operation["action"] != action_of(entry.move) or operation["tenantSlug"] != entry.slug:
                yield f"{asked} was answered with {_named(operation)}"
        if entry.answered == "refused" and evidence.of_request.get(entry.request_id):
            yield f"{asked} was refused ({entry.code}) and has an event all the same"


def one_request_is_carried_out_once(evidence: Evidence) -> Iterator[str]:
    for entry in evidence.entries:
        if entry.answered == "accepted" and len(evidence.of_request.get(entry.request_id, ())) > 1:
            yield f"{entry.move} of {entry.slug} (request {entry.request_id}) was carried out more than once"


def events_and_changes_match(evidence: Evidence) -> Iterator[str]:
    begun: Counter[str] = Counter()
    ended: dict[str, list[str]] = defaultdict(list)
    for event in evidence.events:
        operation_id = _told_of(evidence, event)
        if operation_id is None:
            continue
        if operation_id not in evidence.by_id:
            yield f"event {event['action']} tells of operation {operation_id}, which does not exist"
        if event["action"].startswith("operation."):
            ended[operation_id].append(event["action"].removeprefix("operation."))
        else:
            begun[operation_id] += 1
    for operation_id, row in evidence.by_id.items():
        if begun[operation_id] != (row["mode"] == "apply"):
            yield f"{_named(row)} has {begun[operation_id]} events of its beginning"
        if row["settled"] and ended[operation_id] != [row["status"]]:
            yield f"{_named(row)} {row['status']} and has these events of its end: {ended[operation_id]}"


def _told_of(evidence: Evidence, event: Row) -> str | None:
    """The operation whose beginning or end an event tells of; a tenant's first is not named in the event."""
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
                yield f"{_named(later)} began before {_named(earlier)} had ended"


def the_record_is_the_latest_wish(evidence: Evidence) -> Iterator[str]:
    statuses = {"alive": "active", "suspended": "suspended", "deleted": "deleted", "purged": "deleted"}
    for slug, wished in evidence.wishes.items():
        tenant = evidence.tenant_by_slug.get(slug)
        if tenant is None:
            yield f"{slug} was accepted and is not on record"
            continue
        shown = (tenant["name"], tuple(tenant["domains"]), tenant["status"], bool(tenant.get("purgedAt")))
        wanted = (wished.name, wished.domains, statuses[wished.life], wished.life == "purged")
        if shown != wanted:
            yield f"{slug} is {shown} on record; what was accepted last is {wanted}"


def the_broker_is_empty(evidence: Evidence) -> Iterator[str]:
    yield from evidence.broker


def nobody_met_a_bug(evidence: Evidence) -> Iterator[str]:
    yield from evidence.shocks
    yield from evidence.bugs


def nobody_ends_by_itself(evidence: Evidence) -> Iterator[str]:
    """But for a worker whose watchdog ends it, as it must when a slot overstays."""
    for name, codes in evidence.unasked.items():
        others = [code for code in codes if not (name.startswith("worker") and code == EXIT_CODE)]
        if others:
            yield f"{name} ended with {others}"


LAWS: Mapping[str, Law] = {
    "no operation stays open, each end is settled": nothing_is_open,
    "every failure says what is wrong and what to do": failures_have_reasons,
    "what failed comes right when it is asked for again": asked_again_all_comes_right,
    "what was accepted is on record, what was refused is not": what_was_accepted_is_on_record,
    "one request is carried out once": one_request_is_carried_out_once,
    "every change has its event, every event its change": events_and_changes_match,
    "one operation at a time, in the order of generations": generations_rise,
    "the record is the latest accepted wish": the_record_is_the_latest_wish,
    **UPSTREAM_LAWS,
    "the broker holds nothing left over": the_broker_is_empty,
    "nobody met a bug": nobody_met_a_bug,
    "no process ends by itself": nobody_ends_by_itself,
}


def broken(evidence: Evidence) -> dict[str, list[str]]:
    """Law to the times it was broken; empty when all hold."""
    found = {name: list(law(evidence)) for name, law in LAWS.items()}
    return {name: sentences for name, sentences in found.items() if sentences}


def _named(row: Row) -> str:
    return f"{row['action']} {row['_id']} of {row['tenantSlug']} (generation {row['generation']})"
