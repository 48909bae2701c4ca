"""Routes of bulk operations: a dry run first, then the same tenants at a limited rate."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_response
from api.http.route_spec import route_spec
from api.schemas.operations.bulk import BulkOperationRequest, BulkOperationResponse
from shared.application.services import Services
from shared.bulk.model import BulkOperation, BulkStatus
from shared.core import errors


def bulk_routes(services: Services) -> Blueprint:
    routes = Blueprint("bulk", __name__, url_prefix="/bulk-operations")
    bulk = services.bulk

    @routes.post("")
    @route_spec(
        "Make a dry run of a bulk operation, or start the bulk operation of a dry run",
        {201: BulkOperationResponse, 202: BulkOperationResponse},
        problems=(errors.Forbidden, errors.NotFound, errors.ActionNotPossible),
        headers=("Location", "Retry-After"),
    )
    def create_bulk_operation(body: BulkOperationRequest) -> Response:
        if body.start is not None:
            return _respond(bulk.start(body.start, actor(services)), 202)
        assert body.action is not None and body.selector is not None  # noqa: S101, PT018 - the model has checked it
        return _respond(bulk.dry_run(body.action, body.selector.to_value(), actor(services)), 201)

    @routes.get("/<id:bulk_id>")
    @route_spec("Get a bulk operation's progress", {200: BulkOperationResponse}, headers=("Retry-After",))
    def get_bulk_operation(bulk_id: str) -> Response:
        return _respond(bulk.get(bulk_id, actor(services)), 200)

    @routes.post("/<id:bulk_id>/stop")
    @route_spec(
        "Stop a bulk operation for good: what it has begun goes on, other tenants are skipped; may be repeated",
        {200: BulkOperationResponse},
        problems=(errors.Forbidden, errors.ActionNotPossible),
    )
    def stop_bulk_operation(bulk_id: str) -> Response:
        return _respond(bulk.stop(bulk_id, actor(services)), 200)

    return routes


def _respond(bulk: BulkOperation, status: int) -> Response:
    headers = {"Location": f"/bulk-operations/{bulk.id}"} if status != 200 else {}
    if bulk.status is BulkStatus.RUNNING:
        headers["Retry-After"] = "2"
    return json_response(BulkOperationResponse.of(bulk), status, headers)
