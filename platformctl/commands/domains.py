"""`platformctl domains`: a tenant's domains, what to publish for them, and what DNS answers."""

from __future__ import annotations

import time

import click
from rich.text import Text

from platformctl.api import Record
from platformctl.commands.groups import Group
from platformctl.commands.options import Domain, Word, repeatable, timeout
from platformctl.failures import ExitCode, Unreachable
from platformctl.output import STYLES, console, plain, say, table_of
from platformctl.session import Session, with_session

RECORDS = (
    ("name", "name"),
    ("type", "type"),
    ("value", "value"),
    ("for", "purpose"),
    ("essential", "essential"),
    ("in dns", "presence"),
    ("dns has", "seen"),
)
#: what is told of a domain above its records, beside its state
FACTS = (
    ("proven", "verifiedAt"),
    ("proof gone since", "proofLostAt"),
    ("checked", "checkedAt"),
    ("check asked for", "checkRequestedAt"),
    ("next check", "nextCheckAt"),
    ("no answer from DNS", "fault"),
)
PAUSE = 1.0
VERIFIED = "verified"


@click.group(cls=Group)
def domains() -> None:
    """A tenant's domains in DNS."""


@domains.command("list")
@click.argument("slug", type=Word())
@with_session
def list_domains(session: Session, /, slug: str) -> None:
    """List a tenant's domains, with the records to publish and what DNS last said of each.

    \b
    Examples:
      platformctl domains list acme
      platformctl domains list acme -o json | jq -r '.[].records[] | select(.presence != "ok") | [.name, .value] | @tsv'
    """
    found = session.api.get(f"/tenants/{slug}/domains").body
    if session.out.as_json or not found:
        session.out.records(found, ())
        return
    for number, domain in enumerate(found):
        if number:
            console().print()
        _show(domain)


@domains.command()
@click.argument("slug", type=Word())
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
    asked = session.api.post(f"/tenants/{slug}/domains/{domain}/verify", key=key).body
    checked = _checked(session, slug, asked, timeout) if wait else asked
    if session.out.as_json:
        session.out.record(checked)
    else:
        _show(checked)
    if wait:
        _end_with(checked)


def _checked(session: Session, slug: str, asked: Record, seconds: float) -> Record:
    """The domain once the check has been made, or as it stands when the time is up."""
    give_up = time.monotonic() + seconds
    domain = asked
    while "checkRequestedAt" in domain and (left := give_up - time.monotonic()) > 0:
        time.sleep(min(PAUSE, left))
        try:
            every = session.api.get(f"/tenants/{slug}/domains").body
        except Unreachable:
            if session.api.is_gone:
                raise
            continue
        domain = next((one for one in every if one["domain"] == asked["domain"]), domain)
    return domain


def _end_with(domain: Record) -> None:
    """End the program with the exit code that says what the check found."""
    context = click.get_current_context()
    if "checkRequestedAt" in domain:
        say("Not checked yet; look again with: platformctl domains list")
        context.exit(ExitCode.STILL_RUNNING)
    if domain.get("fault"):
        say("DNS did not answer for all of it; nothing follows from that. Ask again later.")
        context.exit(ExitCode.OPERATION_FAILED)
    context.exit(ExitCode.OK if domain["state"] == VERIFIED else ExitCode.OPERATION_FAILED)


def _show(domain: Record) -> None:
    state = domain["state"]
    facts = [f"{label} {plain(domain[field])}" for label, field in FACTS if domain.get(field)]
    head = Text(plain(domain["domain"]), style="bold").append(": ")
    head.append(plain(state), style=STYLES["state"].get(state, ""))
    console().print(head.append("".join(f"  {fact}" for fact in facts), style="not bold"))
    console().print(table_of(domain["records"], RECORDS))
