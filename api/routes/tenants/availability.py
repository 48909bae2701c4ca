"""Route that checks whether names are free, for forms that validate while somebody types."""

from __future__ import annotations

from flask import Blueprint, Response
from pydantic import Field

from api.auth.guard import actor
from api.http.query_params import Query
from api.http.responses import ResponseModel, json_response
from api.http.route_spec import STAFF, route_spec
from api.schemas.fields import DomainName, OwnerEmail, Slug
from shared.application.services import Services
from shared.core import errors


class AvailabilityQuery(Query):
    slug: Slug | None = None
    domain: DomainName | None = None
    email: OwnerEmail | None = Field(None, description="an owner's address; its form is checked, not its existence")


class AvailabilityResponse(ResponseModel):
    """The availability of each requested name."""

    slug: bool | None = Field(None, description="whether it is free")
    domain: bool | None = Field(None, description="whether it is free")
    email: bool | None = Field(None, description="whether it can be an owner's")


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
