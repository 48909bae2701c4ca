"""Find the sign-in of the current request, keep it alive, and renew its tokens before they expire."""

from __future__ import annotations

import time
from dataclasses import replace
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, flash, g, redirect, request, session, url_for
from redis.exceptions import LockError

from client.errors import NotSignedIn
from console.auth.provider import Provider, ProviderUnreachable, SignInRefused
from console.auth.sign_ins import WAIT_SECONDS, SignIn, SignIns
from console.marks import is_public

log = structlog.get_logger(__name__)

#: an access token with less left than this is renewed before it is used
MARGIN_SECONDS = 30
COOKIE_FIELD = "sign_in"
#: endpoints that need no sign-in
FILES, HEALTH = ("static", "bootstrap.static", "system_theme.styles"), "health"


class Sessions:
    """Finds, renews and ends the sign-in of the current request."""

    def __init__(self, sign_ins: SignIns, provider: Provider) -> None:
        self._sign_ins, self._provider = sign_ins, provider

    def load(self) -> SignIn | None:
        """Find the request's sign-in and renew its access token if it expires soon."""
        sign_in_id = session.get(COOKIE_FIELD)
        found = self._sign_ins.find(sign_in_id) if isinstance(sign_in_id, str) else None
        if found is None:
            return None
        if not is_by_script():
            self._sign_ins.keep_alive(found)
        left = found.tokens.expires_at - time.time()
        if left > MARGIN_SECONDS:
            return found
        try:
            # a token that is still valid need not wait until another request has renewed it
            return self.renew(found, wait_seconds=0 if left > 0 else WAIT_SECONDS)
        except ProviderUnreachable:
            if found.tokens.expires_at > time.time():
                return found
            raise

    def renew(self, sign_in: SignIn, wait_seconds: float = WAIT_SECONDS) -> SignIn | None:
        """Renew the tokens unless another request has done so; return None if the sign-in has ended.

        Raises ProviderUnreachable, also if another request renews them for longer than `wait_seconds`.
        """
        try:
            with self._sign_ins.renewal(sign_in, wait_seconds):
                latest = self._sign_ins.find(sign_in.id)
                if latest is None or latest.tokens.access != sign_in.tokens.access:
                    return latest
                return self._exchange(latest)
        except LockError:
            raise ProviderUnreachable from None

    def _exchange(self, sign_in: SignIn) -> SignIn | None:
        try:
            fresh = replace(sign_in, tokens=self._provider.renew(sign_in.tokens))
        except SignInRefused:
            log.info("session.ended_by_provider")
            self._sign_ins.end(sign_in)
            return None
        return fresh if self._sign_ins.save(fresh) else None


class RequestTokens:
    """Token source of the API's client: the tokens of the current request's sign-in."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def bearer(self) -> str:
        if g.sign_in is None:
            raise NotSignedIn("Nobody is signed in.")
        token: str = g.sign_in.tokens.access
        return token

    def renew(self, refused: str) -> str | None:
        """Return another token than the refused one, None if there is no other."""
        if g.sign_in is not None and g.sign_in.tokens.access == refused:
            g.sign_in = self._sessions.renew(g.sign_in)
        return None if g.sign_in is None else g.sign_in.tokens.access


def require_sign_in(app: Flask, sessions: Sessions) -> None:
    """Require a sign-in for every view that is not marked as public."""

    @app.before_request
    def check() -> Response | None:
        view = app.view_functions.get(request.endpoint or "")
        g.sign_in = None
        if view is None or request.endpoint in FILES or request.blueprint == HEALTH:
            return None
        g.sign_in = sessions.load()
        return None if g.sign_in is not None or is_public(view) else to_sign_in()


def is_signed_in() -> bool:
    """Return whether the browser has a sign-in, which may have ended."""
    return COOKIE_FIELD in session


def is_by_script() -> bool:
    """Return whether a script sent the request: polling by an open page does not extend the sign-in."""
    return request.headers.get("X-Requested-With") == "console"


def to_sign_in() -> Response:
    """Redirect to sign-in, and back to this page afterwards. A form that was sent is lost, so the page says so."""
    session.pop(COOKIE_FIELD, None)
    if is_by_script():
        return Response("Signed out.", 401, content_type="text/plain")
    if request.method != "GET" and request.blueprint != "sign_out":
        flash("Your sign-in had ended, so nothing was changed. Sign in, then do it again.", "warning")
        return redirect(url_for("sign_in.welcome", next=came_from()), 303)  # type: ignore[return-value]
    if request.method != "GET" or request.path == "/":
        return redirect(url_for("sign_in.welcome"), 303)  # type: ignore[return-value]
    return redirect(url_for("sign_in.begin", next=request.full_path.rstrip("?")), 303)  # type: ignore[return-value]


def came_from() -> str:
    """Return the path of the page with the form or link that was followed, else the start page."""
    return own_path((request.referrer or "").removeprefix(request.host_url.rstrip("/")))


def own_path(target: str | None) -> str:
    """Return a redirect target if it is a path of this console, else the start page."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    if any(character in target for character in "\\\r\n\t\0") or not target.isprintable():
        return "/"
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc or parts.path.startswith("/auth/") else target
