"""One run of the program: its settings, and what is opened only when a command needs it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import click
import requests
from platformdirs import user_config_path

from platformctl.api import Api
from platformctl.failures import NotSignedIn
from platformctl.output import Output
from platformctl.settings import Settings
from platformctl.sign_in.issuer import Issuer
from platformctl.sign_in.store import SignIn, Store
from platformctl.sign_in.tokens import GivenToken, SignedIn
from platformctl.transport import open_http

P = ParamSpec("P")
R = TypeVar("R")


class Session:
    """Everything a command works with."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.out = Output(settings.output == "json")
        self.store = Store(Path(os.environ.get("PLATFORM_CONFIG_DIR") or user_config_path("platformctl")))

    @cached_property
    def http(self) -> requests.Session:
        return open_http(self.settings.ca_certs)

    @cached_property
    def api(self) -> Api:
        """Raises NotSignedIn when there is neither a token nor a sign-in, UsageError when it is not clear which."""
        if self.settings.token is not None:
            url = self.settings.api_url or self.sign_in().api_url
            return Api(url, self.http, GivenToken(self.settings.token))
        return self.api_of(self.sign_in())

    def api_of(self, sign_in: SignIn) -> Api:
        def issuer() -> Issuer:
            return Issuer(sign_in.issuer, self.http)

        return Api(sign_in.api_url, self.http, SignedIn(sign_in, self.store, issuer, self.settings.client_secret))

    def sign_in(self) -> SignIn:
        """The one that the settings mean: of this API and this issuer, as far as they are named."""
        wanted = self.settings.api_url, self.settings.issuer
        found = [
            one for one in self.store.all() if wanted[0] in (None, one.api_url) and wanted[1] in (None, one.issuer)
        ]
        if len(found) > 1:
            places = ", ".join(f"{one.api_url} by {one.issuer}" for one in found)
            raise click.UsageError(f"You are signed in to several: {places}. Say which with --api-url and --issuer.")
        if not found:
            where = f" to {wanted[0]}" if wanted[0] else ""
            raise NotSignedIn(f"You are not signed in{where}.", "sign in with: platformctl login")
        return found[0]


def with_session(function: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Give a command its session as first argument."""

    @wraps(function)
    def run(*args: P.args, **options: P.kwargs) -> R:
        return function(Session(Settings.of(click.get_current_context())), *args, **options)

    return run
