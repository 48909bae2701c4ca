"""`platformctl users`: people's records: who they are to the platform, and what they may."""

from __future__ import annotations

from typing import Any

import click

from platformctl.api import Record
from platformctl.commands.groups import Group
from platformctl.commands.options import (
    Cleared,
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
    ("email", "email"),
    ("name", "name"),
    ("role", "role"),
    ("platform admin", "platformAdmin"),
    ("tenants", "tenantIds"),
    ("partner", "partnerId"),
)
ROLES = click.Choice(["owner", "admin", "member"])


@click.group(cls=Group)
def users() -> None:
    """People's records, and what they may."""


@users.command("list")
@click.option("--tenant", metavar="SLUG", help="Who belong to this tenant.")
@click.option("--partner", metavar="ID", help="Who belong to this partner.")
@click.option("--search", metavar="PREFIX", help="Whose e-mail address begins so.")
@paged
@with_session
def list_users(
    session: Session, /, tenant: str | None, partner: str | None, search: str | None, limit: int, everything: bool
) -> None:
    """List users, newest first.

    \b
    Examples:
      platformctl users list --tenant acme
      platformctl users list --search ann@ --output json
    """
    params = given(tenant=tenant, partner=partner, q=search)
    session.out.records(list_records(session, "/users", params, limit_of(limit, everything)), COLUMNS)


@users.command()
@click.argument("user", type=Word())
@with_session
def show(session: Session, /, user: str) -> None:
    """Show one user, by id.

    \b
    Examples:
      platformctl users show 6b058a725d1747cfeba27b12
    """
    session.out.answer(session.api.get(f"/users/{user}"))


@users.command()
@click.argument("subject")
@click.option("--email", required=True)
@click.option("--name", required=True)
@click.option("--role", type=ROLES)
@click.option("--tenant", "tenants", type=Word(), multiple=True, metavar="SLUG", help="Belongs to it; may be repeated.")
@click.option("--partner", metavar="ID", help="Belongs to this partner.")
@click.option("--platform-admin/--no-platform-admin", default=None, help="May do everything, everywhere.")
@repeatable
@with_session
def create(session: Session, /, subject: str, key: str, **options: Any) -> None:
    """Create the record of a person before they first sign in. SUBJECT: their `sub` at the identity provider.

    \b
    Examples:
      platformctl users create 9f2c... --email ann@acme.example --name Ann --role owner --tenant acme
    """
    body = given(authentikSubjectId=subject, **_rights(session, options))
    session.out.answer(session.api.post("/users", body, key=key))


@users.command()
@click.argument("user", type=Word())
@click.option("--email")
@click.option("--name")
@click.option("--role", type=ROLES)
@click.option(
    "--tenant", "tenants", type=Word(), multiple=True, metavar="SLUG", help="All of their tenants from now on."
)
@click.option("--no-tenants", is_flag=True, help="Take them out of every tenant.")
@click.option("--partner", metavar="ID")
@click.option("--no-partner", is_flag=True, help="Take them from their partner.")
@click.option("--platform-admin/--no-platform-admin", default=None, help="May do everything, everywhere.")
@conditional
@with_session
def update(session: Session, /, user: str, if_match: str | None, **options: Any) -> None:
    """Change a user; what is not named stays.

    \b
    Examples:
      platformctl users update 6b058a725d1747cfeba27b12 --role admin
      platformctl users update 6b058a725d1747cfeba27b12 --tenant acme --tenant globex
    """
    cleared: Cleared = {"tenantIds": (options["no_tenants"], []), "partnerId": (options["no_partner"], None)}
    body = changes(cleared, **_rights(session, options))
    session.out.answer(session.api.patch(f"/users/{user}", body, if_match))


@users.command()
@click.argument("user", type=Word())
@confirmed
@conditional
@with_session
def delete(session: Session, /, user: str, yes: bool, if_match: str | None) -> None:
    """Delete a user's record. The person stays known to the identity provider.

    \b
    Examples:
      platformctl users delete 6b058a725d1747cfeba27b12 --yes
    """
    require_yes(yes, f"delete the user {user}")
    session.api.delete(f"/users/{user}", if_match)
    say("Deleted.")


def _rights(session: Session, options: Record) -> Record:
    return {
        "email": options["email"],
        "name": options["name"],
        "role": options["role"],
        "tenantIds": tuple(tenant_id(session, slug) for slug in options["tenants"]),
        "partnerId": options["partner"],
        "platformAdmin": options["platform_admin"],
    }
