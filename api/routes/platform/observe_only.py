"""Routes of observe-only mode, in which nothing is changed outside."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_response
from api.http.route_spec import OPERATOR, route_spec
from api.schemas.platform.integrations import ObserveOnlyRequest, ObserveOnlyResponse
from shared.application.services import Services
from shared.core import errors

PROBLEMS = (errors.Forbidden,)


def observe_only_routes(services: Services) -> Blueprint:
    routes = Blueprint("observe_only", __name__)
    observe_only = services.observe_only

    @routes.get("/observe-only")
    @route_spec(
        "Get the state of observe-only mode",
        {200: ObserveOnlyResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def get_observe_only() -> Response:
        return json_response(ObserveOnlyResponse.of(observe_only.state(actor(services))))

    @routes.post("/observe-only")
    @route_spec(
        "Enter observe-only mode: dry runs and checks go on, other operations are accepted and wait",
        {200: ObserveOnlyResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def begin_observe_only(body: ObserveOnlyRequest) -> Response:
        return json_response(ObserveOnlyResponse.of(observe_only.begin(body.reason, actor(services))))

    @routes.delete("/observe-only")
    @route_spec(
        "Leave observe-only mode: waiting operations begin, and all tenants and integrations are checked",
        {200: ObserveOnlyResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def end_observe_only() -> Response:
        return json_response(ObserveOnlyResponse.of(observe_only.end(actor(services))))

    return routes
