"""`platformctl tenants`: customer organisations, listed, described, created and changed."""

from __future__ import annotations

from typing import Any

import click

from platformctl.cli.fields import PARTNER_FIELD
from platformctl.cli.groups import Group
from platformctl.cli.options import (
    F,
    conditional,
    filters_of,
    given,
    listed,
    paged,
    repeatable,
    selected,
    timeout,
    waited,
)
from platformctl.cli.records import Field, body_of, field_options
from platformctl.cli.results import finish_operation, finish_tenant, show_tenant
from platformctl.cli.types import INTEGRATION, PARTNER, SLUG, JsonFile
from platformctl.commands.lifecycle import LIFECYCLE
from platformctl.output import Column, say
from platformctl.session import Session, with_session
from platformctl.views.describe import describe_tenant, problem_since, purge, ready, reason

COLUMNS = (
    Column("slug", "slug"),
    Column("status", "status"),
    Column("ready", ready),
    Column("age", "createdAt"),
    Column("reason", reason),
    Column("since", problem_since, wide=True),
    Column("purge", purge, wide=True),
    Column("name", "name", wide=True),
    Column("plan", "plan", wide=True),
    Column("domains", "domains", wide=True),
    Column("partner", "partnerId", wide=True),
    Column("owner", "owner.email", wide=True),
)
FIELDS = (
    Field("name", "--name", "As people write it.", required=True),
    Field("plan", "--plan", "Of the catalogue; a new tenant's default is the first."),
    Field(
        "domains",
        "--domain",
        "Mail domain; may be repeated. An update replaces all of them.",
        multiple=True,
        empties="--no-domains",
        empty=[],
    ),
    PARTNER_FIELD,
    Field(
        "billingInfo",
        "--billing",
        "File with the billing information as JSON; - for standard input. An update changes only what it names.",
        JsonFile(),
        empties="--no-billing",
    ),
)


def owner_options(command: F) -> F:
    """Add the options that name a tenant's first person."""
    command = click.option("--owner-name", metavar="NAME", help="That person's name.")(command)
    return click.option(
        "--owner-email", metavar="ADDRESS", help="Its first person, who gets an account and access; with a name."
    )(command)


@click.group(cls=Group)
def tenants() -> None:
    """Manage tenants (customer organisations)."""


@tenants.command("list")
@click.option("--status", help="pending, active, suspended or deleted.")
@click.option("--plan", help="Only those with this plan.")
@click.option("--partner", type=PARTNER, metavar="PARTNER", help="Only those of this partner, by slug or id.")
@click.option(
    "--search",
    "q",
    metavar="PREFIX",
    help="Only those whose slug, name, domain, owner's address or partner begins so.",
)
@click.option("--failed", type=INTEGRATION, metavar="STEP", help="Only those whose step of this name is in error.")
@click.option("--drift", metavar="STEP", help="Only those that drifted in this step, or in `any`.")
@click.option("--paused", is_flag=True, help="Only those that an operator has paused.")
@selected("Any filters of the API, as status=active,step.ocis=error.")
@paged
@with_session
def list_tenants(
    session: Session, /, limit: int | None, failed: str | None, paused: bool, selector: dict[str, str], **options: Any
) -> None:
    """List tenants, newest first.

    READY: how many steps are done. REASON: the first step that is not, and why. PURGE: when a deleted tenant is
    removed for good.

    \b
    Examples:
      platformctl tenants list --status active -o wide
      platformctl tenants list --selector plan=business,step.stalwart=error
      platformctl tenants list --failed stalwart --all -o name | xargs -n1 platformctl tenants reconcile
    """
    filters = given(options) | ({f"step.{failed}": "error"} if failed else {}) | ({"paused": True} if paused else {})
    found = session.platform.tenants.list(limit, **filters_of(filters, selector))
    session.out.records(listed(found, limit), COLUMNS)


@tenants.command()
@click.argument("slug", type=SLUG)
@with_session
def show(session: Session, /, slug: str) -> None:
    """Show one tenant with its latest operation.

    \b
    Examples:
      platformctl tenants show acme
      platformctl tenants show acme -o json | jq .provisioningStatus
    """
    show_tenant(session, session.platform.tenants.get(slug))


@tenants.command()
@click.argument("slug", type=SLUG)
@click.option("--events", type=click.IntRange(0, 200), default=10, show_default=True, help="Number of events.")
@click.option("--dns", is_flag=True, help="The DNS records to publish too, as a zone file.")
@with_session
def describe(session: Session, /, slug: str, events: int, dns: bool) -> None:
    """Describe one tenant with reasons and remedies.

    Shows its state, steps, domains, operations and events.

    \b
    Examples:
      platformctl tenants describe acme
      platformctl tenants describe acme --dns
    """
    describe_tenant(session, slug, events, dns)


@tenants.command()
@click.argument("slug")
@owner_options
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
    body = {"slug": slug, **body_of(session, FIELDS, options, creating=True)}
    owner = _owner(options["owner_email"], options["owner_name"])
    response = session.platform.tenants.create({**body, **owner}, key=key)  # type: ignore[typeddict-item]
    finish_tenant(session, response, wait, timeout)


@tenants.command()
@click.argument("slug", type=SLUG)
@owner_options
@conditional
@waited
@with_session
def update(session: Session, /, slug: str, if_match: str | None, wait: bool, timeout: float, **options: Any) -> None:
    """Change a tenant; fields that are not given stay.

    \b
    Examples:
      platformctl tenants update acme --plan business --wait
      platformctl tenants update acme --domain acme.example --domain acme.test --if-match 3
    """
    owner = given({"email": options["owner_email"], "name": options["owner_name"]})
    changes: Any = {"owner": owner} if owner else {}
    if not owner or any(options[one.name] or options.get(f"empty_{one.name}") for one in FIELDS):
        changes |= body_of(session, FIELDS, options, creating=False)
    finish_tenant(session, session.platform.tenants.update(slug, changes, if_match=if_match), wait, timeout)


@tenants.command()
@click.argument("slug", type=SLUG)
@timeout
@with_session
def watch(session: Session, /, slug: str, timeout: float) -> None:
    """Wait for the end of the tenant's latest operation.

    Shows the steps meanwhile.

    \b
    Examples:
      platformctl tenants watch acme
      platformctl tenants watch acme --timeout 60 && echo ready
    """
    operation = session.platform.tenants.get(slug).data.get("operation")
    if operation is None:
        say("There was never an operation for this tenant.")
        return
    finish_operation(session, operation, True, timeout)


@tenants.command()
@click.argument("slug", type=SLUG)
@click.option(
    "--dry-run",
    "--plan",
    "dry_run",
    is_flag=True,
    help="Change nothing; wait, and show what would change. --plan is the former name.",
)
@click.option("--allow-removals", is_flag=True, help="Let it remove and disable more than one run usually may.")
@repeatable
@waited
@with_session
def reconcile(
    session: Session, /, slug: str, dry_run: bool, allow_removals: bool, key: str, wait: bool, timeout: float
) -> None:
    """Run every step again, correcting what has drifted.

    \b
    Examples:
      platformctl tenants reconcile acme --dry-run
      platformctl tenants reconcile acme --wait
    """
    tenant = session.platform.tenants.reconcile(slug, dry_run=dry_run, allow_removals=allow_removals, key=key).data
    finish_operation(session, tenant["operation"], wait or dry_run, timeout)


def _owner(email: str | None, name: str | None) -> dict[str, dict[str, str]]:
    """Return the owner's fields. Raises click.UsageError when only half of the owner was given."""
    if email is None and name is None:
        return {}
    if email is None or name is None:
        raise click.UsageError("An owner has both: --owner-email and --owner-name.")
    return {"owner": {"email": email, "name": name}}


create.params = [*field_options(FIELDS, creating=True), *create.params]
update.params = [*field_options(FIELDS, creating=False), *update.params]
for command in LIFECYCLE:
    tenants.add_command(command)
