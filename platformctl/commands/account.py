"""`platformctl login`, `logout`, `whoami` and `context`: sign in, and choose the platform."""

from __future__ import annotations

import os
import time
from typing import Any

import click

from client import NotSignedIn, PlatformError
from client.sign_in.device import DeviceCode, sign_device_in
from client.sign_in.issuer import Granted
from platformctl.cli.groups import Command, ConnectionCommand, Group
from platformctl.contexts import Context, Contexts, config_folder
from platformctl.output import Column, say
from platformctl.session import Session, with_session
from platformctl.sign_in.store import SignIn

SCOPE = "openid profile email offline_access"
CONTEXTS = (
    Column("current", lambda context: "*" if context["current"] else ""),
    Column("name", "name"),
    Column("api", "api_url"),
    Column("issuer", "issuer", wide=True),
    Column("client id", "client_id", wide=True),
)


@click.command(cls=ConnectionCommand)
@click.option("--scope", default=SCOPE, show_default=True, help="Scope to request from the issuer.")
@click.option("--device", is_flag=True, help="Sign a person in, though there is a client secret.")
@with_session
def login(session: Session, /, scope: str, device: bool) -> None:
    """Sign in, as a person or as a script.

    A person approves a code in the browser. With a secret, from PLATFORM_CLIENT_SECRET or --client-secret-file,
    the application itself signs in.

    \b
    Examples:
      platformctl login --api-url https://api.example.com --client-id platformctl \\
          --issuer https://auth.example.com/application/o/platformctl/
      platformctl login --context production
      PLATFORM_CLIENT_SECRET=... platformctl login
    """
    settings = session.settings
    api_url, issuer_url, client_id = settings.api_url, settings.issuer, settings.client_id
    if api_url is None or issuer_url is None or client_id is None:
        advice = "Give --api-url, --issuer and --client-id, their variables, or a --context that has them."
        raise click.UsageError(f"It is not clear where to sign in. {advice}")
    issuer = session.issuer(issuer_url, client_id)
    if issuer.has_secret and not device:
        grant, granted = "client_credentials", issuer.client_credentials(scope)
    else:
        grant, granted = "device", sign_device_in(issuer, scope, _show_code)
    signed_in = _sign_in(api_url, issuer_url, client_id, grant, granted)
    with session.store.locked(signed_in):  # a process that renews an older one now would overwrite this
        session.store.save(signed_in)
    try:
        me = session.platform_of(signed_in).users.me().data
    except NotSignedIn:
        session.store.remove(signed_in)  # the API does not accept this token
        raise
    say(f"Signed in to {api_url} as {me['name']} <{me['email']}>.")
    if session.out.is_data:
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
    with session.store.locked(signed_in):  # a process that renews it now would write it again
        signed_in = session.store.find(signed_in.api_url, signed_in.issuer) or signed_in
        session.store.remove(signed_in)
    if signed_in.refresh_token is not None:
        try:
            session.issuer(signed_in.issuer, signed_in.client_id).revoke(signed_in.refresh_token)
        except PlatformError as problem:
            say(f"The issuer did not revoke the refresh token: {problem.message}")
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
    session.out.response(session.platform.users.me())


@click.group(cls=Group)
def context() -> None:
    """Choose between named platforms.

    Each context has an API, an issuer and an application. A command takes --context NAME, else the current context.
    Options count more than a context.
    """


@context.command("list")
@with_session
def list_contexts(session: Session, /) -> None:
    """List the contexts; the current one has an asterisk.

    \b
    Examples:
      platformctl context list
    """
    contexts = Contexts(config_folder())
    found = contexts.all()
    if found or session.out.is_data:
        session.out.records([_fields(one, contexts) for one in found], CONTEXTS)
    else:
        say("There is no context. Add the first one, which becomes the current one:")
        say("  platformctl context add NAME --api-url URL --issuer URL --client-id ID")


@context.command()
@click.argument("name")
def use(name: str) -> None:
    """Make a context the current one.

    \b
    Examples:
      platformctl context use production
    """
    contexts = Contexts(config_folder())
    contexts.use(name)
    say(f"Commands now mean {contexts.get(name).api_url} (context {name}).")
    for variable in ("PLATFORM_CONTEXT", "PLATFORM_API_URL"):
        if os.environ.get(variable):
            say(f"But {variable} is set, and counts more than the current context.")


@context.command(cls=ConnectionCommand)
@click.argument("name")
@with_session
def add(session: Session, /, name: str) -> None:
    """Add a context, or replace it, with the settings given. The first one becomes the current one.

    \b
    Examples:
      platformctl context add production --api-url https://api.example.com --client-id platformctl \\
          --issuer https://auth.example.com/application/o/platformctl/
    """
    settings = session.settings
    if settings.api_url is None:
        raise click.UsageError("A context needs --api-url, and --issuer and --client-id to sign in.")
    paths = {
        field: str(path.resolve())
        for field in ("ca_certs", "client_secret_file")
        if (path := getattr(settings, field)) is not None
    }
    contexts = Contexts(config_folder())
    contexts.add(Context(name, settings.api_url, settings.issuer, settings.client_id, **paths))
    say(f"Added. The current context is {contexts.current}.")


@context.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a context. A sign-in made with it stays; end that first with platformctl logout.

    \b
    Examples:
      platformctl context remove staging
    """
    Contexts(config_folder()).remove(name)
    say("Removed.")


def _fields(one: Context, contexts: Contexts) -> dict[str, Any]:
    return {**vars(one), "current": one.name == contexts.current}


def _show_code(code: DeviceCode) -> None:
    say(f"Open {code.page_with_code or code.page}")
    say(f"and approve the code {code.user_code} (within {code.expires_in:.0f} seconds).")


def _sign_in(api_url: str, issuer: str, client_id: str, grant: str, granted: Granted) -> SignIn:
    return SignIn(
        api_url=api_url,
        issuer=issuer,
        client_id=client_id,
        grant=grant,
        scope=granted.scope,
        expires_at=time.time() + granted.lifetime,
        access_token=granted.access_token,
        refresh_token=granted.refresh_token,
    )


ACCOUNT = (login, logout, whoami, context)
