"""The door's guard: no route is reached without a good token, unless it is public by this table."""

from __future__ import annotations

from flask import Flask, g, request

from api.auth.token import TokenVerifier, refused
from shared.control_plane import ControlPlane
from shared.domain.access import Actor, Caller
from shared.domain.errors import WrongSurface

ALL = frozenset({"portal", "partner", "operator"})
STAFF = frozenset({"partner", "operator"})

#: endpoints that anybody may call
PUBLIC = frozenset({"health.health", "health.live", "health.ready"})

#: endpoint to the surfaces it admits; a route in neither table stops the start
ADMITS: dict[str, frozenset[str]] = {
    "tenants.create_tenant": STAFF,
    "tenants.list_tenants": ALL,
    "tenants.get_tenant": ALL,
    "tenants.reconcile_tenant": ALL,
    "tenants.list_operations": ALL,
    "operations.get_operation": ALL,
    "users.me": ALL,
}


def guard(app: Flask, verifier: TokenVerifier, control_plane: ControlPlane) -> None:
    """Put the guard before every request. Raises LookupError for a route in neither table."""
    unknown = {rule.endpoint for rule in app.url_map.iter_rules()} - set(ADMITS) - PUBLIC
    if unknown:
        raise LookupError(f"no admission is given for {', '.join(sorted(unknown))}")

    @app.before_request
    def admit() -> None:
        # an address nobody answers is refused to strangers first, so that they cannot map the routes
        if request.endpoint in PUBLIC:
            return
        g.caller = verifier.verify(_bearer())
        if request.endpoint is not None and not ADMITS[request.endpoint] & g.caller.surfaces:
            raise WrongSurface(f"This takes a token made for {' or '.join(sorted(ADMITS[request.endpoint]))}.")

    app.extensions["control_plane"] = control_plane


def caller() -> Caller:
    """Who the token of this request says is asking."""
    found: Caller = g.caller
    return found


def actor(control_plane: ControlPlane) -> Actor:
    """The user behind this request, with the rights their record gives now. Raises UnknownUser."""
    return control_plane.actor_for(caller())


def _bearer() -> str:
    headers = request.headers.getlist("Authorization")
    if not headers:
        raise refused("missing_token", "Send an access token in the Authorization header.")
    scheme, _, token = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise refused("invalid_token", "Send exactly one Authorization header, with the scheme Bearer.")
    return token.strip()
