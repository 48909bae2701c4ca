"""The guard in front of every route: a good token, made for a surface that the route admits, or a public route."""

from __future__ import annotations

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
    """Put the guard before every request. Raises LookupError for a route whose view does not describe itself."""
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}
    unknown = sorted(endpoint for endpoint in endpoints if spec_of(app, endpoint) is None)
    if unknown:
        raise LookupError(f"no description, and so no admission, is given for {', '.join(unknown)}")
    protector = ResourceProtector()
    protector.register_token_validator(validator)

    @app.before_request
    def admit() -> None:
        spec = spec_of(app, request.endpoint) if request.endpoint else None
        if spec is not None and spec.is_public:
            return
        # an unknown address is refused to strangers first, so that they cannot map the routes
        g.caller = _acquire(protector)
        if spec is not None and not spec.surfaces & g.caller.surfaces:
            raise WrongSurface(f"This takes a token made for {' or '.join(sorted(spec.surfaces))}.")


def caller() -> Caller:
    """The caller that the token of this request names."""
    found: Caller = g.caller
    return found


def actor(control_plane: Services) -> Actor:
    """The user behind this request, with the rights that their record gives now. Raises UnknownUser."""
    found = g.actor = control_plane.callers.actor_for(caller(), g.request_id)
    return found


def _acquire(protector: ResourceProtector) -> Caller:
    """The caller of this request. Raises Problem: 401 with a challenge (RFC 6750 section 3), 503 without keys."""
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
        # of another scheme than Bearer, Authlib says that it is not supported, in no words for people
        is_token = error.error == "invalid_token"
        detail = error.description if is_token else "Send exactly one Authorization header, with the scheme Bearer."
        raise Problem(401, "invalid_token", detail, headers=_challenge(detail)) from None
    return found


def _challenge(description: str) -> dict[str, str]:
    """`description` never repeats anything of the token."""
    return {"WWW-Authenticate": f'{CHALLENGE}, error="invalid_token", error_description="{description}"'}
