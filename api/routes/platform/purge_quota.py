"""Removals that begin by themselves, over HTTP: how many a day, how many wait, and the word for more."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response
from pydantic import Field

from api.auth.guard import actor
from api.http.responses import json_response
from api.http.route_spec import OPERATOR, route_spec
from api.schemas.fields import WHOLE
from api.schemas.request_model import RequestModel, example
from api.schemas.service import PurgePaceResponse
from shared.application.services import Services
from shared.core import errors

PROBLEMS = (errors.Forbidden,)


class AllowanceRequest(RequestModel):
    """How many more may begin by themselves."""

    model_config = example({"count": 5})

    count: Annotated[int, Field(ge=1, le=1000), WHOLE]


def purge_quota_routes(control_plane: Services) -> Blueprint:
    routes = Blueprint("purges", __name__, url_prefix="/purges")
    purges = control_plane.purges

    @routes.get("")
    @route_spec(
        "How many removals of deleted tenants have begun by themselves in the last day, and how many wait",
        {200: PurgePaceResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def get_pace() -> Response:
        return json_response(PurgePaceResponse.of(purges.pace(actor(control_plane))))

    @routes.post("/allow")
    @route_spec(
        "Let so many more removals begin by themselves, beyond the day's",
        {200: PurgePaceResponse},
        surfaces=OPERATOR,
        problems=PROBLEMS,
    )
    def allow_purges(body: AllowanceRequest) -> Response:
        return json_response(PurgePaceResponse.of(purges.allow(body.count, actor(control_plane))))

    return routes
