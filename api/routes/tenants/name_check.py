"""Whether names are free, over HTTP, before a tenant is made."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.query_params import NameCheckQuery
from api.http.responses import json_response
from api.http.route_spec import STAFF, route_spec
from api.schemas.tenants.tenants import NameCheckResponse
from shared.application.services import ControlPlane
from shared.core import errors


def name_check_routes(control_plane: ControlPlane) -> Blueprint:
    routes = Blueprint("name_check", __name__, url_prefix="/tenants/check")

    @routes.get("")
    @route_spec(
        "Whether a slug or a domain is free for a tenant of yours",
        {200: NameCheckResponse},
        surfaces=STAFF,
        problems=(errors.Forbidden,),
    )
    def check_names(query: NameCheckQuery) -> Response:
        found = control_plane.tenants.check(query.slug, query.domain, actor(control_plane))
        return json_response(NameCheckResponse.of(*found))

    return routes
