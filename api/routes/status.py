"""What is wrong now, all operations, and how they ended, over HTTP. Everything is within the caller's scope."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.operation_params import OperationListQuery, SummaryQuery
from api.http.query_params import next_link
from api.http.responses import answer, answer_list
from api.http.route_spec import PAGED, described
from api.schemas.operations import OperationAnswer
from api.schemas.status import StatusAnswer, SummaryAnswer
from shared.application.services import ControlPlane


def status_routes(control_plane: ControlPlane) -> Blueprint:
    routes = Blueprint("status", __name__)
    status = control_plane.status

    @routes.get("/status")
    @described("List what is wrong now, grouped by integration and reason", {200: StatusAnswer})
    def get_status() -> Response:
        return answer(StatusAnswer.of(status.status(actor(control_plane))))

    @routes.get("/operations")
    @described("List the operations you may see, newest first", {200: [OperationAnswer]}, headers=PAGED)
    def list_operations(query: OperationListQuery) -> Response:
        page = status.page(actor(control_plane), query.tenant, query.to_domain())
        return answer_list([OperationAnswer.of(one) for one in page.items], next_link(page.next))

    @routes.get("/operations/summary")
    @described(
        "Count operations and their outcomes by the hour, and the time until tenants were active", {200: SummaryAnswer}
    )
    def summarize_operations(query: SummaryQuery) -> Response:
        return answer(SummaryAnswer.of(status.summary(actor(control_plane), query.tenant, query.hours)))

    return routes
