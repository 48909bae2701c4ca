"""Routes of diagnostics: request a run, which a scheduler carries out, and read its result."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_response
from api.http.route_spec import operator_route
from api.schemas.operations.diagnostics import DiagnosisResponse
from shared.application.services import Services
from shared.diagnostics.model import RunStatus


def diagnostics_routes(services: Services) -> Blueprint:
    routes = Blueprint("diagnostics", __name__, url_prefix="/diagnostics")
    diagnostics = services.diagnostics

    @routes.post("")
    @operator_route(
        "Start a diagnostics run: integrations, rights, DNS, TLS, workers and queues",
        {202: DiagnosisResponse},
        headers=("Location", "Retry-After"),
    )
    def start_diagnostics() -> Response:
        run = diagnostics.start(actor(services))
        headers = {"Location": f"/diagnostics/{run.id}", "Retry-After": "2"}
        return json_response(DiagnosisResponse.of(run), 202, headers)

    @routes.get("/<id:run_id>")
    @operator_route("Get a diagnostics run", {200: DiagnosisResponse}, headers=("Retry-After",))
    def get_diagnostics(run_id: str) -> Response:
        run = diagnostics.get(run_id, actor(services))
        headers = {} if run.status is RunStatus.FINISHED else {"Retry-After": "2"}
        return json_response(DiagnosisResponse.of(run), 200, headers)

    return routes
