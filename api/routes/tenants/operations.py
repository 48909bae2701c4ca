"""Routes of operations: read one, wait for its end, cancel it, retry a failed step."""

from __future__ import annotations

from contextlib import suppress

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_response, retry_after
from api.http.route_spec import RUNNING, route_spec
from api.schemas.models import WaitQuery
from api.schemas.tenants.operations import OperationResponse
from shared.application.services import Services
from shared.core import errors


def operation_routes(services: Services) -> Blueprint:
    routes = Blueprint("operations", __name__, url_prefix="/operations")
    operations = services.operations

    @routes.get("/<id:operation_id>")
    @route_spec("Get an operation with its steps", {200: OperationResponse}, headers=RUNNING)
    def get_operation(operation_id: str, query: WaitQuery) -> Response:
        operation = operations.wait_for(operation_id, actor(services), query.wait)
        return json_response(OperationResponse.of(operation), headers=retry_after(operation))

    @routes.post("/<id:operation_id>/cancel")
    @route_spec(
        "Cancel an operation: steps that have not run are skipped; may be repeated",
        {200: OperationResponse},
        problems=(errors.Forbidden, errors.ActionNotPossible),
    )
    def cancel_operation(operation_id: str) -> Response:
        return json_response(OperationResponse.of(operations.cancel(operation_id, actor(services))))

    @routes.post("/<id:operation_id>/steps/<step>/retry")
    @route_spec(
        "Retry a failed step of the tenant's latest operation",
        {202: OperationResponse},
        problems=(errors.Forbidden, errors.OperationInProgress, errors.ActionNotPossible),
        headers=RUNNING,
    )
    def retry_step(operation_id: str, step: str, query: WaitQuery) -> Response:
        operation = operations.retry(operation_id, step, actor(services))
        if query.wait:
            # the retry has started: a 503 would make the caller repeat it, and get "the step has not failed"
            with suppress(errors.StoreUnavailable):
                operation = operations.wait_for(operation.id, actor(services), query.wait)
        return json_response(OperationResponse.of(operation), 202, retry_after(operation))

    return routes
