"""Signing in and out over HTTP, and the provider's word that a session has ended."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, g, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from client.errors import ApiError
from console.auth.people import People
from console.auth.provider import Provider, ProviderUnreachable, SignInRefused
from console.auth.session import COOKIE_FIELD, own_path
from console.auth.sign_ins import SignIn, SignIns
from console.web.marks import public

log = structlog.get_logger(__name__)

NEXT_FIELD = "next"
STATEMENT_SECONDS = 600


def auth_pages(provider: Provider, sign_ins: SignIns, people: People) -> Blueprint:
    pages = Blueprint("auth", __name__, url_prefix="/auth")

    @pages.get("/")
    @public
    def welcome() -> str:
        return render_template("auth/welcome.html", next=own_path(request.args.get("next")))

    @pages.get("/sign-in")
    @public
    def sign_in() -> AnyResponse:
        session[NEXT_FIELD] = own_path(request.args.get("next"))
        return provider.sign_in_redirect()

    @pages.get("/callback")
    @public
    def callback() -> AnyResponse:
        target = own_path(session.get(NEXT_FIELD))
        tokens, provider_session = provider.tokens_of_callback()
        if g.sign_in is not None:
            sign_ins.end(g.sign_in)
        session.clear()
        g.sign_in = sign_ins.begin(tokens, provider_session)
        try:
            person = people.recorded()
        except ApiError:
            _leave(provider, sign_ins, g.sign_in)
            raise
        session[COOKIE_FIELD] = g.sign_in.id
        log.info("signed_in", user=person.id)
        return redirect(target, 303)

    @pages.post("/sign-out")
    @public
    def sign_out() -> AnyResponse:
        leaving = g.sign_in
        session.clear()
        if leaving is None:
            return redirect(url_for("auth.welcome"), 303)
        _leave(provider, sign_ins, leaving)
        try:
            return redirect(provider.end_session_url(leaving.tokens), 303)
        except ProviderUnreachable:
            return redirect(url_for("auth.welcome"), 303)

    @pages.post("/back-channel")
    @public
    def back_channel() -> Response:
        claims = provider.logout_claims(request.form.get("logout_token", ""))
        if claims is None or not sign_ins.is_new_statement(claims["jti"], STATEMENT_SECONDS):
            return Response("The logout token was not accepted.", 400, content_type="text/plain")
        log.info("signed_out_by_provider", sessions=sign_ins.end_all_of(claims["sid"]))
        return Response(status=200)

    @pages.errorhandler(SignInRefused)
    def refused(problem: SignInRefused) -> tuple[str, int]:
        return render_template("auth/refused.html", message=str(problem)), 403

    return pages


def _leave(provider: Provider, sign_ins: SignIns, leaving: SignIn) -> None:
    """End the sign-in here first, whatever becomes of the provider."""
    sign_ins.end(leaving)
    g.sign_in = None
    provider.revoke(leaving.tokens)
