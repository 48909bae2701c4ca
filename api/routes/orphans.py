"""Orphans over HTTP: what carries our mark outside and belongs to no living tenant; looking for it, removing it."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.query_params import OrphanListQuery, next_link
from api.http.responses import answer, answer_list
from api.http.route_spec import OPERATOR, PAGED, described
from api.schemas.orphans import OrphanAnswer, OrphanLookAnswer
from shared.application.services import ControlPlane
from shared.core import errors

PROBLEMS = (errors.Forbidden,)


def orphan_routes(control_plane: ControlPlane) -> Blueprint:
    routes = Blueprint("orphans", __name__, url_prefix="/orphans")
    orphans = control_plane.orphans

    @routes.get("")
    @described(
        "What was seen outside with our mark and belongs to no living tenant, newest first",
        {200: [OrphanAnswer]},
        surfaces=OPERATOR,
        problems=PROBLEMS,
        headers=PAGED,
    )
    def list_orphans(query: OrphanListQuery) -> Response:
        page = orphans.page(query.to_domain(), actor(control_plane))
        return answer_list(list(map(OrphanAnswer.of, page.items)), next_link(page.next))

    @routes.get("/looks")
    @described(
        "When each integration was last looked through for orphans, and what stopped a look",
        {200: [OrphanLookAnswer]},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def list_looks() -> Response:
        return answer_list(list(map(OrphanLookAnswer.of, orphans.looks(actor(control_plane)))))

    @routes.post("/look")
    @described(
        "Have every integration looked through now",
        {202: [OrphanLookAnswer]},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def look() -> Response:
        return answer_list(list(map(OrphanLookAnswer.of, orphans.look(actor(control_plane)))), status=202)

    @routes.get("/<id:orphan_id>")
    @described("One orphan, and how its removal stands", {200: OrphanAnswer}, surfaces=OPERATOR, problems=PROBLEMS)
    def get_orphan(orphan_id: str) -> Response:
        return answer(OrphanAnswer.of(orphans.get(orphan_id, actor(control_plane))))

    @routes.delete("/<id:orphan_id>")
    @described(
        "Have a removable orphan removed for good, with all that is in it; nothing brings it back",
        {202: OrphanAnswer},
        surfaces=OPERATOR,
        problems=(errors.Forbidden, errors.NotRemovable, errors.ObserveOnly),
    )
    def remove_orphan(orphan_id: str) -> Response:
        return answer(OrphanAnswer.of(orphans.remove(orphan_id, actor(control_plane))), 202)

    return routes
