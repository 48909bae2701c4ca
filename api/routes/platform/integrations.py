"""Routes that stop or limit work: pauses and breakers of integrations, observe-only mode, and the purge quota."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_list_response, json_response
from api.http.route_spec import operator_route
from api.schemas.platform.integrations import (
    IntegrationResponse,
    ObserveOnlyRequest,
    ObserveOnlyResponse,
    PauseRequest,
    PurgeQuotaResponse,
    RaiseQuotaRequest,
    TenantPauseResponse,
)
from shared.application.services import Services


def integration_routes(services: Services) -> Blueprint:
    routes = Blueprint("integrations", __name__)
    switches = services.switches

    @routes.get("/integrations")
    @operator_route(
        "List integrations with reachability, version, latency, circuit breakers and pauses",
        {200: [IntegrationResponse]},
    )
    def list_integrations() -> Response:
        found = switches.page(actor(services))
        run = services.diagnostics.latest()
        return json_list_response([IntegrationResponse.of(one).checked_by(run) for one in found])

    @routes.post("/integrations/<integration>/pause")
    @operator_route(
        "Pause an integration, or all: running attempts end, other steps are deferred", {200: IntegrationResponse}
    )
    def pause_integration(integration: str, body: PauseRequest) -> Response:
        return json_response(IntegrationResponse.of(switches.pause(integration, body.reason, actor(services))))

    @routes.post("/integrations/<integration>/resume")
    @operator_route("Resume an integration, or all; an open breaker is probed at once", {200: IntegrationResponse})
    def resume_integration(integration: str) -> Response:
        return json_response(IntegrationResponse.of(switches.resume(integration, actor(services))))

    @routes.post("/tenants/<slug>/pause")
    @operator_route("Pause a tenant: running attempts end, other steps are deferred", {200: TenantPauseResponse})
    def pause_tenant(slug: str, body: PauseRequest) -> Response:
        return json_response(TenantPauseResponse.of_tenant(*switches.pause_tenant(slug, body.reason, actor(services))))

    @routes.post("/tenants/<slug>/unpause")
    @operator_route("End a tenant's pause", {200: TenantPauseResponse})
    def unpause_tenant(slug: str) -> Response:
        return json_response(TenantPauseResponse.of_tenant(*switches.unpause_tenant(slug, actor(services))))

    return routes


def observe_only_routes(services: Services) -> Blueprint:
    routes = Blueprint("observe_only", __name__)
    observe_only = services.observe_only

    @routes.get("/observe-only")
    @operator_route("Get the state of observe-only mode", {200: ObserveOnlyResponse})
    def get_observe_only() -> Response:
        return json_response(ObserveOnlyResponse.of(observe_only.state(actor(services))))

    @routes.post("/observe-only")
    @operator_route(
        "Enter observe-only mode: dry runs and checks go on, other operations are accepted and wait",
        {200: ObserveOnlyResponse},
    )
    def begin_observe_only(body: ObserveOnlyRequest) -> Response:
        return json_response(ObserveOnlyResponse.of(observe_only.begin(body.reason, actor(services))))

    @routes.delete("/observe-only")
    @operator_route(
        "Leave observe-only mode: waiting operations begin, and all tenants and integrations are checked",
        {200: ObserveOnlyResponse},
    )
    def end_observe_only() -> Response:
        return json_response(ObserveOnlyResponse.of(observe_only.end(actor(services))))

    return routes


def purge_quota_routes(services: Services) -> Blueprint:
    routes = Blueprint("purge_quota", __name__, url_prefix="/purges")
    purges = services.purge_quota

    @routes.get("")
    @operator_route(
        "Get the quota of automatic purges: used in the last 24 hours, and waiting", {200: PurgeQuotaResponse}
    )
    def get_purge_quota() -> Response:
        return json_response(PurgeQuotaResponse.of(purges.state(actor(services))))

    @routes.post("/allow")
    @operator_route("Raise today's quota of automatic purges", {200: PurgeQuotaResponse})
    def raise_purge_quota(body: RaiseQuotaRequest) -> Response:
        return json_response(PurgeQuotaResponse.of(purges.allow(body.count, actor(services))))

    return routes
