"""`platformctl login`, `logout` and `whoami`: who you are to the platform."""

from __future__ import annotations

import time

import click

from platformctl.commands.groups import Command
from platformctl.failures import CommandFailure, NotSignedIn
from platformctl.output import say
from platformctl.session import Session, with_session
from platformctl.sign_in.device import Invitation, sign_device_in
from platformctl.sign_in.issuer import Client, Granted, Issuer
from platformctl.sign_in.store import SignIn

SCOPE = "openid profile email offline_access"


@click.command(cls=Command)
@click.option("--scope", default=SCOPE, show_default=True, help="What to ask the issuer for.")
@click.option("--device", is_flag=True, help="Sign a person in, though there is a client secret.")
@with_session
def login(session: Session, /, scope: str, device: bool) -> None:
    """Sign in, as a person or as a script.

    A person approves a code in the browser. With a secret, from PLATFORM_CLIENT_SECRET or --client-secret-file,
    it is the client itself that signs in.

    \b
    Examples:
      platformctl login --api-url https://api.example.com --client-id platformctl \\
          --issuer https://auth.example.com/application/o/platformctl/
      PLATFORM_CLIENT_SECRET=... platformctl login
    """
    settings = session.settings
    api_url, issuer_url, client_id = settings.api_url, settings.issuer, settings.client_id
    if api_url is None or issuer_url is None or client_id is None:
        raise click.UsageError("Signing in needs --api-url, --issuer and --client-id, or PLATFORM_API_URL and so on.")
    client = Client(client_id, settings.client_secret())
    issuer = Issuer(issuer_url, session.http)
    if client.secret is not None and not device:
        grant, granted = "client_credentials", issuer.grant(client, "client_credentials", scope=scope)
    else:
        grant, granted = "device", sign_device_in(issuer, client, scope, _invite)
    signed_in = _sign_in(api_url, issuer_url, client_id, grant, granted)
    with session.store.locked(signed_in):  # whoever renews an older one just now would write it over this
        session.store.save(signed_in)
    try:
        me = session.api_of(signed_in).get("/users/me").body
    except NotSignedIn:
        session.store.remove(signed_in)  # a token that the API does not take is none
        raise
    say(f"Signed in to {api_url} as {me['name']} <{me['email']}>.")
    if session.out.as_json:
        session.out.record(me)


@click.command(cls=Command)
@with_session
def logout(session: Session, /) -> None:
    """Sign out, here and at the issuer.

    \b
    Examples:
      platformctl logout
    """
    signed_in = session.sign_in()
    with session.store.locked(signed_in):  # whoever renews it just now would write it again
        signed_in = session.store.find(signed_in.api_url, signed_in.issuer) or signed_in
        session.store.remove(signed_in)
    if signed_in.refresh_token is not None:
        try:
            client = Client(signed_in.client_id, session.settings.client_secret())
            Issuer(signed_in.issuer, session.http).revoke(client, signed_in.refresh_token)
        except CommandFailure as problem:
            say(f"The issuer did not take the refresh token back: {problem.message}")
    say(f"Signed out of {signed_in.api_url}.")


@click.command(cls=Command)
@with_session
def whoami(session: Session, /) -> None:
    """Show your own record as the API has it.

    \b
    Examples:
      platformctl whoami
      platformctl whoami -o json | jq -r .role
    """
    session.out.answer(session.api.get("/users/me"))


def _invite(invitation: Invitation) -> None:
    say(f"Open {invitation.page_with_code or invitation.page}")
    say(f"and approve the code {invitation.user_code} (within {invitation.expires_in:.0f} seconds).")


def _sign_in(api_url: str, issuer: str, client_id: str, grant: str, granted: Granted) -> SignIn:
    return SignIn(
        api_url=api_url,
        issuer=issuer,
        client_id=client_id,
        grant=grant,
        scope=granted.scope,
        expires_at=time.time() + granted.life,
        access_token=granted.access_token,
        refresh_token=granted.refresh_token,
    )
