"""Pages that sign a person in."""

from __future__ import annotations

import structlog
from flask import Blueprint, g, redirect, render_template, request, session
from werkzeug.wrappers import Response

from client.errors import ApiError, PlatformError
from console.auth.people import People
from console.auth.provider import Provider, SignInRefused
from console.auth.session import COOKIE_FIELD, own_path
from console.auth.sign_ins import SignIns
from console.auth.sign_out_pages import leave
from console.marks import public

log = structlog.get_logger(__name__)

NEXT_FIELD = "next"
OPERATOR = (
    "If this happens to everybody, an operator must check that the API's OIDC_ISSUERS contains CONSOLE_ISSUER and "
    "that its OIDC_AUDIENCES contains CONSOLE_CLIENT_ID."
)


def sign_in_pages(provider: Provider, sign_ins: SignIns, people: People) -> Blueprint:
    pages = Blueprint("sign_in", __name__, url_prefix="/auth")

    @pages.get("/")
    @public
    def welcome() -> str:
        return render_template("auth/welcome.html", next=own_path(request.args.get("next")))

    @pages.get("/sign-in")
    @public
    def begin() -> Response:
        session[NEXT_FIELD] = own_path(request.args.get("next"))
        return provider.sign_in_redirect()

    @pages.get("/callback")
    @public
    def callback() -> Response:
        target = own_path(session.get(NEXT_FIELD))
        tokens, provider_session = provider.tokens_of_callback()
        if g.sign_in is not None:
            sign_ins.end(g.sign_in)
        session.clear()
        g.sign_in = begun = sign_ins.begin(tokens, provider_session)
        try:
            person = people.recorded()
        except PlatformError as problem:
            # a refused token was renewed before the request was repeated
            leave(provider, sign_ins, g.sign_in or begun)
            if isinstance(problem, ApiError) and problem.status in (401, 403):
                raise SignInRefused(f"The platform's API refuses this sign-in: {problem.detail}", OPERATOR) from None
            raise
        session[COOKIE_FIELD] = g.sign_in.id
        log.info("signed_in", user=person.id)
        return redirect(target, 303)

    return pages
