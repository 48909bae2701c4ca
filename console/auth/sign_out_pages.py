"""Pages that sign a person out, and the identity provider's back-channel logout."""

from __future__ import annotations

import structlog
from flask import Blueprint, Response, g, redirect, request, session, url_for
from flask_wtf.csrf import CSRFProtect
from werkzeug.wrappers import Response as AnyResponse

from console.auth.provider import Provider, ProviderUnreachable
from console.auth.sign_ins import SignIn, SignIns
from console.marks import public

log = structlog.get_logger(__name__)

STATEMENT_SECONDS = 600


def sign_out_pages(provider: Provider, sign_ins: SignIns, csrf: CSRFProtect) -> Blueprint:
    pages = Blueprint("sign_out", __name__, url_prefix="/auth")

    @pages.post("/sign-out")
    @public
    def sign_out() -> AnyResponse:
        leaving = g.sign_in
        session.clear()
        if leaving is None:
            return redirect(url_for("sign_in.welcome"), 303)
        leave(provider, sign_ins, leaving)
        try:
            return redirect(provider.end_session_url(leaving.tokens), 303)
        except ProviderUnreachable:
            return redirect(url_for("sign_in.welcome"), 303)

    @pages.post("/back-channel")
    @public
    def back_channel() -> Response:
        claims = provider.logout_claims(request.form.get("logout_token", ""))
        if claims is None or not sign_ins.is_new_statement(claims["jti"], STATEMENT_SECONDS):
            return Response("The logout token was not accepted.", 400, content_type="text/plain")
        log.info("signed_out_by_provider", sessions=sign_ins.end_all_of(claims["sid"]))
        return Response(status=200)

    # the identity provider has no form of ours; its token is signed
    csrf.exempt(back_channel)
    return pages


def leave(provider: Provider, sign_ins: SignIns, leaving: SignIn) -> None:
    """Delete the sign-in, then revoke its tokens."""
    sign_ins.end(leaving)
    g.sign_in = None
    provider.revoke(leaving.tokens)
