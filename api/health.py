"""Health over HTTP, for whoever asks: never asks an outside system, so an upstream's outage never takes us down."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue

from shared.control_plane import ControlPlane


def health_routes(control_plane: ControlPlane, version: str) -> Blueprint:
    routes = Blueprint("health", __name__, url_prefix="/health")

    @routes.get("")
    def health() -> Response:
        return jsonify(status="ok", service="dezky-platform-api", version=version)

    @routes.get("/live")
    def live() -> Response:
        return jsonify(status="ok")

    @routes.get("/ready")
    def ready() -> ResponseReturnValue:
        parts = control_plane.readiness()
        all_up = all(parts.values())
        checks = {name: "up" if is_up else "down" for name, is_up in parts.items()}
        return jsonify(status="ok" if all_up else "unavailable", checks=checks), 200 if all_up else 503

    return routes
