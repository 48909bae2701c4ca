"""The door's guard: no route is reached without a good token, unless its own description lets anybody in."""

from __future__ import annotations

from flask import Flask, g, request

from api.auth.tokens import TokenVerifier, refused
from api.http.route_spec import spec_of
from shared.application.services import ControlPlane
from shared.core.errors import WrongSurface
from shared.provisioning.policy import Actor, Caller


def guard(app: Flask, verifier: TokenVerifier) -> None:
    """Put the guard before every request. Raises LookupError for a route whose view does not describe itself."""
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    unknown = sorted(endpoint for endpoint in endpoints if spec_of(app, endpoint) is None)
    if unknown:
        raise LookupError(f"no description, and so no admission, is given for {', '.join(unknown)}")

    @app.before_request
    def admit() -> None:
        description = spec_of(app, request.endpoint) if request.endpoint else None
        if description is not None and description.is_public:
            return
        # an address nobody answers is refused to strangers first, so that they cannot map the routes
        g.caller = verifier.verify(_bearer())
        if description is not None and not description.surfaces & g.caller.surfaces:
            raise WrongSurface(f"This takes a token made for {' or '.join(sorted(description.surfaces))}.")


def caller() -> Caller:
    """Who the token of this request says is asking."""
    found: Caller = g.caller
    return found


def actor(control_plane: ControlPlane) -> Actor:
    """The user behind this request, with the rights their record gives now. Raises UnknownUser."""
    return control_plane.callers.actor_for(caller(), g.request_id)


def _bearer() -> str:
    header = request.headers.get("Authorization")
    if header is None:
        raise refused("missing_token", "Send an access token in the Authorization header.")
    # WSGI hands over several headers as one, with commas, which no token has
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise refused("invalid_token", "Send exactly one Authorization header, with the scheme Bearer.")
    return token.strip()
