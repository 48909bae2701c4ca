"""Routes of partners."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import etag, json_list_response, json_response, next_link
from api.http.route_spec import ETAG, OPERATOR, PAGED, STAFF, expected_versions, route_spec
from api.schemas.accounts.partners import CreatePartnerRequest, PartnerResponse, UpdatePartnerRequest
from api.schemas.models import ListQuery
from shared.accounts.partner import Partner
from shared.application.services import Services
from shared.core import errors


def partner_routes(services: Services) -> Blueprint:
    routes = Blueprint("partners", __name__, url_prefix="/partners")
    partners = services.partners

    @routes.get("")
    @route_spec("List the partners you may see, newest first", {200: [PartnerResponse]}, surfaces=STAFF, headers=PAGED)
    def list_partners(query: ListQuery) -> Response:
        page = partners.page(actor(services), query.limit, query.cursor)
        return json_list_response([PartnerResponse.of(partner) for partner in page.items], next_link(page.next))

    @routes.post("")
    @route_spec(
        "Create a partner",
        {201: PartnerResponse},
        surfaces=OPERATOR,
        problems=(errors.Forbidden, errors.SlugTaken),
        headers=("ETag", "Location"),
    )
    def create_partner(body: CreatePartnerRequest) -> Response:
        partner = partners.create(body.slug, body.name, actor(services))
        return _respond(partner, 201, {"Location": f"/partners/{partner.id}"})

    @routes.get("/<id:partner_id>")
    @route_spec("Get a partner", {200: PartnerResponse}, surfaces=STAFF, headers=ETAG)
    def get_partner(partner_id: str) -> Response:
        return _respond(partners.get(partner_id, actor(services)))

    @routes.patch("/<id:partner_id>")
    @route_spec(
        "Rename a partner",
        {200: PartnerResponse},
        surfaces=OPERATOR,
        problems=(errors.Forbidden,),
        headers=ETAG,
        takes_version=True,
    )
    def change_partner(partner_id: str, body: UpdatePartnerRequest) -> Response:
        return _respond(partners.rename(partner_id, body.name, actor(services), expected_versions()))

    @routes.delete("/<id:partner_id>")
    @route_spec(
        "Delete a partner without tenants and users",
        {204: None},
        surfaces=OPERATOR,
        problems=(errors.Forbidden, errors.PartnerInUse),
        takes_version=True,
    )
    def delete_partner(partner_id: str) -> Response:
        partners.delete(partner_id, actor(services), expected_versions())
        return Response(status=204)

    return routes


def _respond(partner: Partner, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return json_response(PartnerResponse.of(partner), status, etag(partner.version) | (headers or {}))
