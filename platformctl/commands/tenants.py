"""`platformctl tenants`: customer organisations."""

from __future__ import annotations

from typing import Any

import click

from platformctl.api import Record
from platformctl.commands.groups import Group
from platformctl.commands.life import LIFE
from platformctl.commands.options import (
    Cleared,
    JsonFile,
    Word,
    changes,
    conditional,
    given,
    limit_of,
    list_records,
    paged,
    repeatable,
    timeout,
    waited,
)
from platformctl.commands.pauses import PAUSES
from platformctl.commands.results import finish_operation, finish_tenant, show_tenant
from platformctl.output import say
from platformctl.session import Session, with_session

COLUMNS = (
    ("slug", "slug"),
    ("name", "name"),
    ("status", "status"),
    ("health", "health"),
    ("plan", "plan"),
    ("domains", "domains"),
    ("created", "createdAt"),
)
STEPS = ("authentik", "stalwart", "ocis", "billing")


@click.group(cls=Group)
def tenants() -> None:
    """Customer organisations, and what was set up for them."""


@tenants.command("list")
@click.option("--status", help="pending, active, suspended or deleted.")
@click.option("--plan")
@click.option("--partner", metavar="ID", help="Of this partner.")
@click.option("--search", metavar="PREFIX", help="Whose slug begins so.")
@click.option("--failed", type=click.Choice(STEPS), help="Whose step of this name is in error.")
@click.option("--paused", is_flag=True, help="Whose steps an operator holds back.")
@paged
@with_session
def list_tenants(session: Session, /, failed: str | None, search: str | None, paused: bool, **options: Any) -> None:
    """List tenants, newest first.

    \b
    Examples:
      platformctl tenants list --status active
      platformctl tenants list --paused
      platformctl tenants list --failed stalwart --all --output json
    """
    limit = limit_of(options.pop("limit"), options.pop("everything"))
    params = given(q=search, **options) | ({f"step.{failed}": "error"} if failed else {})
    params |= {"paused": "true"} if paused else {}
    session.out.records(list_records(session, "/tenants", params, limit), COLUMNS)


@tenants.command()
@click.argument("slug", type=Word())
@with_session
def show(session: Session, /, slug: str) -> None:
    """Show one tenant with its latest operation.

    \b
    Examples:
      platformctl tenants show acme
      platformctl tenants show acme -o json | jq .provisioningStatus
    """
    show_tenant(session, session.api.get(f"/tenants/{slug}"))


@tenants.command()
@click.argument("slug")
@click.option("--name", required=True, help="As people write it.")
@click.option("--plan", help="Without it: the catalogue's first.")
@click.option("--domain", "domains", multiple=True, help="Mail domain; may be repeated.")
@click.option("--partner", "partner_id", metavar="ID", help="The partner it belongs to.")
@click.option("--billing", type=JsonFile(), help="File with the billing information as JSON; - for standard input.")
@click.option("--owner-email", metavar="ADDRESS", help="Its first person, who gets an account and access; with a name.")
@click.option("--owner-name", metavar="NAME", help="That person's name.")
@repeatable
@waited
@with_session
def create(session: Session, /, slug: str, key: str, wait: bool, timeout: float, **options: Any) -> None:
    """Create a tenant and set it up in every connected system.

    \b
    Examples:
      platformctl tenants create acme --name "Acme GmbH" --domain acme.example --wait
      platformctl tenants create acme --name Acme --owner-email ann@acme.example --owner-name "Ann Example" --wait
      platformctl tenants create acme --name Acme --idempotency-key order-4711 -o json
    """
    owner = _owner(options["owner_email"], options["owner_name"])
    fields = {"partnerId": options["partner_id"], "billingInfo": options["billing"], "owner": owner}
    body = given(slug=slug, name=options["name"], plan=options["plan"], domains=options["domains"], **fields)
    answer = session.api.post("/tenants", body, key=key)
    finish_tenant(session, answer, wait, timeout)


@tenants.command()
@click.argument("slug", type=Word())
@click.option("--name")
@click.option("--plan")
@click.option("--domain", "domains", multiple=True, help="All of its domains from now on; may be repeated.")
@click.option("--no-domains", is_flag=True, help="Take all domains away.")
@click.option("--partner", "partner_id", metavar="ID", help="Give it to this partner.")
@click.option("--no-partner", is_flag=True, help="Take it from its partner.")
@click.option("--billing", type=JsonFile(), help="File with changes of the billing information as JSON.")
@click.option("--no-billing", is_flag=True, help="Remove the billing information.")
@conditional
@waited
@with_session
def update(session: Session, /, slug: str, if_match: str | None, wait: bool, timeout: float, **options: Any) -> None:
    """Change a tenant; what is not named stays.

    \b
    Examples:
      platformctl tenants update acme --plan business --wait
      platformctl tenants update acme --domain acme.example --domain acme.test --if-match 3
    """
    cleared: Cleared = {
        "domains": (options["no_domains"], []),
        "partnerId": (options["no_partner"], None),
        "billingInfo": (options["no_billing"], None),
    }
    fields = {"partnerId": options["partner_id"], "billingInfo": options["billing"]}
    body = changes(cleared, name=options["name"], plan=options["plan"], domains=options["domains"], **fields)
    finish_tenant(session, session.api.patch(f"/tenants/{slug}", body, if_match), wait, timeout)


@tenants.command()
@click.argument("slug", type=Word())
@timeout
@with_session
def watch(session: Session, /, slug: str, timeout: float) -> None:
    """Wait until the tenant's latest operation has ended, showing its steps.

    \b
    Examples:
      platformctl tenants watch acme
      platformctl tenants watch acme --timeout 60 && echo ready
    """
    operation = session.api.get(f"/tenants/{slug}").body.get("operation")
    if operation is None:
        say("Nothing has ever been done for this tenant.")
        return
    finish_operation(session, operation, True, timeout)


@tenants.command()
@click.argument("slug", type=Word())
@click.option("--plan", is_flag=True, help="Change nothing; wait for what would change and show it.")
@click.option("--allow-removals", is_flag=True, help="Let it remove and disable more than one run usually may.")
@repeatable
@waited
@with_session
def reconcile(
    session: Session, /, slug: str, plan: bool, allow_removals: bool, key: str, wait: bool, timeout: float
) -> None:
    """Run every step again, healing what has drifted.

    \b
    Examples:
      platformctl tenants reconcile acme --plan
      platformctl tenants reconcile acme --wait
    """
    params = {"mode": "plan" if plan else None, "allow_removals": "true" if allow_removals else None}
    tenant = session.api.post(f"/tenants/{slug}/reconcile", params=params, key=key).body
    finish_operation(session, tenant["operation"], wait or plan, timeout)


def _owner(email: str | None, name: str | None) -> Record | None:
    """Raises click.UsageError when only half of the owner was given."""
    if (email is None) != (name is None):
        raise click.UsageError("An owner has both: --owner-email and --owner-name.")
    return None if email is None else {"email": email, "name": name}


for command in (*LIFE, *PAUSES):
    tenants.add_command(command)
