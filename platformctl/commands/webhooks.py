"""`platformctl webhooks`: manage webhooks and their deliveries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from client import Response
from platformctl.cli.fields import OF_TENANT, PARTNER_FIELD, TENANT_FIELD
from platformctl.cli.options import given, listed, paged, repeatable
from platformctl.cli.records import AGE, ID, Field, Kind, record_group
from platformctl.cli.types import DELIVERY, WEBHOOK
from platformctl.failures import ExitCode
from platformctl.output import Column, say
from platformctl.session import Session, with_session

EXAMPLE = "6b058a725d1747cfeba27b12"
DELIVERIES = (
    Column("id", "id"),
    Column("action", "action"),
    Column("status", "status"),
    Column("attempts", "attempts"),
    Column("http", "responseStatus"),
    AGE,
    Column("next", "dueAt"),
    Column("message", "message", wide=True),
)
#: the longest that the API may wait for the outcome of a ping
MAX_WAIT = 20.0
ENDS = {"delivered": ExitCode.OK, "failed": ExitCode.OPERATION_FAILED, "pending": ExitCode.STILL_RUNNING}
_ACTIONS = "Event action, such as operation.failed, tenant.* or *; may be repeated."


def _show_secret(session: Session, response: Response[Any]) -> None:
    """Print a webhook with its secret; the response to a repeated request has none."""
    session.out.response(response)
    if "secret" in response.data:
        if session.out.format == "name":
            say(f"The secret: {response.data['secret']}")
        say("Keep the secret now: it is not shown again.")
    else:
        again = f"platformctl webhooks rotate-secret {response.data['_id']}"
        say(f"The secret was shown with the first response to this request. If that was lost: {again}")


webhooks = record_group(
    Kind(
        plural="webhooks",
        noun="webhook",
        title="Manage webhooks and their deliveries.",
        resource=lambda platform: platform.webhooks,
        columns=(
            ID,
            Column("url", "url"),
            Column("enabled", "enabled"),
            Column("failures", "failures"),
            AGE,
            Column("actions", "actions", wide=True),
            Column("tenant", "tenantId", wide=True),
            Column("partner", "partnerId", wide=True),
            Column("disabled", "disabledReason", wide=True),
        ),
        argument=WEBHOOK,
        find=lambda _, webhook: webhook,
        fields=(
            Field("url", "--url", "Where to send them.", creates=False),
            Field("actions", "--action", f"{_ACTIONS} Default: all. An update replaces them.", multiple=True),
            replace(TENANT_FIELD, help="Only events of this tenant."),
            replace(PARTNER_FIELD, updates=False, help="Only events of this partner's tenants."),
            Field("enabled", "--enable/--disable", "Enabled again, it goes on where it stopped."),
        ),
        key=("url", "URL", click.STRING),
        filters=(OF_TENANT,),
        created=_show_secret,
        help={
            "create": "Have events sent to a URL. The secret that signs them is shown this once.",
            "update": "Change a webhook, or switch it on or off.\n\nFields that are not given stay.",
            "delete": "Remove a webhook and the record of its deliveries.",
        },
        examples={
            "list": ["webhooks list", "webhooks list --all -o json | jq -r '.[] | select(.enabled | not) | ._id'"],
            "show": [f"webhooks show {EXAMPLE}"],
            "create": [
                "webhooks create https://hooks.example.com/platform --action operation.failed --action 'tenant.*'",
                "webhooks create https://hooks.acme.example/ --tenant acme -o json | jq -r .secret > secret",
            ],
            "update": [
                f"webhooks update {EXAMPLE} --enable",
                f"webhooks update {EXAMPLE} --action '*' --if-match 3",
            ],
            "delete": [f"webhooks delete {EXAMPLE} --yes"],
        },
    )
)


@webhooks.command()
@click.argument("webhook", type=WEBHOOK)
@click.option(
    "--timeout",
    type=click.FloatRange(0, MAX_WAIT),
    default=MAX_WAIT,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long at most; exit code 6 if it is not sent by then.",
)
@repeatable
@with_session
def test(session: Session, /, webhook: str, timeout: float, key: str) -> None:
    """Send a ping once, and wait for its outcome. Exit code 1 when it did not get through.

    \b
    Examples:
      platformctl webhooks test 6b058a725d1747cfeba27b12
    """
    sent = session.platform.webhooks.test(webhook, wait=timeout, key=key).data
    session.out.record(sent)
    click.get_current_context().exit(ENDS.get(sent["status"], ExitCode.STILL_RUNNING))


@webhooks.command()
@click.argument("webhook", type=WEBHOOK)
@click.option("--status", type=click.Choice(list(ENDS)))
@paged
@with_session
def deliveries(session: Session, /, webhook: str, status: str | None, limit: int | None) -> None:
    """List deliveries, newest first.

    \b
    Examples:
      platformctl webhooks deliveries 6b058a725d1747cfeba27b12 --status failed
    """
    found = session.platform.webhooks.deliveries(webhook, limit, **given({"status": status}))
    session.out.records(listed(found, limit), DELIVERIES)


@webhooks.command()
@click.argument("webhook", type=WEBHOOK)
@click.argument("delivery", type=DELIVERY)
@repeatable
@with_session
def replay(session: Session, /, webhook: str, delivery: str, key: str) -> None:
    """Send an event again, now, under its own id.

    \b
    Examples:
      platformctl webhooks replay 6b058a725d1747cfeba27b12 6b07702fc5f2455994dd194a
    """
    session.out.record(session.platform.webhooks.replay(webhook, delivery, key=key).data)


@webhooks.command("rotate-secret")
@click.argument("webhook", type=WEBHOOK)
@click.option(
    "--grace",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="So long the old secret signs beside the new one; 0 when it has leaked. Default: a day.",
)
@repeatable
@with_session
def rotate_secret(session: Session, /, webhook: str, grace: int | None, key: str) -> None:
    """Replace a webhook's secret. The new one is shown only once.

    \b
    Examples:
      platformctl webhooks rotate-secret 6b058a725d1747cfeba27b12
      platformctl webhooks rotate-secret 6b058a725d1747cfeba27b12 --grace 0 -o json | jq -r .secret
    """
    _show_secret(session, session.platform.webhooks.rotate_secret(webhook, grace=grace, key=key))
