"""Route that receives Stripe's events. It is public: the signature of the raw body replaces a token."""

from __future__ import annotations

import time

import structlog
from flask import Blueprint, Response, request

from api.http.problem_details import Problem
from api.http.request_input import raw_body
from api.http.route_spec import PUBLIC, route_spec
from shared.application.services import Services
from shared.billing.stripe_events import SIGNATURE_HEADER, BillingEvent, read_event
from shared.config.settings import Settings
from shared.core import errors
from shared.core.signatures import BadSignature

log = structlog.get_logger(__name__)


def stripe_routes(services: Services, settings: Settings) -> Blueprint:
    routes = Blueprint("stripe", __name__, url_prefix="/stripe")
    secrets = [one.get_secret_value() for one in settings.stripe_webhook_secrets]

    @routes.post("/events")
    @route_spec(
        "Receive an event of Stripe; its subscription is then read from Stripe",
        {200: None},
        surfaces=PUBLIC,
        problems=(errors.StoreUnavailable,),
        signed_by=SIGNATURE_HEADER,
    )
    def take_event() -> Response:
        # 200 also for unknown events, because Stripe would send them again for days
        services.billing.receive(_read_event(secrets))
        return Response(status=200)

    return routes


def _read_event(secrets: list[str]) -> BillingEvent:
    """Read the event of this request. Raises Problem (400, 403, 413, 415)."""
    # check the headers before reading the body
    if SIGNATURE_HEADER not in request.headers:
        raise Problem(403, "bad_signature", f"The header {SIGNATURE_HEADER} is missing.")
    if request.mimetype not in ("", "application/json"):
        raise Problem(415, "unsupported_media_type", "Send JSON, with Content-Type: application/json.")
    try:
        return read_event(raw_body(), dict(request.headers), secrets, time.time())
    except BadSignature as problem:
        log.warning("stripe.event_refused", why=str(problem))
        raise Problem(403, "bad_signature", "The event is not proven to be Stripe's and of now.") from None
    except ValueError:
        raise Problem(400, "malformed_json", "The body is not an event of Stripe's.") from None
