"""One run of the program: its settings, and a connection that is opened at first use."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, wraps
from typing import Concatenate, ParamSpec, TypeVar

import click

from client import NotSignedIn, Platform, Tokens, open_session
from client.sign_in.issuer import Issuer, OAuthClient
from client.sign_in.tokens import GivenToken
from client.transport import DEFAULT_RETRIES, InvalidCertificateFile, load_authorities
from platformctl.contexts import config_folder
from platformctl.names import Names
from platformctl.output import Output
from platformctl.settings import Settings
from platformctl.sign_in.store import SignIn, Store
from platformctl.sign_in.tokens import StoredTokens

P = ParamSpec("P")
R = TypeVar("R")


class Session:
    """The objects that commands use."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.out = Output(settings.output, lambda: self.names)
        self.store = Store(config_folder())

    @cached_property
    def platform(self) -> Platform:
        """Return the API. Raises NotSignedIn without a token and a sign-in, UsageError when several sign-ins match."""
        return self.connect()

    @property
    def place(self) -> str:
        """Describe the platform for a question before something is deleted there."""
        context = self.settings.context
        return self.platform.url + (f" (context {context})" if context else "")

    @cached_property
    def names(self) -> Names:
        """Return the names for the ids in records."""
        return Names(self.platform)

    def connect(self, retries: int = DEFAULT_RETRIES) -> Platform:
        if self.settings.token is not None:
            try:
                tokens = GivenToken(self.settings.token)
            except NotSignedIn:
                raise NotSignedIn("PLATFORM_TOKEN holds something that cannot be a token.") from None
            return self._platform(self.settings.api_url or self.sign_in().api_url, tokens, retries)
        return self.platform_of(self.sign_in(), retries)

    def platform_of(self, sign_in: SignIn, retries: int = DEFAULT_RETRIES) -> Platform:
        def issuer() -> Issuer:
            return self.issuer(sign_in.issuer, sign_in.client_id)

        return self._platform(sign_in.api_url, StoredTokens(sign_in, self.store, issuer), retries)

    def issuer(self, url: str, client_id: str) -> Issuer:
        self._check_certificates()
        application = OAuthClient(client_id, self.settings.client_secret())
        return Issuer(url, application, ca_certs=self.settings.ca_certs)

    def sign_in(self) -> SignIn:
        """Return the sign-in that matches the API and issuer in the settings."""
        api_url, issuer = self.settings.api_url, self.settings.issuer
        found = [one for one in self.store.all() if api_url in (None, one.api_url) and issuer in (None, one.issuer)]
        if len(found) > 1:
            places = ", ".join(f"{one.api_url} by {one.issuer}" for one in found)
            advice = "Say which with --context, or with --api-url and --issuer."
            raise click.UsageError(f"You are signed in to several: {places}. {advice}")
        if not found:
            where = f" to {api_url}" if api_url else ""
            raise NotSignedIn(f"You are not signed in{where}.")
        return found[0]

    def _platform(self, url: str, tokens: Tokens, retries: int) -> Platform:
        self._check_certificates()
        http = open_session(self.settings.ca_certs, retries=retries, user_agent="platformctl")
        return Platform(url, tokens, session=http)

    def _check_certificates(self) -> None:
        try:
            load_authorities(self.settings.ca_certs)
        except InvalidCertificateFile as problem:
            raise click.UsageError(f"{problem} (--ca-certs, PLATFORM_CA_CERTS)") from None


def with_session(function: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """Pass the session to a command as its first argument."""

    @wraps(function)
    def run(*args: P.args, **options: P.kwargs) -> R:
        return function(Session(Settings.of(click.get_current_context())), *args, **options)

    return run
