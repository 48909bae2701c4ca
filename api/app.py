"""The API's composition root."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from flask import Flask

from api.auth.guard import guard
from api.auth.token import TokenVerifier
from api.health import health_routes
from api.operations import operation_routes
from api.problems import answer_problems
from api.tenants import tenant_routes
from api.tracing import trace
from api.users import user_routes
from shared.control_plane import ControlPlane
from shared.dispatch.sender import Dispatcher
from shared.logs import configure_logs
from shared.settings import Settings
from shared.store.opening import open_store


def create_app(settings: Settings) -> Flask:
    """A WSGI app with connections of its own: make it after forking. Nothing is asked of the database yet."""
    configure_logs(settings.log_level, settings.log_format)
    dispatcher = Dispatcher(settings.redis_url.get_secret_value())
    control_plane = ControlPlane(open_store(settings), dispatcher, settings)
    app = Flask("dezky-platform-api", static_folder=None)
    app.url_map.strict_slashes = False
    trace(app)
    answer_problems(app)
    app.register_blueprint(health_routes(control_plane, _version()))
    app.register_blueprint(tenant_routes(control_plane, next(iter(settings.plans))))
    app.register_blueprint(operation_routes(control_plane))
    app.register_blueprint(user_routes(control_plane))
    guard(app, TokenVerifier(settings), control_plane)
    return app


def _version() -> str:
    try:
        return version("dezky-platform-api")
    except PackageNotFoundError:
        return "unknown"
