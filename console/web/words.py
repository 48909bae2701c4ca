"""Format times, sizes and states for templates."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from markupsafe import Markup

from client.connection import new_key

#: limit, unit and format of a duration in seconds; the first row whose limit is not reached applies
STEPS = ((60, 1, "s"), (3600, 60, "min"), (48 * 3600, 3600, "h"), (60 * 86400, 86400, "d"))
CODE, TIME = re.compile(r"[a-z]+(_[a-z]+)+"), re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")

#: colour and icon of states
STYLES = {
    ("ok", "check"): "active ok succeeded verified delivered closed up trialing done finished",
    ("busy", "clock"): "pending waiting",
    ("busy", "arrow"): "running removing",
    ("warn", "alert"): "warning degraded degraded_domain drifted different",
    ("warn", "clock"): "overdue quarantined unverified past_due stuck_purge",
    ("warn", "pause"): "deferred paused suspended",
    ("warn", "repeat"): "retrying half_open",
    ("bad", "cross"): "error failed missing down refused failing_webhook",
    ("bad", "alert"): "open removable",
    ("quiet", "check"): "removed",
}
DEFAULT_STYLE = ("quiet", "dash")
STYLE_OF = {name: style for style, names in STYLES.items() for name in names.split()}
#: labels of states that differ from their names
WORDS = {
    "ok": "Done",
    "done": "Begun",
    "error": "Failed",
    "trialing": "Trial",
    "half_open": "Probing",
    "quarantined": "In quarantine",
    "unverified": "Not verified",
}
#: integrations that have a step, as the API names them
STEP_NAMES = ("authentik", "stalwart", "ocis", "billing")
#: states of steps that are done, of those that wait for another attempt, and of those that need attention
DONE, WAITING = ("ok", "skipped"), ("retrying", "deferred", "paused")
FAILING = ("error", *WAITING)
#: reasons of steps that wait for an operator
PAUSE_REASONS = ("paused", "observe_only")
#: labels of integrations, steps and areas of diagnostics
INTEGRATIONS = {
    "authentik": "Authentik",
    "stalwart": "Stalwart",
    "ocis": "OCIS",
    "stripe": "Stripe",
    "billing": "Billing",
    "access": "Access",
    "dns": "DNS",
    "all": "Everything",
}


def add_words(app: Flask) -> None:
    """Register the filters and globals of templates."""
    app.jinja_env.filters.update(
        age=age,
        bytes=size,
        product=product,
        plain=plain,
        took=took,
        note=note,
        event_words=event_words,
        pairs=pairs,
        plan_words=plan_words,
        differences=differences,
        step_state=step_state,
        steps_of=steps_of,
        failing_first=failing_first,
        operation_state=operation_state,
        tenant_state=tenant_state,
        progress_words=progress_words,
        is_past=is_past,
    )
    app.jinja_env.globals.update(state_of=state_of, new_key=new_key, step_names=STEP_NAMES)


def parsed(time: str) -> datetime:
    return datetime.fromisoformat(time)


def moment(time: str | None) -> str:
    """Format a time to the second."""
    return parsed(time).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if time else ""


def age(time: str | None) -> Markup:
    """Format a time as an age, with the exact time as tooltip."""
    if not time:
        return Markup("–")
    seconds = (datetime.now(UTC) - parsed(time)).total_seconds()
    text = distance(abs(seconds))
    worded = "now" if abs(seconds) < 1 else f"{text} ago" if seconds > 0 else f"in {text}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(time, moment(time), worded)


def distance(seconds: float) -> str:
    """Format a duration in one unit."""
    for limit, unit, name in STEPS:
        if seconds < limit:
            return f"{math.floor(seconds / unit)} {name}"
    return f"{math.floor(seconds / (30.44 * 86400))} months"


def size(count: int | None) -> str:
    """Format a number of bytes; 0 is without limit."""
    if not count:
        return "unlimited"
    power = min(int(math.log(count, 1024)), len(UNITS) - 1)
    return f"{count / 1024**power:.4g} {UNITS[power]}"


def product(name: str) -> str:
    return INTEGRATIONS.get(name, name.replace("_", " ").capitalize())


def plain(code: str | None) -> str:
    """Return a code as words."""
    return (code or "").replace("_", " ").replace(".", " ").strip().capitalize()


def note(value: Any) -> Any:
    """Format a step's note: a time as age, a code in words, a sentence as it is."""
    text = str(value)
    if TIME.fullmatch(text):
        return age(text)
    return text.replace("_", " ") if CODE.fullmatch(text) else text


def event_words(actions: Iterable[str]) -> str:
    """List the events that a webhook receives."""
    return ", ".join("all" if action == "*" else action for action in actions)


def state_of(name: str) -> tuple[str, str, str]:
    """Return colour, icon and word of a state."""
    return *STYLE_OF.get(name, DEFAULT_STYLE), WORDS.get(name) or plain(name)


def step_state(step: Mapping[str, Any]) -> str:
    """Return the state of a step: one that waits for its next attempt is retrying, deferred or paused."""
    if step["status"] == "pending" and step.get("reason") in PAUSE_REASONS:
        return "paused"
    if step.get("nextAttemptAt"):
        return "retrying" if step["attempts"] else "deferred"
    return str(step["status"])


def failing_first(steps: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Order steps for a page: those that failed, those that wait for another attempt, then the others."""
    return sorted(steps, key=lambda step: (step_state(step) != "error", step_state(step) not in FAILING))


def operation_state(operation: Mapping[str, Any]) -> str:
    """Return the state of an operation: a running one may only wait, because of a step that does."""
    states = {step_state(step) for step in operation.get("steps", ())}
    waiting = next((state for state in WAITING if state in states), None)
    return waiting if waiting and operation["status"] == "running" else str(operation["status"])


def tenant_state(tenant: Mapping[str, Any]) -> str:
    """Return the state of a tenant; what is wrong comes before its status."""
    latest = tenant.get("operation")
    if tenant.get("purgedAt"):
        return "purged"
    if tenant["status"] == "active" and tenant.get("health") == "degraded":
        return "degraded"
    if tenant["status"] == "pending" and latest and operation_state(latest) in ("failed", *WAITING):
        return operation_state(latest)
    return str(tenant["status"])


def progress_words(operation: Mapping[str, Any]) -> str:
    """Describe in one sentence what an operation does, how far it is, and how many of its steps fail."""
    steps, states = operation["steps"], [step_state(step) for step in operation["steps"]]
    dry_run = " (dry run)" if operation["mode"] == "plan" else ""
    ended = "" if operation["status"] == "running" else f" {operation['status']}"
    done = sum(state in DONE for state in states)
    failing = [f", {states.count(one)} {state_of(one)[2].lower()}" for one in FAILING if one in states]
    return f"{plain(operation['action'])}{dry_run}{ended}: {done} of {len(steps)} steps done{''.join(failing)}."


def is_past(time: str) -> bool:
    return parsed(time) <= datetime.now(UTC)


def steps_of(tenant: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """List a tenant's steps: name, state, and the message of a failure."""
    latest = (tenant.get("operation") or {}).get("steps", ())
    waiting = {step["name"]: step for step in latest if step_state(step) in WAITING}
    for name, status in tenant["provisioningStatus"].items():
        step = waiting.get(name, {"status": status, "message": tenant["provisioningErrors"].get(name)})
        yield name, step_state(step), step.get("message") or ""


def took(operation: Mapping[str, Any]) -> str:
    """Format how long an operation took, or has taken so far."""
    end = parsed(operation["finishedAt"]) if operation.get("finishedAt") else datetime.now(UTC)
    seconds = (end - parsed(operation["createdAt"])).total_seconds()
    return f"{seconds:.1f} s" if seconds < 10 else distance(seconds)


def pairs(records: Iterable[Mapping[str, Any]], value: str, word: str) -> list[tuple[str, str]]:
    """Return records as options of a select."""
    return [(record[value], record[word]) for record in records]


def plan_words(plans: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return plans as options that name their quotas."""
    return [
        (
            plan["name"],
            f"{plan['name']}: {plan['mailboxes'] or 'unlimited'} mailboxes, {size(plan['mailBytes'])} of mail, "
            f"{size(plan['spaceBytes'])} of files",
        )
        for plan in plans
    ]


def differences(event: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """List the changes of an event: field, before, after."""
    before, after = event.get("before") or {}, event.get("after") or {}
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield name, before.get(name), after.get(name)
