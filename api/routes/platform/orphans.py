"""Routes of orphans: list them, scan for them, remove them."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_list_response, json_response, next_link
from api.http.route_spec import PAGED, operator_route
from api.schemas.platform.orphans import OrphanListQuery, OrphanResponse, OrphanScanResponse
from shared.application.services import Services
from shared.core import errors


def orphan_routes(services: Services) -> Blueprint:
    routes = Blueprint("orphans", __name__, url_prefix="/orphans")
    orphans = services.orphans

    @routes.get("")
    @operator_route(
        "List the objects outside that carry our ownership marker and belong to no living tenant, newest first",
        {200: [OrphanResponse]},
        headers=PAGED,
    )
    def list_orphans(query: OrphanListQuery) -> Response:
        page = orphans.page(query.to_value(), actor(services))
        return json_list_response(list(map(OrphanResponse.of, page.items)), next_link(page.next))

    @routes.get("/looks")
    @operator_route("List the latest orphan scan of each integration", {200: [OrphanScanResponse]})
    def list_orphan_scans() -> Response:
        return json_list_response(list(map(OrphanScanResponse.of, orphans.scans(actor(services)))))

    @routes.post("/look")
    @operator_route("Scan all integrations for orphans now", {202: [OrphanScanResponse]})
    def start_orphan_scan() -> Response:
        return json_list_response(list(map(OrphanScanResponse.of, orphans.request_scan(actor(services)))), status=202)

    @routes.get("/<id:orphan_id>")
    @operator_route("Get an orphan and the state of its removal", {200: OrphanResponse})
    def get_orphan(orphan_id: str) -> Response:
        return json_response(OrphanResponse.of(orphans.get(orphan_id, actor(services))))

    @routes.delete("/<id:orphan_id>")
    @operator_route(
        "Remove a removable orphan with all its contents; this cannot be undone",
        {202: OrphanResponse},
        problems=(errors.Forbidden, errors.NotRemovable, errors.ObserveOnly),
    )
    def remove_orphan(orphan_id: str) -> Response:
        return json_response(OrphanResponse.of(orphans.remove(orphan_id, actor(services))), 202)

    return routes
