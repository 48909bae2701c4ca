"""Tenants over HTTP: create, read, reconcile, and each one's history."""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from api.answers import OperationAnswer, TenantAnswer, answer, answer_list
from api.auth.guard import actor
from api.bodies import NewTenantBody, sent
from api.queries import cursor, limit, next_link, require_known, wait_seconds
from shared.control_plane import ControlPlane
from shared.domain.recipes import INTEGRATIONS
from shared.domain.views import TenantQuery, TenantView

FILTERS = ("status", "plan", "partner", "q", *(f"step.{name}" for name in INTEGRATIONS))


def tenant_routes(control_plane: ControlPlane, default_plan: str) -> Blueprint:
    routes = Blueprint("tenants", __name__, url_prefix="/tenants")

    @routes.post("")
    def create_tenant() -> Response:
        require_known(("wait",))
        seconds = wait_seconds()
        new = sent(NewTenantBody).to_domain(default_plan)
        view = control_plane.create_tenant(new, actor(control_plane), g.request_id)
        return started(control_plane, view, seconds, 201)

    @routes.get("")
    def list_tenants() -> Response:
        require_known(("limit", "cursor", *FILTERS))
        page = control_plane.tenants(actor(control_plane), _query())
        return answer_list([TenantAnswer.of(view) for view in page.items], next_link(page.next))

    @routes.get("/<slug>")
    def get_tenant(slug: str) -> Response:
        require_known(())
        view = control_plane.tenant(slug, actor(control_plane))
        return answer(TenantAnswer.of(view), headers={"ETag": f'"{view.tenant.version}"'})

    @routes.post("/<slug>/reconcile")
    def reconcile_tenant(slug: str) -> Response:
        require_known(("wait",))
        seconds = wait_seconds()
        view = control_plane.reconcile_tenant(slug, actor(control_plane), g.request_id)
        return started(control_plane, view, seconds, 202)

    @routes.get("/<slug>/operations")
    def list_operations(slug: str) -> Response:
        require_known(("limit", "cursor"))
        page = control_plane.operations(slug, actor(control_plane), limit(), cursor())
        return answer_list([OperationAnswer.of(operation) for operation in page.items], next_link(page.next))

    return routes


def started(control_plane: ControlPlane, view: TenantView, seconds: float, status: int) -> Response:
    """The answer to a request that started an operation, given when it has ended or the caller's patience has."""
    if seconds and view.operation is not None:
        control_plane.wait_for(view.operation.id, actor(control_plane), seconds)
        view = control_plane.tenant(view.tenant.slug, actor(control_plane))
    headers = {"ETag": f'"{view.tenant.version}"', "Location": f"/tenants/{view.tenant.slug}"}
    if view.operation is not None:
        headers["Operation-Location"] = f"/operations/{view.operation.id}"
        headers |= {"Retry-After": "1"} if view.operation.is_open else {}
    return answer(TenantAnswer.of(view), status, headers)


def _query() -> TenantQuery:
    failed = [name for name in INTEGRATIONS if request.args.get(f"step.{name}") == "error"]
    return TenantQuery(
        limit=limit(),
        after=cursor(),
        status=request.args.get("status"),
        plan=request.args.get("plan"),
        partner_id=request.args.get("partner"),
        failed_step=failed[0] if failed else None,
        prefix=request.args.get("q"),
    )
