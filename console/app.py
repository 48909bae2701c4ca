"""The console's composition root."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import flask_bootstrap
from flask import Flask
from flask_bootstrap import Bootstrap5
from redis import Redis

from client.connection import Connection
from client.transport import open_session
from console.auth.people import People
from console.auth.provider import Provider
from console.auth.session import RequestTokens, Sessions, require_sign_in
from console.auth.sign_in_pages import sign_in_pages
from console.auth.sign_ins import PendingSignIns, SignIns
from console.auth.sign_out_pages import sign_out_pages
from console.auth.vault import Vault
from console.pages import all_pages
from console.pages.health import health_pages
from console.settings import ConsoleSettings
from console.web.api import API, PEOPLE
from console.web.errors import show_errors_as_pages
from console.web.navigation import add_navigation
from console.web.requests_log import configure_logs, log_requests
from console.web.security import limit_sign_in, secure
from console.web.static_files import add_system_theme, version_files
from console.web.words import add_words

REDIS_SECONDS = 3
#: how long the API may take. The error page must arrive before a proxy gives up, so slow responses are not repeated
API_SECONDS = 8
BOOTSTRAP_STYLES = "static/bootstrap5/css/bootstrap.min.css"


def create_app(settings: ConsoleSettings) -> Flask:
    """Build the WSGI application. It opens connections of its own, so build it after forking."""
    configure_logs(settings.log_level, settings.log_format)
    app = Flask("console")
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    Bootstrap5(app)
    add_system_theme(app, Path(flask_bootstrap.__file__).parent / BOOTSTRAP_STYLES)
    log_requests(app)
    csrf = secure(app, settings)
    redis = Redis.from_url(
        settings.redis_url.get_secret_value(), socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
    )
    vault = Vault([key.get_secret_value() for key in settings.secret_keys])
    sign_ins = SignIns(redis, vault, timedelta(hours=settings.session_hours), timedelta(hours=settings.idle_hours))
    provider = Provider(app, settings, PendingSignIns(redis, vault))
    sessions = Sessions(sign_ins, provider)
    http = open_session(settings.ca_certs, retries=1, repeat_slow=False, user_agent="dezky-console")
    api = Connection(settings.api_url, http, RequestTokens(sessions), API_SECONDS, key_seconds=API_SECONDS)
    people = People(sign_ins, api)
    app.extensions.update({API: api, PEOPLE: people})
    add_words(app)
    version_files(app)
    sign_in, sign_out = sign_in_pages(provider, sign_ins, people), sign_out_pages(provider, sign_ins, csrf)
    for pages in (sign_in, sign_out, health_pages(redis), *all_pages()):
        app.register_blueprint(pages)
    require_sign_in(app, sessions)
    add_navigation(app, people)
    limit_sign_in(app, settings)
    show_errors_as_pages(app)
    return app
