"""The page of all settings, and .env.example."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from console.settings import ConsoleSettings
from shared.config.integrations import DEFAULT_PLANS
from shared.config.settings import Settings
from shared.config.sources import FORMER_NAMES
from tools.reference import MARK

#: heading to the prefixes of its settings; the first match counts
GROUPS = {
    "Databases": ("mongodb_", "redis_"),
    "Secrets and trust": ("stamp_keys", "extra_ca_certs"),
    "Access tokens": ("oidc_",),
    "Authentik": ("authentik_",),
    "Stalwart": ("stalwart_", "suspended_mail"),
    "OCIS and OpenCloud": ("ocis_",),
    "Stripe": ("stripe_",),
    "Tenants and plans": ("default_tenant", "plans", "delete_grace", "backfill"),
    "Domains": ("domain_", "dns_"),
    "API": ("request_threads", "caller_", "address_", "trusted_", "cors_"),
    "Webhooks": ("webhook_",),
    "Attempts, retries and leases": (
        *("operation_deadline", "plan_deadline", "step_max", "attempt_", "call_", "lease_", "retry_"),
        *("breaker_", "integration_concurrency"),
    ),
    "Scheduler": ("scheduler_", "dispatch_", "drift_", "orphan_", "bulk_"),
    "Safety": ("removals_", "purges_", "observe_"),
    "Retention": ("event_keep", "operation_keep", "dry_run_keep"),
    "Logs and metrics": ("log_", "metrics_"),
}
#: read by Flower and by none of our classes
FLOWER = ("FLOWER_BASIC_AUTH", "login of Flower, user:password")
CONFIGURATION = f"""\
# Configuration

{MARK}

Settings are environment variables, read once at start. An empty one counts as not set. A missing or malformed
one ends the start with a sentence that names it. A former name works for one more release, with a warning. For
each variable, `<NAME>_FILE` may name a file that holds the value instead. API, workers and schedulers get the same
settings, except that the API needs no credentials of a
product."""


def grouped() -> dict[str, list[str]]:
    """Return the names of the settings by heading. Raises LookupError for one that fits nowhere."""
    found: dict[str, list[str]] = {heading: [] for heading in GROUPS}
    for name in Settings.model_fields:
        heading = next((one for one, starts in GROUPS.items() if name.startswith(starts)), None)
        if heading is None:
            raise LookupError(f"{name.upper()} fits into no group of {__name__}")
        found[heading].append(name)
    return found


def default(field: FieldInfo) -> str:
    """Return the default as it would be written in the environment; empty when there is none."""
    value = field.get_default()
    if field.is_required() or value is None or value in ((), {}):
        return ""
    if value == DEFAULT_PLANS:
        return ",".join(DEFAULT_PLANS)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    return str(value.value if isinstance(value, Enum) else value).rstrip("/")


def is_secret(field: FieldInfo) -> bool:
    return SecretStr.__name__ in str(field.annotation)


def allowed(field: FieldInfo) -> str:
    """Return the bounds of a number or the values of a choice."""
    bounds = {
        name: getattr(one, name) for one in field.metadata for name in ("gt", "ge", "lt", "le") if hasattr(one, name)
    }
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    limits = ", ".join(f"{signs[name]} {value:g}" for name, value in bounds.items())
    choices: tuple[Any, ...] = getattr(field.annotation, "__args__", ())
    if str(field.annotation).startswith("typing.Literal"):
        return ", ".join(f"`{choice}`" for choice in choices)
    return limits


def setting_rows(names: dict[str, FieldInfo]) -> Iterator[str]:
    yield "| variable | meaning | default | allowed |"
    yield "|---|---|---|---|"
    for name, field in names.items():
        shown = "required" if field.is_required() else f"`{default(field)}`" if default(field) else "–"
        kind = " (secret)" if is_secret(field) else ""
        former = f"; formerly `{FORMER_NAMES[name].upper()}`" if name in FORMER_NAMES else ""
        yield f"| `{name.upper()}` | {field.description}{kind}{former} | {shown} | {allowed(field)} |"


def configuration() -> str:
    """Return the page of all settings."""
    lines = [CONFIGURATION]
    for heading, names in grouped().items():
        lines += ["", f"## {heading}", "", *setting_rows({name: Settings.model_fields[name] for name in names})]
    console = {f"console_{name}": field for name, field in ConsoleSettings.model_fields.items()}
    lines += [
        "",
        "## Console",
        "",
        "Read by the console alone, which reads none of the others.",
        "",
        *setting_rows(console),
    ]
    lines += ["", "## Flower", "", "| variable | meaning |", "|---|---|", f"| `{FLOWER[0]}` | {FLOWER[1]} (secret) |"]
    return "\n".join(lines) + "\n"


def environment() -> str:
    """Return .env.example."""
    lines = [
        "# Every setting, with its default where it has one: docs/reference/configuration.md. Copy what you change."
    ]
    for heading, names in grouped().items():
        lines += ["", f"## {heading}"]
        for name in names:
            lines += _variable(name, Settings.model_fields[name])
    lines += ["", "## Console, a process of its own"]
    for name, field in ConsoleSettings.model_fields.items():
        lines += _variable(f"console_{name}", field)
    lines += ["", "## Flower", f"# {FLOWER[1]}", f"# {FLOWER[0]}="]
    return "\n".join(lines) + "\n"


def _variable(name: str, field: FieldInfo) -> Iterator[str]:
    # neither a secret's value nor the catalogue of plans belongs here
    shown = "" if is_secret(field) or name == "plans" else default(field)
    yield f"# {field.description}{'; required' if field.is_required() else ''}"
    yield f"# {name.upper()}={shown}"
