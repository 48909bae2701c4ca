"""`platformctl tenants`: suspend, resume, pause, delete, restore and purge; export and purge receipt."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from client import Response
from client.resources.tenants import Tenants
from platformctl.cli.groups import Command
from platformctl.cli.options import conditional, confirmed, repeatable, require_slug, waited
from platformctl.cli.records import explain
from platformctl.cli.results import finish_tenant
from platformctl.cli.types import SLUG, Sentence
from platformctl.data import as_json
from platformctl.output import say
from platformctl.session import Session, with_session

REASON = click.option("--reason", type=Sentence(), required=True, help="Why; kept, and shown where somebody asks.")


def _command(name: str, text: str, call: Callable[[Tenants, str, str], Response[Any]]) -> click.Command:
    """Make a command that starts an operation on a tenant."""

    @click.command(name, cls=Command, help=explain(text, [f"tenants {name} acme --wait"]))
    @click.argument("slug", type=SLUG)
    @repeatable
    @waited
    @with_session
    def start(session: Session, /, slug: str, key: str, wait: bool, timeout: float) -> None:
        finish_tenant(session, call(session.platform.tenants, slug, key), wait, timeout)

    return start


resume = _command(
    "resume", "Give a suspended tenant its access back.", lambda tenants, slug, key: tenants.resume(slug, key=key)
)
restore = _command(
    "restore", "Restore a deleted tenant with all it had.", lambda tenants, slug, key: tenants.restore(slug, key=key)
)
invite = _command(
    "invite", "Send the owner another invitation.", lambda tenants, slug, key: tenants.invite_owner(slug, key=key)
)


@click.command(cls=Command)
@click.argument("slug", type=SLUG)
@REASON
@repeatable
@waited
@with_session
def suspend(session: Session, /, slug: str, reason: str, key: str, wait: bool, timeout: float) -> None:
    """Cut all access and keep everything. The tenant's people are shown the reason.

    \b
    Examples:
      platformctl tenants suspend acme --reason "unpaid since May" --wait
    """
    finish_tenant(session, session.platform.tenants.suspend(slug, reason, key=key), wait, timeout)


@click.command(cls=Command)
@click.argument("slug", type=SLUG)
@REASON
@repeatable
@with_session
def pause(session: Session, /, slug: str, reason: str, key: str) -> None:
    """Start no further step of a tenant's operations.

    The tenant's people notice nothing.

    \b
    Examples:
      platformctl tenants pause acme --reason "moved by hand this week"
    """
    session.out.response(session.platform.tenants.pause(slug, reason, key=key))


@click.command(cls=Command)
@click.argument("slug", type=SLUG)
@repeatable
@with_session
def unpause(session: Session, /, slug: str, key: str) -> None:
    """Let a tenant's steps run again.

    \b
    Examples:
      platformctl tenants unpause acme
    """
    session.out.response(session.platform.tenants.unpause(slug, key=key))


@click.command(cls=Command)
@click.argument("slug", type=SLUG)
@confirmed
@conditional
@waited
@with_session
def delete(session: Session, /, slug: str, yes: bool, if_match: str | None, wait: bool, timeout: float) -> None:
    """Close a tenant; it can be restored until its purge.

    All access is cut. Everything is kept until `purgeAfter`, and is removed for good after that.

    \b
    Examples:
      platformctl tenants delete acme
      platformctl tenants delete acme --yes --wait -o json | jq -r .purgeAfter
    """
    require_slug(session, yes, slug, f"delete the tenant {slug}")
    finish_tenant(session, session.platform.tenants.delete(slug, if_match=if_match), wait, timeout)


@click.command(cls=Command)
@click.argument("slug", type=SLUG)
@confirmed
@repeatable
@waited
@with_session
def purge(session: Session, /, slug: str, yes: bool, key: str, wait: bool, timeout: float) -> None:
    """Remove for good all that a deleted tenant has anywhere, now. Nothing brings it back.

    \b
    Examples:
      platformctl tenants purge acme --wait
      platformctl tenants purge acme --yes --wait && platformctl tenants receipt acme
    """
    require_slug(session, yes, slug, f"remove {slug} and all its data for good")
    finish_tenant(session, session.platform.tenants.purge(slug, key=key), wait, timeout)


@click.command(cls=Command)
@click.argument("slug", type=SLUG)
@with_session
def receipt(session: Session, /, slug: str) -> None:
    """Show the receipt of a purge.

    It names the removed objects, the time, and how their absence was verified.

    \b
    Examples:
      platformctl tenants receipt acme
      platformctl tenants receipt acme -o json > acme-receipt.json
    """
    session.out.record(session.platform.tenants.receipt(slug).data)


@click.command(cls=Command)
@click.argument("slug", type=SLUG)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help="New file to write to, which only you can read. Else: stdout.",
)
@with_session
def export(session: Session, /, slug: str, path: Path | None) -> None:
    """Print or save all data on record about a tenant, as JSON.

    These are its record, people, subscriptions, operations and events.

    \b
    Examples:
      platformctl tenants export acme --file acme.json
      platformctl tenants export acme | jq '.users | length'
    """
    if path is not None and path.exists():
        raise click.UsageError(f"{path} (--file) exists; it is not written over.")
    found = session.platform.tenants.export(slug).data
    if path is None:
        click.echo(as_json(found))
        return
    _write(path, found)
    say(f"Written to {path}.")


def _write(path: Path, found: Any) -> None:
    """Write personal data to a new file that nobody else may read. Raises click.UsageError when it cannot be made."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(found, file, indent=2)
            file.write("\n")
    except OSError as problem:
        raise click.UsageError(f"{path} (--file) cannot be written: {problem.strerror}.") from None


LIFECYCLE = (suspend, resume, pause, unpause, delete, restore, purge, receipt, export, invite)
