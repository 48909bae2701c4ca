"""Route that checks whether names are free, for forms that validate while somebody types."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_response
from api.http.route_spec import STAFF, route_spec
from api.schemas.tenants.availability import AvailabilityQuery, AvailabilityResponse
from shared.application.services import Services
from shared.core import errors


def availability_routes(services: Services) -> Blueprint:
    routes = Blueprint("availability", __name__, url_prefix="/tenants")
    availability = services.availability

    @routes.get("/check")
    @route_spec(
        "Check whether a slug and a domain are free",
        {200: AvailabilityResponse},
        surfaces=STAFF,
        problems=(errors.Forbidden,),
    )
    def check_availability(query: AvailabilityQuery) -> Response:
        caller = actor(services)
        found = AvailabilityResponse(
            slug=None if query.slug is None else availability.is_slug_free(query.slug, caller),
            domain=None if query.domain is None else availability.is_domain_free(query.domain, caller),
            email=None if query.email is None else True,
        )
        return json_response(found)

    return routes
