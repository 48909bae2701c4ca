"""The page of the reasons of failures."""

from __future__ import annotations

from shared.integrations.reasons import DELIVERY_REASONS, ORPHAN_CAUSES, REASONS, Reason
from tools.reference import MARK

HEAD = f"""\
# Error reasons

{MARK}

A step, a delivery or an orphan that did not go as it should carries a `reason`, stable and for programs. Steps add
a `message` and a `remedy` for people; instead of *repeat the action*, it names the request that repeats the operation's
own action. *Retried*: the step runs again by itself. [Operate the platform](../how-to/operate.md#reasons-of-steps) has
commands for each; the codes of HTTP responses are in [the HTTP API](api.md#errors).

## Steps

| reason | retried | message | remedy |
|---|---|---|---|"""


def page() -> str:
    """Return the page."""
    lines = [
        HEAD,
        *(
            f"| `{n}` | {'yes' if one.retryable else 'no'} | {one.message} | {_remedy(one)} |"
            for n, one in REASONS.items()
        ),
        *("", "## Deliveries to webhooks", "", "| reason | message |", "|---|---|"),
        *(f"| `{name}` | {message} |" for name, message in DELIVERY_REASONS.items()),
        *("", "## Orphans", "", "| cause | message |", "|---|---|"),
        *(f"| `{name}` | {message} |" for name, message in ORPHAN_CAUSES.items()),
    ]
    return "\n".join(lines) + "\n"


def _remedy(reason: Reason) -> str:
    return f"{reason.remedy_while_open}{' Then repeat the action.' if reason.repeats else ''}"
