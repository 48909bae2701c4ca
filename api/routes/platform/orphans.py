"""Orphans over HTTP: what carries our mark outside and belongs to no living tenant; looking for it, removing it."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.query_params import OrphanListQuery, next_link
from api.http.responses import json_list_response, json_response
from api.http.route_spec import OPERATOR, PAGED, route_spec
from api.schemas.platform.orphans import OrphanLookResponse, OrphanResponse
from shared.application.services import Services
from shared.core import errors

PROBLEMS = (errors.Forbidden,)


def orphan_routes(control_plane: Services) -> Blueprint:
    routes = Blueprint("orphans", __name__, url_prefix="/orphans")
    orphans = control_plane.orphans

    @routes.get("")
    @route_spec(
        "What was seen outside with our mark and belongs to no living tenant, newest first",
        {200: [OrphanResponse]},
        surfaces=OPERATOR,
        problems=PROBLEMS,
        headers=PAGED,
    )
    def list_orphans(query: OrphanListQuery) -> Response:
        page = orphans.page(query.to_domain(), actor(control_plane))
        return json_list_response(list(map(OrphanResponse.of, page.items)), next_link(page.next))

    @routes.get("/looks")
    @route_spec(
        "When each integration was last looked through for orphans, and what stopped a look",
        {200: [OrphanLookResponse]},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def list_looks() -> Response:
        return json_list_response(list(map(OrphanLookResponse.of, orphans.looks(actor(control_plane)))))

    @routes.post("/look")
    @route_spec(
        "Have every integration looked through now",
        {202: [OrphanLookResponse]},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def look() -> Response:
        return json_list_response(list(map(OrphanLookResponse.of, orphans.look(actor(control_plane)))), status=202)

    @routes.get("/<id:orphan_id>")
    @route_spec("One orphan, and how its removal stands", {200: OrphanResponse}, surfaces=OPERATOR, problems=PROBLEMS)
    def get_orphan(orphan_id: str) -> Response:
        return json_response(OrphanResponse.of(orphans.get(orphan_id, actor(control_plane))))

    @routes.delete("/<id:orphan_id>")
    @route_spec(
        "Have a removable orphan removed for good, with all that is in it; nothing brings it back",
        {202: OrphanResponse},
        surfaces=OPERATOR,
        problems=(errors.Forbidden, errors.NotRemovable, errors.ObserveOnly),
    )
    def remove_orphan(orphan_id: str) -> Response:
        return json_response(OrphanResponse.of(orphans.remove(orphan_id, actor(control_plane))), 202)

    return routes
