"""`platformctl partners`: resellers, whose administrators look after their tenants."""

from __future__ import annotations

import click

from platformctl.commands.groups import Group
from platformctl.commands.options import (
    Word,
    conditional,
    confirmed,
    limit_of,
    list_records,
    paged,
    repeatable,
    require_yes,
)
from platformctl.output import say
from platformctl.session import Session, with_session

COLUMNS = (("id", "_id"), ("slug", "slug"), ("name", "name"), ("created", "createdAt"))


@click.group(cls=Group)
def partners() -> None:
    """Resellers."""


@partners.command("list")
@paged
@with_session
def list_partners(session: Session, /, limit: int, everything: bool) -> None:
    """List partners, newest first.

    \b
    Examples:
      platformctl partners list
    """
    session.out.records(list_records(session, "/partners", {}, limit_of(limit, everything)), COLUMNS)


@partners.command()
@click.argument("partner", type=Word())
@with_session
def show(session: Session, /, partner: str) -> None:
    """Show one partner, by id.

    \b
    Examples:
      platformctl partners show 6b058a725d1747cfeba27b12
    """
    session.out.answer(session.api.get(f"/partners/{partner}"))


@partners.command()
@click.argument("slug")
@click.option("--name", required=True)
@repeatable
@with_session
def create(session: Session, /, slug: str, name: str, key: str) -> None:
    """Create a partner.

    \b
    Examples:
      platformctl partners create northwind --name "Northwind IT"
    """
    session.out.answer(session.api.post("/partners", {"slug": slug, "name": name}, key=key))


@partners.command()
@click.argument("partner", type=Word())
@click.argument("name")
@conditional
@with_session
def rename(session: Session, /, partner: str, name: str, if_match: str | None) -> None:
    """Give a partner another name; the slug stays.

    \b
    Examples:
      platformctl partners rename 6b058a725d1747cfeba27b12 "Northwind Services"
    """
    session.out.answer(session.api.patch(f"/partners/{partner}", {"name": name}, if_match))


@partners.command()
@click.argument("partner", type=Word())
@confirmed
@conditional
@with_session
def delete(session: Session, /, partner: str, yes: bool, if_match: str | None) -> None:
    """Delete a partner that no tenant and no user belongs to.

    \b
    Examples:
      platformctl partners delete 6b058a725d1747cfeba27b12 --yes
    """
    require_yes(yes, f"delete the partner {partner}")
    session.api.delete(f"/partners/{partner}", if_match)
    say("Deleted.")
