"""Security headers, cookies, CSRF protection and the limits of sign-in."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

from flask import Flask, Response, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from console.auth.session import FILES
from console.auth.vault import cookie_keys
from console.settings import ConsoleSettings

MAX_BODY_BYTES = 64 * 1024
YEAR = 31_536_000
#: limited for each address, because each costs the identity provider and Redis work
SIGN_IN = ("sign_in.begin", "sign_in.callback")
BACK_CHANNEL = "sign_out.back_channel"


def secure(app: Flask, settings: ConsoleSettings) -> CSRFProtect:
    """Set up headers, cookies and CSRF protection for one app."""
    first, *older = cookie_keys([key.get_secret_value() for key in settings.secret_keys])
    app.config.update(
        SECRET_KEY=first,
        SECRET_KEY_FALLBACKS=older,
        SESSION_COOKIE_NAME="__Host-console" if settings.is_secure else "console",
        SESSION_COOKIE_SECURE=settings.is_secure,
        SESSION_COOKIE_HTTPONLY=True,
        # the identity provider, another site, redirects back to the console
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        WTF_CSRF_TIME_LIMIT=None,
        WTF_CSRF_SSL_STRICT=settings.is_secure,
        BOOTSTRAP_SERVE_LOCAL=True,
    )
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    _add_headers(app, settings)
    return CSRFProtect(app)


def limit_sign_in(app: Flask, settings: ConsoleSettings) -> None:
    """Limit sign-in requests per address; without Redis each process counts its own."""
    limiter = Limiter(
        get_remote_address,
        app=app,
        storage_uri=settings.redis_url.get_secret_value(),
        storage_options={"socket_timeout": 2, "socket_connect_timeout": 2},
        in_memory_fallback_enabled=True,
        key_prefix="console:limit",
    )
    for endpoint in SIGN_IN:
        limited = limiter.shared_limit(settings.sign_in_limit, "sign-in")
        app.view_functions[endpoint] = cast(Any, limited(app.view_functions[endpoint]))
    # the provider ends many sessions from one address: tokens count that are invalid or cannot be verified now
    failed = limiter.limit(settings.sign_in_limit, deduct_when=lambda response: response.status_code != 200)
    app.view_functions[BACK_CHANNEL] = cast(Any, failed(app.view_functions[BACK_CHANNEL]))


def policy(issuer: str) -> str:
    """Build the Content-Security-Policy: own files only, nothing inline; forms may lead to the issuer (sign-out)."""
    parts = urlsplit(issuer)
    provider = f"{parts.scheme}://{parts.netloc}"
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": f"'self' {provider}",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _add_headers(app: Flask, settings: ConsoleSettings) -> None:
    headers = {
        "Content-Security-Policy": policy(settings.issuer),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    }
    if settings.is_secure:
        headers["Strict-Transport-Security"] = f"max-age={YEAR}"

    @app.after_request
    def add(response: Response) -> Response:
        response.headers.extend(headers)
        is_file = request.endpoint in FILES
        response.headers["Cache-Control"] = "public, max-age=86400" if is_file else "no-store"
        return response
