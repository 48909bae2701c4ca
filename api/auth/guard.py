"""Admit a request only with a valid token for a surface of the route, or to a public route."""

from __future__ import annotations

from dataclasses import replace

from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import MissingAuthorizationError
from flask import Flask, g, request

from api.auth.claims import TokenExpired
from api.auth.jwks import KeysUnavailable
from api.auth.tokens import AccessTokenValidator
from api.http.problem_details import Problem
from api.http.route_spec import spec_of
from shared.application.services import Services
from shared.core.errors import WrongSurface
from shared.rights.policy import Actor, Caller

CHALLENGE = 'Bearer realm="dezky-platform-api"'


def guard(app: Flask, validator: AccessTokenValidator) -> None:
    """Check every request. Raises LookupError for a route whose view has no route_spec."""
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    unknown = sorted(endpoint for endpoint in endpoints if spec_of(app, endpoint) is None)
    if unknown:
        raise LookupError(f"route_spec is missing on the views of {', '.join(unknown)}")
    protector = ResourceProtector()
    protector.register_token_validator(validator)

    @app.before_request
    def admit() -> None:
        spec = spec_of(app, request.endpoint) if request.endpoint else None
        if spec is not None and spec.is_public:
            return
        # authenticate unknown paths too, so that anonymous callers cannot enumerate routes
        g.caller = _acquire(protector)
        if spec is not None and not spec.surfaces & g.caller.surfaces:
            raise WrongSurface(spec.surfaces, g.caller.surfaces)


def caller() -> Caller:
    """Return the caller that this request's token names."""
    found: Caller = g.caller
    return found


def actor(services: Services) -> Actor:
    """Return the user of this request, with the current rights of their record. Raises UnknownUser."""
    found = services.sign_in.actor_for(caller(), g.request_id)
    if "claim" in g:
        found = replace(found, claim=g.claim)
    g.actor = found
    return found


def _acquire(protector: ResourceProtector) -> Caller:
    """Authenticate this request. Raises Problem: 401 with a challenge (RFC 6750 section 3), 503 without keys."""
    try:
        found: Caller = protector.acquire_token()
    except KeysUnavailable as problem:
        detail = "The identity provider's keys cannot be fetched at the moment; try again shortly."
        headers = {"Retry-After": str(problem.retry_after)}
        raise Problem(503, "keys_unavailable", detail, retryable=True, headers=headers) from None
    except MissingAuthorizationError:
        detail = "Send an access token in the Authorization header."
        raise Problem(401, "missing_token", detail, headers={"WWW-Authenticate": CHALLENGE}) from None
    except TokenExpired as error:
        raise Problem(401, "token_expired", error.description, headers=_challenge(error.description)) from None
    except OAuth2Error as error:
        # for another scheme than Bearer, Authlib's message does not help people
        is_token = error.error == "invalid_token"
        detail = error.description if is_token else "Send exactly one Authorization header, with the scheme Bearer."
        raise Problem(401, "invalid_token", detail, headers=_challenge(detail)) from None
    return found


def _challenge(description: str) -> dict[str, str]:
    """Return the WWW-Authenticate header. `description` must not repeat anything of the token."""
    return {"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token", error_description="{description}"'}
