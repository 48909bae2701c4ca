"""Routes of the platform's state: problems, all operations and their statistics, within the caller's scope."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_list_response, json_response, next_link
from api.http.route_spec import PAGED, route_spec
from api.schemas.operations.queries import OperationListQuery, SummaryQuery
from api.schemas.operations.status import StatusResponse, SummaryResponse
from api.schemas.tenants.operations import OperationResponse
from shared.application.services import Services


def status_routes(services: Services) -> Blueprint:
    routes = Blueprint("status", __name__)
    status = services.status

    @routes.get("/status")
    @route_spec("List current problems, grouped by integration and reason", {200: StatusResponse})
    def get_status() -> Response:
        return json_response(StatusResponse.of(status.status(actor(services))))

    @routes.get("/operations")
    @route_spec("List the operations you may see, newest first", {200: [OperationResponse]}, headers=PAGED)
    def list_operations(query: OperationListQuery) -> Response:
        page = status.page(actor(services), query.tenant, query.to_value())
        return json_list_response([OperationResponse.of(one) for one in page.items], next_link(page.next))

    @routes.get("/operations/summary")
    @route_spec(
        "Count operations and their outcomes by the hour",
        {200: SummaryResponse},
    )
    def summarize_operations(query: SummaryQuery) -> Response:
        return json_response(SummaryResponse.of(status.summary(actor(services), query.tenant, query.hours)))

    return routes
