"""Route of the plan catalogue."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_list_response
from api.http.route_spec import route_spec
from api.schemas.tenants.plans import PlanResponse
from shared.application.services import Services
from shared.config.plans import Plan


def plan_routes(services: Services, plans: Mapping[str, Plan]) -> Blueprint:
    routes = Blueprint("plans", __name__, url_prefix="/plans")

    @routes.get("")
    @route_spec("List the plans that a tenant can have, with their quotas", {200: [PlanResponse]})
    def list_plans() -> Response:
        actor(services)
        return json_list_response([PlanResponse(name=name, **dict(plan)) for name, plan in plans.items()])

    return routes
