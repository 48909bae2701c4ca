"""`platformctl webhooks`: where events are sent."""

from __future__ import annotations

from typing import Any

import click

from platformctl.api import Answer
from platformctl.commands.deliveries import DELIVERIES
from platformctl.commands.groups import Group
from platformctl.commands.options import (
    Word,
    changes,
    conditional,
    confirmed,
    given,
    limit_of,
    list_records,
    paged,
    repeatable,
    require_yes,
    tenant_id,
)
from platformctl.output import say
from platformctl.session import Session, with_session

COLUMNS = (
    ("id", "_id"),
    ("url", "url"),
    ("actions", "actions"),
    ("enabled", "enabled"),
    ("why not", "disabledReason"),
    ("failures", "failures"),
    ("tenant", "tenantId"),
    ("partner", "partnerId"),
)
_ACTIONS = "Event action, such as operation.failed, tenant.* or *; may be repeated."


@click.group(cls=Group)
def webhooks() -> None:
    """Where events are sent, and what became of them."""


@webhooks.command("list")
@click.option("--tenant", metavar="SLUG", help="Of this tenant.")
@paged
@with_session
def list_webhooks(session: Session, /, tenant: str | None, limit: int, everything: bool) -> None:
    """List webhooks, newest first.

    \b
    Examples:
      platformctl webhooks list
      platformctl webhooks list --all -o json | jq -r '.[] | select(.enabled | not) | ._id'
    """
    session.out.records(list_records(session, "/webhooks", given(tenant=tenant), limit_of(limit, everything)), COLUMNS)


@webhooks.command()
@click.argument("webhook", type=Word())
@with_session
def show(session: Session, /, webhook: str) -> None:
    """Show one webhook, by id.

    \b
    Examples:
      platformctl webhooks show 6b058a725d1747cfeba27b12
    """
    session.out.answer(session.api.get(f"/webhooks/{webhook}"))


@webhooks.command()
@click.argument("url")
@click.option("--action", "actions", multiple=True, help=f"{_ACTIONS} Without it: all.")
@click.option("--tenant", type=Word(), metavar="SLUG", help="Told of this tenant only.")
@click.option("--partner", metavar="ID", help="The partner's: told of its tenants.")
@click.option("--disabled", is_flag=True, help="Send nothing yet.")
@repeatable
@with_session
def create(session: Session, /, url: str, key: str, disabled: bool, **options: Any) -> None:
    """Have events sent to a URL. The secret that signs them is shown this once.

    \b
    Examples:
      platformctl webhooks create https://hooks.example.com/platform --action operation.failed --action 'tenant.*'
      platformctl webhooks create https://hooks.acme.example/ --tenant acme -o json | jq -r .secret > secret
    """
    tenant = tenant_id(session, options["tenant"]) if options["tenant"] else None
    body = given(url=url, actions=options["actions"], tenantId=tenant, partnerId=options["partner"])
    _show_secret(session, session.api.post("/webhooks", body | ({"enabled": False} if disabled else {}), key=key))


@webhooks.command()
@click.argument("webhook", type=Word())
@click.option("--url")
@click.option("--action", "actions", multiple=True, help=f"{_ACTIONS} These are all from now on.")
@click.option("--enable/--disable", "enabled", default=None, help="Enabled again, it goes on where it stopped.")
@conditional
@with_session
def update(session: Session, /, webhook: str, if_match: str | None, **options: Any) -> None:
    """Change a webhook, or switch it on or off; what is not named stays.

    \b
    Examples:
      platformctl webhooks update 6b058a725d1747cfeba27b12 --enable
      platformctl webhooks update 6b058a725d1747cfeba27b12 --action '*' --if-match 3
    """
    session.out.answer(session.api.patch(f"/webhooks/{webhook}", changes({}, **options), if_match))


@webhooks.command()
@click.argument("webhook", type=Word())
@confirmed
@conditional
@with_session
def delete(session: Session, /, webhook: str, yes: bool, if_match: str | None) -> None:
    """Remove a webhook and the record of its deliveries.

    \b
    Examples:
      platformctl webhooks delete 6b058a725d1747cfeba27b12 --yes
    """
    require_yes(yes, f"delete the webhook {webhook}")
    session.api.delete(f"/webhooks/{webhook}", if_match)
    say("Deleted.")


@webhooks.command("rotate-secret")
@click.argument("webhook", type=Word())
@click.option(
    "--grace",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="So long the old secret signs beside the new one; 0 when it has leaked. Default: a day.",
)
@repeatable
@with_session
def rotate_secret(session: Session, /, webhook: str, grace: int | None, key: str) -> None:
    """Give a webhook a new secret, shown this once.

    \b
    Examples:
      platformctl webhooks rotate-secret 6b058a725d1747cfeba27b12
      platformctl webhooks rotate-secret 6b058a725d1747cfeba27b12 --grace 0 -o json | jq -r .secret
    """
    _show_secret(session, session.api.post(f"/webhooks/{webhook}/rotate-secret", params=given(grace=grace), key=key))


def _show_secret(session: Session, answer: Answer) -> None:
    """A repeated request is answered without the secret: then the first answer had it, and it may be lost."""
    session.out.answer(answer)
    if "secret" in answer.body:
        say("Keep the secret now: it is not shown again.")
    else:
        again = f"platformctl webhooks rotate-secret {answer.body['_id']}"
        say(f"The secret was shown with the first answer to this request. If that was lost: {again}")


for command in DELIVERIES:
    webhooks.add_command(command)
