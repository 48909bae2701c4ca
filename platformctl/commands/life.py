"""`platformctl tenants` from the second day on: suspend, resume, delete, restore, purge; export and receipt."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from platformctl.commands.groups import Command
from platformctl.commands.options import Word, conditional, confirmed, repeatable, require_slug, waited
from platformctl.commands.results import finish_tenant
from platformctl.output import say
from platformctl.session import Session, with_session

#: an export is gathered while we wait
EXPORT_PATIENCE = 120.0


@click.command(cls=Command)
@click.argument("slug", type=Word())
@click.option("--reason", required=True, help="Why; kept, and shown to the tenant's people.")
@repeatable
@waited
@with_session
def suspend(session: Session, /, slug: str, reason: str, key: str, wait: bool, timeout: float) -> None:
    """Cut all access and keep everything.

    \b
    Examples:
      platformctl tenants suspend acme --reason "unpaid since May" --wait
    """
    answer = session.api.post(f"/tenants/{slug}/suspend", {"reason": reason}, key=key)
    finish_tenant(session, answer, wait, timeout)


@click.command(cls=Command)
@click.argument("slug", type=Word())
@repeatable
@waited
@with_session
def resume(session: Session, /, slug: str, key: str, wait: bool, timeout: float) -> None:
    """Give a suspended tenant everything back.

    \b
    Examples:
      platformctl tenants resume acme --wait
    """
    finish_tenant(session, session.api.post(f"/tenants/{slug}/resume", key=key), wait, timeout)


@click.command(cls=Command)
@click.argument("slug", type=Word())
@confirmed
@conditional
@waited
@with_session
def delete(session: Session, /, slug: str, yes: bool, if_match: str | None, wait: bool, timeout: float) -> None:
    """Cut all access. Everything is kept until `purgeAfter`, and can be restored until then.

    \b
    Examples:
      platformctl tenants delete acme
      platformctl tenants delete acme --yes --wait -o json | jq -r .purgeAfter
    """
    require_slug(yes, slug, f"delete the tenant {slug}")
    finish_tenant(session, session.api.delete(f"/tenants/{slug}", if_match), wait, timeout)


@click.command(cls=Command)
@click.argument("slug", type=Word())
@repeatable
@waited
@with_session
def restore(session: Session, /, slug: str, key: str, wait: bool, timeout: float) -> None:
    """Give a deleted tenant everything back.

    \b
    Examples:
      platformctl tenants restore acme --wait
    """
    finish_tenant(session, session.api.post(f"/tenants/{slug}/restore", key=key), wait, timeout)


@click.command(cls=Command)
@click.argument("slug", type=Word())
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
    require_slug(yes, slug, f"remove {slug} and all its data for good")
    finish_tenant(session, session.api.post(f"/tenants/{slug}/purge", key=key), wait, timeout)


@click.command(cls=Command)
@click.argument("slug", type=Word())
@with_session
def receipt(session: Session, /, slug: str) -> None:
    """Show what a purge removed, when, and how its absence was seen.

    \b
    Examples:
      platformctl tenants receipt acme
      platformctl tenants receipt acme -o json > acme-receipt.json
    """
    session.out.record(session.api.get(f"/tenants/{slug}/receipt").body)


@click.command(cls=Command)
@click.argument("slug", type=Word())
@click.option(
    "--file", "path", type=click.Path(path_type=Path), help="New file to write to, for your eyes only. Else: stdout."
)
@with_session
def export(session: Session, /, slug: str, path: Path | None) -> None:
    """Get all that is held about a tenant here, as JSON: record, people, subscriptions, operations, events.

    \b
    Examples:
      platformctl tenants export acme --file acme.json
      platformctl tenants export acme | jq '.users | length'
    """
    if path is not None and path.exists():
        raise click.UsageError(f"{path} (--file) exists; it is not written over.")
    found = session.api.get(f"/tenants/{slug}/export", patience=EXPORT_PATIENCE).body
    if path is None:
        click.echo(json.dumps(found, indent=2))
        return
    _write(path, found)
    say(f"Written to {path}.")


def _write(path: Path, found: Any) -> None:
    """Personal data: a file of its own that nobody else may read. Raises click.UsageError when it cannot be made."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(found, file, indent=2)
            file.write("\n")
    except OSError as problem:
        raise click.UsageError(f"{path} (--file) cannot be written: {problem.strerror}.") from None


LIFE = (suspend, resume, delete, restore, purge, receipt, export)
