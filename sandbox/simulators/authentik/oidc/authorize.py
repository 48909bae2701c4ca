"""Serve the authorization endpoint: the code flow with PKCE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aiohttp import web

from sandbox.simulators.authentik.api.responses import html, origin
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.clients import AUTHORIZATION_CODE, OidcClient
from sandbox.simulators.authentik.oidc.flows import AUTHENTICATION, CONSENT, to_flow
from sandbox.simulators.authentik.oidc.grants import OFFLINE, AuthorizationCode, Grant, Grants
from sandbox.simulators.authentik.oidc.pages import message
from sandbox.simulators.authentik.oidc.sessions import Session, Sessions
from sandbox.simulators.authentik.records import User
from sandbox.simulators.clock import Clock

PATH = "/application/o/authorize/"
PROMPTS = frozenset({"none", "consent", "login"})


class BadClient(Exception):
    """The request has no valid client or redirect URI to send the error to, so the page shows it."""


class AuthorizeError(Exception):
    """An error that is sent to the client at its redirect URI."""

    def __init__(self, error: str, text: str = "The request is otherwise malformed") -> None:
        super().__init__(error)
        self.error = error
        self.text = text


@dataclass(frozen=True)
class AuthorizationRequest:
    """A valid request. `url` is its own path and query."""

    client: OidcClient
    url: str
    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    prompt: frozenset[str]
    nonce: str | None
    challenge: str | None
    challenge_method: str
    max_age: float | None

    @classmethod
    def read(cls, given: Mapping[str, str], clients: Mapping[str, OidcClient]) -> AuthorizationRequest:
        """Read a request. Raises BadClient, and AuthorizeError after the redirect URI was verified."""
        client = clients.get(given.get("client_id", ""))
        if client is None:
            raise BadClient("The client identifier (client_id) is missing or invalid.")
        if not client.may_redirect(given.get("redirect_uri", "")):
            raise BadClient("The request fails due to a missing, invalid, or mismatching redirection URI.")
        if given.get("response_type") != "code":
            raise AuthorizeError("unsupported_response_type")
        method, max_age = given.get("code_challenge_method", "plain"), given.get("max_age", "")
        if AUTHORIZATION_CODE not in client.grant_types or method not in ("plain", "S256"):
            raise AuthorizeError("invalid_request")
        scopes = client.allowed(given.get("scope", "").split())
        # Authentik asks for consent whenever a refresh token is requested
        must_consent = client.asks_consent or OFFLINE in scopes
        return cls(
            client=client,
            url=f"{PATH}?{urlencode(given)}",
            redirect_uri=given["redirect_uri"],
            state=given.get("state", ""),
            scopes=scopes,
            prompt=PROMPTS & {*given.get("prompt", "").split(), *(("consent",) if must_consent else ())},
            nonce=given.get("nonce"),
            challenge=given.get("code_challenge") or None,
            challenge_method=method,
            max_age=float(max_age) if max_age.isdigit() else None,
        )


class Authorization:
    """Routes of the authorization endpoint."""

    def __init__(
        self,
        directory: Directory,
        clock: Clock,
        clients: Mapping[str, OidcClient],
        sessions: Sessions,
        grants: Grants,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._clients = clients
        self._sessions = sessions
        self._grants = grants

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for method in ("GET", "POST"):
            router.add_route(method, PATH, self.authorize)

    async def authorize(self, request: web.Request) -> web.Response:
        form = await request.post() if request.method == "POST" else request.query
        given = {name: str(value) for name, value in form.items()}
        if not given:
            return html(404)
        session = self._sessions.of(request) or self._sessions.start()
        try:
            wanted = AuthorizationRequest.read(given, self._clients)
            response = self._next(session, wanted, origin(request))
        except BadClient as problem:
            return message("Bad Request", str(problem), 400)
        except AuthorizeError as problem:
            session.finish()
            errors = {"error": problem.error, "error_description": problem.text, "state": given.get("state", "")}
            response = _redirect(given["redirect_uri"], errors)
        return self._sessions.keep(response, session)

    def _next(self, session: Session, wanted: AuthorizationRequest, here: str) -> web.Response:
        """Redirect the browser to the next flow, or back to the client with a code."""
        session.wait_for(wanted.url)
        user = self._directory.users.get(session.user) if session.user is not None else None
        if user is None and "none" in wanted.prompt:
            raise AuthorizeError("login_required", "The Authorization Server requires End-User authentication")
        if user is None or self._must_sign_in_again(session, wanted):
            session.identified = None
            return to_flow(AUTHENTICATION, {"next": wanted.url})
        if not self._sessions.may_use(user, wanted.client):
            session.finish()
            return message("Permission denied", "Request has been denied.")
        if "consent" in wanted.prompt and CONSENT not in session.done:
            if "none" in wanted.prompt:
                raise AuthorizeError("consent_required", "The Authorization Server requires End-User consent")
            session.asking = (wanted.client.slug, wanted.scopes)
            return to_flow(CONSENT, dict(parse_qsl(urlsplit(wanted.url).query)))
        session.finish()
        session.logins[wanted.client.client_id] = wanted.client.issuer(here)
        return _redirect(wanted.redirect_uri, {"code": self._new_code(wanted, user, session), "state": wanted.state})

    def _must_sign_in_again(self, session: Session, wanted: AuthorizationRequest) -> bool:
        if AUTHENTICATION in session.done or session.signed_in is None:
            return False
        age = self._clock.now() - session.signed_in
        return "login" in wanted.prompt or (wanted.max_age is not None and age > timedelta(seconds=wanted.max_age))

    def _new_code(self, wanted: AuthorizationRequest, user: User, session: Session) -> str:
        return self._grants.new_code(
            AuthorizationCode(
                wanted.client.client_id,
                wanted.redirect_uri,
                Grant(user, wanted.scopes, session.key, wanted.nonce),
                self._clock.now() + timedelta(seconds=wanted.client.code_lifetime),
                wanted.challenge,
                wanted.challenge_method,
            )
        )


def _redirect(uri: str, added: Mapping[str, str]) -> web.Response:
    parts = urlsplit(uri)
    query = urlencode([*parse_qsl(parts.query), *added.items()])
    return web.Response(status=302, headers={"Location": urlunsplit(parts._replace(query=query))})
