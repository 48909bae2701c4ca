"""People over HTTP: who am I."""

from __future__ import annotations

from flask import Blueprint, Response

from api.answers import UserAnswer, answer
from api.auth.guard import caller
from api.queries import require_known
from shared.control_plane import ControlPlane


def user_routes(control_plane: ControlPlane) -> Blueprint:
    routes = Blueprint("users", __name__, url_prefix="/users")

    @routes.get("/me")
    def me() -> Response:
        require_known(())
        return answer(UserAnswer.of(control_plane.record_caller(caller())))

    return routes
