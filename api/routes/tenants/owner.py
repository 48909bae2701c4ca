"""Route of a tenant's owner: another invitation."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.route_spec import STARTED, route_spec
from api.routes.tenants.tenants import started
from api.schemas.query_model import WaitQuery
from api.schemas.tenants.tenants import TenantResponse
from shared.application.services import Services
from shared.core import errors


def owner_routes(services: Services) -> Blueprint:
    routes = Blueprint("owner", __name__, url_prefix="/tenants/<slug>/owner")
    tenants = services.tenants

    @routes.post("/invitation")
    @route_spec(
        "Send the owner another invitation, by a reconcile",
        {202: TenantResponse},
        problems=(errors.Forbidden, errors.OperationInProgress, errors.ActionNotPossible),
        headers=STARTED,
    )
    def invite_owner(slug: str, query: WaitQuery) -> Response:
        return started(services, tenants.invite_owner(slug, actor(services)), query.wait, 202)

    return routes
