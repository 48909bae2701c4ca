"""Routes of a tenant's lifecycle: suspend, resume, delete, restore, purge; its export and purge receipt."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_response, json_stream_response
from api.http.route_spec import OPERATOR, STAFF, STARTED, View, expected_versions, route_spec
from api.routes.tenants.tenants import started
from api.schemas.models import WaitQuery
from api.schemas.tenants.lifecycle import ExportResponse, ReceiptResponse
from api.schemas.tenants.tenants import SuspensionRequest, TenantResponse
from shared.application.services import Services
from shared.core import errors


def _begins(summary: str, surfaces: frozenset[str] = STAFF, *, takes_version: bool = False) -> Callable[[View], View]:
    """Specify a view that starts a lifecycle operation."""
    return route_spec(
        summary,
        {202: TenantResponse},
        surfaces=surfaces,
        problems=(errors.Forbidden, errors.OperationInProgress, errors.ActionNotPossible),
        headers=STARTED,
        takes_version=takes_version,
    )


def lifecycle_routes(services: Services) -> Blueprint:
    routes = Blueprint("lifecycle", __name__, url_prefix="/tenants")
    lifecycle = services.lifecycle

    @routes.post("/<slug>/suspend")
    @_begins("Suspend a tenant: access ends at once; its data is kept")
    def suspend_tenant(slug: str, body: SuspensionRequest, query: WaitQuery) -> Response:
        return started(services, lifecycle.suspend(slug, body.reason, actor(services)), query.wait, 202)

    @routes.post("/<slug>/resume")
    @_begins("Resume a suspended tenant")
    def resume_tenant(slug: str, query: WaitQuery) -> Response:
        return started(services, lifecycle.resume(slug, actor(services)), query.wait, 202)

    @routes.delete("/<slug>")
    @_begins(
        "Delete a tenant: access ends; its data is kept and can be restored until `purgeAfter`", takes_version=True
    )
    def delete_tenant(slug: str, query: WaitQuery) -> Response:
        return started(services, lifecycle.delete(slug, actor(services), expected_versions()), query.wait, 202)

    @routes.post("/<slug>/restore")
    @_begins("Restore a deleted tenant")
    def restore_tenant(slug: str, query: WaitQuery) -> Response:
        return started(services, lifecycle.restore(slug, actor(services)), query.wait, 202)

    @routes.post("/<slug>/purge")
    @_begins(
        "Purge a deleted tenant: remove all its data in all integrations; this cannot be undone", surfaces=OPERATOR
    )
    def purge_tenant(slug: str, query: WaitQuery) -> Response:
        return started(services, lifecycle.purge(slug, actor(services)), query.wait, 202)

    @routes.get("/<slug>/receipt")
    @route_spec(
        "Get the receipt of a purge: what was removed, when, and how that was verified",
        {200: ReceiptResponse},
        surfaces=STAFF,
    )
    def get_receipt(slug: str) -> Response:
        return json_response(ReceiptResponse.of(lifecycle.receipt(slug, actor(services))))

    @routes.get("/<slug>/export")
    @route_spec(
        "Export all data about a tenant as one stream", {200: ExportResponse}, problems=(errors.Forbidden,), cost=20
    )
    def export_tenant(slug: str) -> Response:
        return json_stream_response(ExportResponse.pages(lifecycle.export(slug, actor(services))))

    return routes
