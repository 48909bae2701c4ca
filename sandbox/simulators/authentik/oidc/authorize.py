"""Serve the authorization endpoint: the code flow with PKCE, and the sign-in and consent pages it leads through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aiohttp import web

from sandbox.simulators.authentik.answers import html, origin
from sandbox.simulators.authentik.directory import Directory
from sandbox.simulators.authentik.oidc.clients import AUTHORIZATION_CODE, OidcClient
from sandbox.simulators.authentik.oidc.grants import OFFLINE, AuthorizationCode, Grant, Grants
from sandbox.simulators.authentik.oidc.pages import consent_page, message, sign_in_page
from sandbox.simulators.authentik.oidc.sessions import COOKIE, Session, Sessions
from sandbox.simulators.authentik.records import User
from sandbox.simulators.clock import Clock

AUTHENTICATION, CONSENT = "default-authentication-flow", "default-provider-authorization-implicit-consent"
PROMPTS = frozenset({"none", "consent", "login"})


class BadClient(Exception):
    """The request names no client or redirect URI that could be told of the fault: the person is told."""


class AuthorizeError(Exception):
    """A fault that is reported to the client at its redirect URI."""

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


class Authorization:
    """Routes of the authorization endpoint and its two flows."""

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
            router.add_route(method, "/application/o/authorize/", self.authorize)
        router.add_get(f"/if/flow/{AUTHENTICATION}/", self.show_sign_in)
        router.add_post(f"/if/flow/{AUTHENTICATION}/", self.sign_in)
        router.add_get(f"/if/flow/{CONSENT}/", self.show_consent)
        router.add_post(f"/if/flow/{CONSENT}/", self.consent)

    async def authorize(self, request: web.Request) -> web.Response:
        form = await request.post() if request.method == "POST" else request.query
        given = {name: str(value) for name, value in form.items()}
        if not given:
            return html(404)
        session = self._session(request) or self._sessions.start()
        try:
            wanted = self._parsed(given, f"/application/o/authorize/?{urlencode(given)}")
            answer = self._next(session, wanted, origin(request))
        except BadClient as problem:
            return message("Bad Request", str(problem), 400)
        except AuthorizeError as problem:
            session.unfinished = None
            errors = {"error": problem.error, "error_description": problem.text, "state": given.get("state", "")}
            answer = _redirect(given["redirect_uri"], errors)
        answer.set_cookie(COOKIE, session.key, httponly=True, samesite="Lax", path="/")
        return answer

    # -- the flows

    async def show_sign_in(self, request: web.Request) -> web.Response:
        return sign_in_page()

    async def sign_in(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        username = form.get("uid_field", "")
        user = self._directory.find_for_sign_in(username)
        if user is None or not user.has_password_of(form.get("password", "")):
            return sign_in_page(username, "Invalid password")
        session = self._sessions.sign_in(user, self._session(request))
        session.done.add(AUTHENTICATION)
        answer = web.Response(status=302, headers={"Location": session.unfinished or "/"})
        answer.set_cookie(COOKIE, session.key, httponly=True, samesite="Lax", path="/")
        return answer

    async def show_consent(self, request: web.Request) -> web.Response:
        session = self._session(request)
        if session is None or session.unfinished is None:
            return message("Bad Request", "No authorization request is waiting in this browser.", 400)
        given = dict(parse_qsl(urlsplit(session.unfinished).query))
        wanted = self._parsed(given, session.unfinished)
        return consent_page(wanted.client.slug, wanted.scopes)

    async def consent(self, request: web.Request) -> web.Response:
        session = self._session(request)
        if session is None or session.unfinished is None:
            return message("Bad Request", "No authorization request is waiting in this browser.", 400)
        session.done.add(CONSENT)
        return web.Response(status=302, headers={"Location": session.unfinished})

    # -- one step further

    def _next(self, session: Session, wanted: AuthorizationRequest, here: str) -> web.Response:
        """Send the browser to the flow that is still missing, or back to the client with a code."""
        if session.unfinished != wanted.url:
            session.unfinished, session.done = wanted.url, set()
        user = self._directory.users.get(session.user) if session.user is not None else None
        if user is None and "none" in wanted.prompt:
            raise AuthorizeError("login_required", "The Authorization Server requires End-User authentication")
        if user is None or self._must_sign_in_again(session, wanted):
            return _to_flow(AUTHENTICATION, {"next": wanted.url})
        if not self._sessions.may_use(user, wanted.client):
            session.unfinished = None
            return message("Permission denied", "Request has been denied.")
        if "consent" in wanted.prompt and CONSENT not in session.done:
            if "none" in wanted.prompt:
                raise AuthorizeError("consent_required", "The Authorization Server requires End-User consent")
            return _to_flow(CONSENT, dict(parse_qsl(urlsplit(wanted.url).query)))
        session.unfinished = None
        session.logins[wanted.client.client_id] = f"{here}/application/o/{wanted.client.slug}/"
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
                self._clock.now() + timedelta(seconds=wanted.client.code_life),
                wanted.challenge,
                wanted.challenge_method,
            )
        )

    def _parsed(self, given: Mapping[str, str], url: str) -> AuthorizationRequest:
        """Raises BadClient, and AuthorizeError once the redirect URI is known to be the client's."""
        client = self._clients.get(given.get("client_id", ""))
        if client is None:
            raise BadClient("The client identifier (client_id) is missing or invalid.")
        if not client.may_redirect(given.get("redirect_uri", "")):
            raise BadClient("The request fails due to a missing, invalid, or mismatching redirection URI.")
        if given.get("response_type") != "code":
            raise AuthorizeError("unsupported_response_type")
        method = given.get("code_challenge_method", "plain")
        if AUTHORIZATION_CODE not in client.grant_types or method not in ("plain", "S256"):
            raise AuthorizeError("invalid_request")
        scopes = tuple(given.get("scope", "").split())
        prompt = PROMPTS & set(given.get("prompt", "").split())
        max_age = given.get("max_age", "")
        return AuthorizationRequest(
            client,
            url,
            given["redirect_uri"],
            given.get("state", ""),
            scopes,
            # Authentik asks for consent whenever a refresh token is wanted
            prompt | ({"consent"} if OFFLINE in scopes else set()),
            given.get("nonce"),
            given.get("code_challenge"),
            method,
            float(max_age) if max_age.isdigit() else None,
        )

    def _session(self, request: web.Request) -> Session | None:
        return self._sessions.by_key.get(request.cookies.get(COOKIE, ""))


def _to_flow(slug: str, query: Mapping[str, str]) -> web.Response:
    return web.Response(status=302, headers={"Location": f"/if/flow/{slug}/?{urlencode(query)}"})


def _redirect(uri: str, added: Mapping[str, str]) -> web.Response:
    parts = urlsplit(uri)
    query = urlencode([*parse_qsl(parts.query), *added.items()])
    return web.Response(status=302, headers={"Location": urlunsplit(parts._replace(query=query))})
