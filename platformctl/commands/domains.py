"""`platformctl domains`: a tenant's domains, their DNS records to publish, and the state of these in DNS."""

from __future__ import annotations

from typing import Any

import click

from client.models import Domain as DomainRecord
from platformctl.cli.groups import Group
from platformctl.cli.options import repeatable, timeout
from platformctl.cli.types import SLUG, Domain
from platformctl.failures import ExitCode
from platformctl.output import Column, say
from platformctl.session import Session, with_session
from platformctl.text import colour, line, plain
from platformctl.views.describe import DOMAINS
from platformctl.views.zone import zone_file

RECORDS = (
    Column("name", "name"),
    Column("type", "type"),
    Column("value", "value"),
    Column("for", "purpose"),
    Column("essential", "essential"),
    Column("presence", "presence"),
    Column("dns has", "seen"),
)
#: facts of a domain that stand above its records
FACTS = (
    ("proven", "verifiedAt"),
    ("proof missing since", "proofLostAt"),
    ("checked", "checkedAt"),
    ("check requested", "checkRequestedAt"),
    ("next check", "nextCheckAt"),
    ("no answer from DNS", "fault"),
)


@click.group(cls=Group)
def domains() -> None:
    """Show and check a tenant's domains in DNS."""


@domains.command("list")
@click.argument("slug", type=SLUG)
@with_session
def list_domains(session: Session, /, slug: str) -> None:
    """List a tenant's domains, their states and wrong records.

    \b
    Examples:
      platformctl domains list acme
      platformctl domains list acme -o json | jq -r '.[].records[] | select(.presence != "ok") | [.name, .value] | @tsv'
    """
    session.out.records(session.platform.domains.list(slug), DOMAINS)


@domains.command()
@click.argument("slug", type=SLUG)
@click.argument("domain", type=Domain(), required=False)
@with_session
def show(session: Session, /, slug: str, domain: str | None) -> None:
    """Show the DNS records to publish, and what DNS has.

    Of one domain, or of all.

    \b
    Examples:
      platformctl domains show acme
      platformctl domains show acme acme.example
    """
    found = _of(session, slug, domain)
    if session.out.is_data:
        session.out.data(found)
        return
    for number, one in enumerate(found):
        if number:
            click.echo()
        _show(session, one)


@domains.command()
@click.argument("slug", type=SLUG)
@click.argument("domain", type=Domain(), required=False)
@with_session
def zone(session: Session, /, slug: str, domain: str | None) -> None:
    """Print the DNS records to publish as a zone file.

    Import it at a DNS provider.

    \b
    Examples:
      platformctl domains zone acme acme.example > acme.example.zone
    """
    for one in _of(session, slug, domain):
        for text in zone_file(one):
            click.echo(text)


@domains.command()
@click.argument("slug", type=SLUG)
@click.argument("domain", type=Domain())
@click.option("--wait", is_flag=True, help="Wait for the check; exit code 1 unless it finds the domain verified.")
@repeatable
@timeout
@with_session
def verify(session: Session, /, slug: str, domain: str, wait: bool, key: str, timeout: float) -> None:
    """Have a domain checked in DNS as soon as possible.

    \b
    Examples:
      platformctl domains verify acme acme.example --wait
      until platformctl domains verify acme acme.example --wait; do sleep 600; done
    """
    requested = session.platform.domains.verify(slug, domain, key=key).data
    checked = session.platform.domains.wait(slug, requested, timeout) if wait else requested
    if session.out.is_data:
        session.out.data(checked)
    else:
        _show(session, checked)
    if wait:
        _end_with(slug, checked)


def _of(session: Session, slug: str, domain: str | None) -> list[DomainRecord]:
    """Return one domain, by its name in letters or A-labels, or all. Raises click.UsageError when it is not there."""
    found = session.platform.domains.list(slug)
    if domain is None:
        return found
    wanted = {domain.casefold(), _a_labels(domain)}
    chosen = [one for one in found if one["domain"] in wanted]
    if not chosen:
        known = ", ".join(one["domain"] for one in found) or "none"
        raise click.UsageError(f"{slug} has no domain {domain}. It has: {known}.")
    return chosen


def _a_labels(domain: str) -> str:
    try:
        return domain.casefold().encode("idna").decode()
    except UnicodeError:
        return domain


def _end_with(slug: str, domain: DomainRecord) -> None:
    """Exit with the code for the result of the check."""
    context = click.get_current_context()
    if "checkRequestedAt" in domain:
        say(f"Not checked yet; see later with: platformctl domains show {slug} {domain['domain']}")
        context.exit(ExitCode.STILL_RUNNING)
    if domain.get("fault"):
        say("DNS did not answer every question; nothing follows from that. Try again later.")
        context.exit(ExitCode.OPERATION_FAILED)
    context.exit(ExitCode.OK if domain["state"] == "verified" else ExitCode.OPERATION_FAILED)


def _show(session: Session, domain: Any) -> None:
    facts = "".join(f"  {label} {line(field, domain[field])}" for label, field in FACTS if domain.get(field))
    name = click.style(f"{plain(domain['domain'])}:", bold=True)
    click.echo(f"{name} {colour('state', domain['state'])}{facts}")
    session.out.table(domain["records"], RECORDS)
