"""A tenant's life over HTTP: suspend, resume, delete, restore, purge; its export and the receipt of its removal."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.query_params import WaitQuery
from api.http.responses import json_response, json_stream_response
from api.http.route_spec import OPERATOR, STAFF, STARTED, View, expected_versions, route_spec
from api.routes.tenants.tenants import started
from api.schemas.tenants.lifecycle import ExportResponse, ReceiptResponse
from api.schemas.tenants.tenants import SuspensionRequest, TenantResponse
from shared.application.services import Services
from shared.core import errors


def _begins(summary: str, surfaces: frozenset[str] = STAFF, *, takes_version: bool = False) -> Callable[[View], View]:
    """Describe a view that begins an operation of the tenant's life."""
    return route_spec(
        summary,
        {202: TenantResponse},
        surfaces=surfaces,
        problems=(errors.Forbidden, errors.OperationInProgress, errors.ActionNotPossible),
        headers=STARTED,
        takes_version=takes_version,
    )


def lifecycle_routes(control_plane: Services) -> Blueprint:
    routes = Blueprint("life", __name__, url_prefix="/tenants")
    life = control_plane.life

    @routes.post("/<slug>/suspend")
    @_begins("Cut all access and keep everything; our own doors close at once")
    def suspend_tenant(slug: str, body: SuspensionRequest, query: WaitQuery) -> Response:
        return started(control_plane, life.suspend(slug, body.reason, actor(control_plane)), query.wait, 202)

    @routes.post("/<slug>/resume")
    @_begins("Give a suspended tenant everything back")
    def resume_tenant(slug: str, query: WaitQuery) -> Response:
        return started(control_plane, life.resume(slug, actor(control_plane)), query.wait, 202)

    @routes.delete("/<slug>")
    @_begins(
        "Cut all access; everything is kept until `purgeAfter`, and can be restored until then", takes_version=True
    )
    def delete_tenant(slug: str, query: WaitQuery) -> Response:
        return started(control_plane, life.delete(slug, actor(control_plane), expected_versions()), query.wait, 202)

    @routes.post("/<slug>/restore")
    @_begins("Give a deleted tenant everything back")
    def restore_tenant(slug: str, query: WaitQuery) -> Response:
        return started(control_plane, life.restore(slug, actor(control_plane)), query.wait, 202)

    @routes.post("/<slug>/purge")
    @_begins(
        "Remove for good all a deleted tenant has in the outside systems; nothing brings it back", surfaces=OPERATOR
    )
    def purge_tenant(slug: str, query: WaitQuery) -> Response:
        return started(control_plane, life.purge(slug, actor(control_plane)), query.wait, 202)

    @routes.get("/<slug>/receipt")
    @route_spec("What was removed for good, when, and how its absence was seen", {200: ReceiptResponse}, surfaces=STAFF)
    def get_receipt(slug: str) -> Response:
        return json_response(ReceiptResponse.of(life.receipt(slug, actor(control_plane))))

    @routes.get("/<slug>/export")
    @route_spec(
        "All that is held about a tenant, as one stream", {200: ExportResponse}, problems=(errors.Forbidden,), cost=20
    )
    def export_tenant(slug: str) -> Response:
        return json_stream_response(ExportResponse.pages(life.export(slug, actor(control_plane))))

    return routes
