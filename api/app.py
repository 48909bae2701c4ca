"""Compose the API: one Flask application over one store and one dispatcher."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import BaseConverter

from api.auth.guard import guard
from api.auth.replay_rights import ReplayRights
from api.auth.tokens import AccessTokenValidator
from api.http.idempotency import handle_idempotency_keys
from api.http.problem_details import register_error_handlers
from api.http.rate_limits import limit_requests
from api.http.request_log import log_requests
from api.http.response_headers import set_response_headers
from api.http.wait_slots import EXTENSION, WaitSlots
from api.openapi.docs_page import DocsPage, docs_routes
from api.openapi.generator import describe
from api.routes.accounts.partners import partner_routes
from api.routes.accounts.subscriptions import subscription_routes
from api.routes.accounts.users import user_routes
from api.routes.health import health_routes
from api.routes.operations.bulk import bulk_routes
from api.routes.operations.diagnostics import diagnostics_routes
from api.routes.operations.status import status_routes
from api.routes.platform.integrations import integration_routes, observe_only_routes, purge_quota_routes
from api.routes.platform.orphans import orphan_routes
from api.routes.tenants.domains import domain_routes
from api.routes.tenants.events import event_routes
from api.routes.tenants.lifecycle import lifecycle_routes
from api.routes.tenants.operations import operation_routes
from api.routes.tenants.tenants import availability_routes, owner_routes, plan_routes, tenant_routes
from api.routes.webhooks.stripe import stripe_routes
from api.routes.webhooks.webhooks import delivery_routes, webhook_routes
from api.startup import refuse_until_prepared
from shared.application.services import open_services
from shared.application.store import open_repositories
from shared.config.settings import Settings
from shared.config.sources import warn_of_former_names
from shared.core.logging import configure_logs
from shared.metrics.tracing import trace_api
from shared.operations.dispatcher import Dispatcher


class IdConverter(BaseConverter):
    """Match ids in paths; any other text matches no route, so the response is 404."""

    regex = "[0-9a-f]{24}"


def create_app(settings: Settings) -> Flask:
    """Create the WSGI application. It has its own connections, so call it after forking. It connects lazily."""
    configure_logs(settings.log_level, settings.log_format)
    warn_of_former_names()
    dispatcher = Dispatcher(settings.broker)
    store = open_repositories(settings)
    services = open_services(store, dispatcher, settings)
    app = Flask("dezky-platform-api", static_folder=None)
    app.url_map.strict_slashes = False
    # a redirect would use the scheme between the proxy and us, perhaps plain HTTP, and expose the token
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = IdConverter
    trace_api(app)
    log_requests(app)
    register_error_handlers(app)
    set_response_headers(app, settings.cors_origins)
    refuse_until_prepared(app, services)
    for routes in (
        health_routes(services, _version()),
        docs_routes(DocsPage(lambda: describe(app, _version(), settings.plans))),
        tenant_routes(services, next(iter(settings.plans))),
        availability_routes(services),
        domain_routes(services),
        plan_routes(services, settings.plans),
        lifecycle_routes(services),
        operation_routes(services),
        owner_routes(services),
        status_routes(services),
        bulk_routes(services),
        diagnostics_routes(services),
        user_routes(services),
        partner_routes(services),
        subscription_routes(services),
        event_routes(services),
        integration_routes(services),
        orphan_routes(services),
        purge_quota_routes(services),
        observe_only_routes(services),
        webhook_routes(services),
        delivery_routes(services),
        stripe_routes(services, settings),
    ):
        app.register_blueprint(routes)
    validator = AccessTokenValidator(settings, store.emergency_tokens.find)
    guard(app, validator)
    limit_requests(app, settings)
    handle_idempotency_keys(app, store.idempotency, ReplayRights(services))
    app.extensions["services"] = services
    app.extensions["token_validator"] = validator
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0)  # type: ignore[method-assign]
    app.extensions[EXTENSION] = WaitSlots(max(1, settings.request_threads // 4))
    return app


def _version() -> str:
    try:
        return version("dezky-platform-api")
    except PackageNotFoundError:
        return "unknown"
