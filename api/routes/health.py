"""Routes of health, public. They call no integration, so that an integration's outage does not affect them."""

from __future__ import annotations

from typing import Literal

from flask import Blueprint, Response

from api.http.responses import json_response
from api.http.route_spec import PUBLIC, route_spec
from api.schemas.service import HealthResponse, ReadinessResponse
from shared.application.readiness import PlatformState
from shared.application.services import Services


def health_routes(services: Services, version: str) -> Blueprint:
    routes = Blueprint("health", __name__, url_prefix="/health")

    @routes.get("")
    @route_spec("Get the service's name and version", {200: HealthResponse}, surfaces=PUBLIC)
    def health() -> Response:
        return json_response(HealthResponse(service="dezky-platform-api", version=version))

    @routes.get("/live")
    @route_spec("Check liveness: the process responds", {200: HealthResponse}, surfaces=PUBLIC)
    def live() -> Response:
        return json_response(HealthResponse())

    @routes.get("/ready")
    @route_spec(
        "Check readiness; without the broker requests are still accepted (degraded)",
        {200: ReadinessResponse, 503: ReadinessResponse},
        surfaces=PUBLIC,
    )
    def ready() -> Response:
        parts = services.readiness.checks()
        is_ready = all(parts[name] for name in parts if name != "broker")
        status = "unavailable" if not is_ready else "ok" if parts["broker"] else "degraded"
        checks = {name: "up" if is_up else "down" for name, is_up in parts.items()}
        state = services.readiness.platform_state() if parts["mongodb"] else PlatformState({}, ())
        found = ReadinessResponse(
            status=status,  # type: ignore[arg-type]
            checks=checks,  # type: ignore[arg-type]
            integrations=_integrations(state),
            notices=list(state.notices) or None,  # type: ignore[arg-type]
        )
        return json_response(found, 200 if is_ready else 503)

    return routes


def _integrations(state: PlatformState) -> dict[str, Literal["ok", "failing", "paused"]]:
    found = state.switches.items()
    return {name: "paused" if one.pause else "failing" if one.is_open else "ok" for name, one in found}
