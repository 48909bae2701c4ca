"""Issue an emergency token on the server: `python -m api.emergency EMAIL --reason TEXT [--minutes 15]`."""

from __future__ import annotations

import sys

import click

from shared.accounts.emergency_token import MAX_MINUTES
from shared.accounts.user import PlatformRole, User
from shared.application.store import Repositories, open_repositories
from shared.config.settings import SettingsError, read_api_settings
from shared.core.errors import StoreUnavailable
from shared.db.documents import Transaction
from shared.events.model import Author, NewEvent


@click.command()
@click.argument("email")
@click.option("--reason", required=True, help="Why the identity provider cannot be used; kept in the event log.")
@click.option("--minutes", default=15.0, show_default=True, type=click.FloatRange(1, MAX_MINUTES))
def main(email: str, reason: str, minutes: float) -> None:
    """Print a token for a platform administrator, for use while the identity provider is down.

    The event `access.emergency_token_issued` records it.
    Exit status 0: issued; 1: there is no such administrator, or more than one; 2: wrong usage or settings.
    """
    try:
        settings = read_api_settings()
    except SettingsError as problem:
        click.echo(f"The settings are invalid:\n{problem}", err=True)
        sys.exit(2)
    store = open_repositories(settings)
    try:
        token = _issue(store, email, reason, minutes)
    except StoreUnavailable:
        sys.exit("MongoDB cannot be reached, so no token can be made.")
    finally:
        store.close()
    click.echo(f"For {email}, {minutes:g} minutes. Use it as PLATFORM_TOKEN or as a bearer token.", err=True)
    click.echo(token)


def _issue(store: Repositories, email: str, reason: str, minutes: float) -> str:
    admins = [one for one in store.users.find_by_email(email) if one.platform_role is PlatformRole.ADMIN]
    if len(admins) != 1:
        sys.exit(f"{'No' if not admins else 'More than one'} platform administrator has the address {email}.")
    return store.connection.transaction(lambda session: _record(store, admins[0], reason, minutes, session))


def _record(store: Repositories, user: User, reason: str, minutes: float, session: Transaction) -> str:
    after = {"user": user.id, "minutes": minutes, "reason": reason}
    store.events.append(NewEvent("access.emergency_token_issued", Author(None, "emergency"), after=after), session)
    return store.emergency_tokens.issue(user.subject, user.email, user.name, minutes, session)


if __name__ == "__main__":
    main()
