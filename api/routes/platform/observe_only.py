"""Observe-only over HTTP: nothing is changed outside until an operator ends it."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_response
from api.http.route_spec import OPERATOR, route_spec
from api.schemas.fields import Name
from api.schemas.platform.integrations import ObserveOnlyResponse
from api.schemas.request_model import RequestModel, example
from shared.application.services import Services
from shared.core import errors

PROBLEMS = (errors.Forbidden,)


class ObserveOnlyRequest(RequestModel):
    """Why; kept, and shown on every step that waits for it."""

    model_config = example({"reason": "the database was restored from a backup"})

    reason: Name


def observe_only_routes(control_plane: Services) -> Blueprint:
    routes = Blueprint("observing", __name__)
    observing = control_plane.observing

    @routes.get("/observe-only")
    @route_spec(
        "Whether the platform only observes, why and since when",
        {200: ObserveOnlyResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def get_observe_only() -> Response:
        return json_response(ObserveOnlyResponse.of(observing.state(actor(control_plane))))

    @routes.post("/observe-only")
    @route_spec(
        "Change nothing outside from now on: plans and looks go on, everything else is accepted and waits",
        {200: ObserveOnlyResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def begin_observe_only(body: ObserveOnlyRequest) -> Response:
        return json_response(ObserveOnlyResponse.of(observing.begin(body.reason, actor(control_plane))))

    @routes.delete("/observe-only")
    @route_spec(
        "Go on: what has waited begins, and all tenants and products are looked at",
        {200: ObserveOnlyResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def end_observe_only() -> Response:
        return json_response(ObserveOnlyResponse.of(observing.end(actor(control_plane))))

    return routes
