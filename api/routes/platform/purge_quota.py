"""Routes of the purge quota: the daily limit of automatic purges, and raising it for today."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_response
from api.http.route_spec import OPERATOR, route_spec
from api.schemas.platform.purge_quota import PurgeQuotaResponse, RaiseQuotaRequest
from shared.application.services import Services
from shared.core import errors

PROBLEMS = (errors.Forbidden,)


def purge_quota_routes(services: Services) -> Blueprint:
    routes = Blueprint("purge_quota", __name__, url_prefix="/purges")
    purges = services.purge_quota

    @routes.get("")
    @route_spec(
        "Get the quota of automatic purges: used in the last 24 hours, and waiting",
        {200: PurgeQuotaResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def get_purge_quota() -> Response:
        return json_response(PurgeQuotaResponse.of(purges.state(actor(services))))

    @routes.post("/allow")
    @route_spec(
        "Raise today's quota of automatic purges",
        {200: PurgeQuotaResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def raise_purge_quota(body: RaiseQuotaRequest) -> Response:
        return json_response(PurgeQuotaResponse.of(purges.allow(body.count, actor(services))))

    return routes
