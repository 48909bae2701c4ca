"""Routes of integrations: state of breakers and pauses; pause and resume an integration, a tenant or all."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_list_response, json_response
from api.http.route_spec import OPERATOR, route_spec
from api.schemas.platform.integrations import IntegrationResponse, PauseRequest, TenantPauseResponse
from shared.application.services import Services
from shared.core import errors

PROBLEMS = (errors.Forbidden,)


def integration_routes(services: Services) -> Blueprint:
    routes = Blueprint("integrations", __name__)
    switches = services.switches

    @routes.get("/integrations")
    @route_spec(
        "List integrations with reachability, version, latency, circuit breakers and pauses",
        {200: [IntegrationResponse]},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def list_integrations() -> Response:
        found = switches.page(actor(services))
        run = services.diagnostics.latest()
        return json_list_response([IntegrationResponse.of(one).checked_by(run) for one in found])

    @routes.post("/integrations/<integration>/pause")
    @route_spec(
        "Pause an integration, or all: running attempts end, other steps are deferred",
        {200: IntegrationResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def pause_integration(integration: str, body: PauseRequest) -> Response:
        return json_response(IntegrationResponse.of(switches.pause(integration, body.reason, actor(services))))

    @routes.post("/integrations/<integration>/resume")
    @route_spec(
        "Resume an integration, or all; an open breaker is probed at once",
        {200: IntegrationResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def resume_integration(integration: str) -> Response:
        return json_response(IntegrationResponse.of(switches.resume(integration, actor(services))))

    @routes.post("/tenants/<slug>/pause")
    @route_spec(
        "Pause a tenant: running attempts end, other steps are deferred",
        {200: TenantPauseResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def pause_tenant(slug: str, body: PauseRequest) -> Response:
        return json_response(TenantPauseResponse.of_tenant(*switches.pause_tenant(slug, body.reason, actor(services))))

    @routes.post("/tenants/<slug>/unpause")
    @route_spec("End a tenant's pause", {200: TenantPauseResponse}, surfaces=OPERATOR, problems=PROBLEMS)
    def unpause_tenant(slug: str) -> Response:
        return json_response(TenantPauseResponse.of_tenant(*switches.unpause_tenant(slug, actor(services))))

    return routes
