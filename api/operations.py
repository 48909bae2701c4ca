"""Operations over HTTP: how one stands, and waiting for its end."""

from __future__ import annotations

from flask import Blueprint, Response

from api.answers import OperationAnswer, answer
from api.auth.guard import actor
from api.queries import require_known, wait_seconds
from shared.control_plane import ControlPlane


def operation_routes(control_plane: ControlPlane) -> Blueprint:
    routes = Blueprint("operations", __name__, url_prefix="/operations")

    @routes.get("/<operation_id>")
    def get_operation(operation_id: str) -> Response:
        require_known(("wait",))
        operation = control_plane.wait_for(operation_id, actor(control_plane), wait_seconds())
        headers = {"Retry-After": "1"} if operation.is_open else {}
        return answer(OperationAnswer.of(operation), headers=headers)

    return routes
