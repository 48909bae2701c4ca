"""`platformctl subscriptions`: what tenants pay for."""

from __future__ import annotations

from typing import Any

import click

from platformctl.api import Record
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
    ("tenant", "tenantId"),
    ("plan", "plan"),
    ("status", "status"),
    ("period ends", "currentPeriodEnd"),
)
STATUSES = click.Choice(["trialing", "active", "past_due", "canceled"])


@click.group(cls=Group)
def subscriptions() -> None:
    """What tenants pay for."""


@subscriptions.command("list")
@click.option("--tenant", metavar="SLUG", help="Of this tenant.")
@click.option("--status", type=STATUSES)
@paged
@with_session
def list_subscriptions(session: Session, /, limit: int, everything: bool, **filters: str | None) -> None:
    """List subscriptions, newest first.

    \b
    Examples:
      platformctl subscriptions list --status past_due
      platformctl subscriptions list --tenant acme --output json
    """
    found = list_records(session, "/subscriptions", given(**filters), limit_of(limit, everything))
    session.out.records(found, COLUMNS)


@subscriptions.command()
@click.argument("subscription", type=Word())
@with_session
def show(session: Session, /, subscription: str) -> None:
    """Show one subscription, by id.

    \b
    Examples:
      platformctl subscriptions show 6b058a725d1747cfeba27b12
    """
    session.out.answer(session.api.get(f"/subscriptions/{subscription}"))


@subscriptions.command()
@click.argument("tenant", type=Word())
@click.option("--plan", required=True)
@click.option("--status", type=STATUSES)
@click.option("--stripe-customer", metavar="ID")
@click.option("--stripe-subscription", metavar="ID")
@click.option("--period-end", metavar="TIME", help="As 2030-01-31T00:00:00Z.")
@repeatable
@with_session
def create(session: Session, /, tenant: str, key: str, **options: Any) -> None:
    """Create the subscription of a tenant, named by its slug.

    \b
    Examples:
      platformctl subscriptions create acme --plan business --status trialing
    """
    body = given(tenantId=tenant_id(session, tenant), **_fields(options))
    session.out.answer(session.api.post("/subscriptions", body, key=key))


@subscriptions.command()
@click.argument("subscription", type=Word())
@click.option("--plan")
@click.option("--status", type=STATUSES)
@click.option("--stripe-customer", metavar="ID")
@click.option("--stripe-subscription", metavar="ID")
@click.option("--period-end", metavar="TIME", help="As 2030-01-31T00:00:00Z.")
@click.option("--no-period-end", is_flag=True, help="It runs without an end.")
@conditional
@with_session
def update(session: Session, /, subscription: str, if_match: str | None, **options: Any) -> None:
    """Change a subscription; what is not named stays.

    \b
    Examples:
      platformctl subscriptions update 6b058a725d1747cfeba27b12 --status canceled
    """
    body = changes({"currentPeriodEnd": (options["no_period_end"], None)}, **_fields(options))
    session.out.answer(session.api.patch(f"/subscriptions/{subscription}", body, if_match))


@subscriptions.command()
@click.argument("subscription", type=Word())
@confirmed
@conditional
@with_session
def delete(session: Session, /, subscription: str, yes: bool, if_match: str | None) -> None:
    """Delete a subscription. To end one and keep its history, set its status to canceled.

    \b
    Examples:
      platformctl subscriptions delete 6b058a725d1747cfeba27b12 --yes
    """
    require_yes(yes, f"delete the subscription {subscription}")
    session.api.delete(f"/subscriptions/{subscription}", if_match)
    say("Deleted.")


def _fields(options: Record) -> Record:
    return {
        "plan": options["plan"],
        "status": options["status"],
        "stripeCustomerId": options["stripe_customer"],
        "stripeSubscriptionId": options["stripe_subscription"],
        "currentPeriodEnd": options["period_end"],
    }
