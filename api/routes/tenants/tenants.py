"""Routes of tenants: create, read, change, reconcile, invite the owner; free names and the catalogue of plans."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from flask import Blueprint, Response

from api.auth.guard import actor, caller
from api.http.responses import (
    etag,
    json_list_response,
    json_response,
    json_text_response,
    json_texts_response,
    next_link,
    retry_after,
)
from api.http.route_spec import ETAG, PAGED, STAFF, STARTED, expected_versions, route_spec
from api.schemas.models import ListQuery, WaitQuery
from api.schemas.tenants.availability import AvailabilityQuery, AvailabilityResponse
from api.schemas.tenants.operations import OperationResponse
from api.schemas.tenants.queries import ReconcileQuery, TenantListQuery
from api.schemas.tenants.tenants import (
    CreateTenantRequest,
    PlanResponse,
    TenantResponse,
    UpdateTenantRequest,
    written,
)
from shared.application.services import Services
from shared.config.integrations import Plan
from shared.core import errors
from shared.tenants.views import TenantView


def tenant_routes(services: Services, default_plan: str) -> Blueprint:
    routes = Blueprint("tenants", __name__, url_prefix="/tenants")
    tenants = services.tenants

    @routes.post("")
    @route_spec(
        "Create a tenant and start provisioning it",
        {201: TenantResponse},
        surfaces=STAFF,
        problems=(
            errors.Forbidden,
            errors.SlugTaken,
            errors.DomainTaken,
            errors.DomainOverlaps,
            errors.UnknownReference,
        ),
        headers=STARTED,
    )
    def create_tenant(body: CreateTenantRequest, query: WaitQuery) -> Response:
        view = tenants.create(body.to_value(default_plan), actor(services))
        return started(services, view, query.wait, 201)

    @routes.get("")
    @route_spec("List the tenants you may see, newest first", {200: [TenantResponse]}, headers=PAGED)
    def list_tenants(query: TenantListQuery) -> Response:
        page = tenants.page(actor(services), query.to_value())
        return json_texts_response([written(view) for view in page.items], next_link(page.next))

    @routes.get("/<slug>")
    @route_spec("Get a tenant with its latest operation", {200: TenantResponse}, headers=ETAG)
    def get_tenant(slug: str) -> Response:
        return _respond(tenants.get_for(slug, caller()))

    @routes.patch("/<slug>")
    @route_spec(
        "Change a tenant; a new name, plan, owner or set of domains starts a reconcile",
        {200: TenantResponse, 202: TenantResponse},
        problems=(
            errors.Forbidden,
            errors.DomainTaken,
            errors.DomainOverlaps,
            errors.UnknownReference,
            errors.OperationInProgress,
            errors.ActionNotPossible,
        ),
        headers=STARTED,
        takes_version=True,
    )
    def change_tenant(slug: str, body: UpdateTenantRequest, query: WaitQuery) -> Response:
        view = tenants.change(slug, body.to_value(), actor(services), expected_versions())
        if view.operation is not None:
            return started(services, view, query.wait, 202)
        return _respond(tenants.get(slug, actor(services)))

    @routes.post("/<slug>/reconcile")
    @route_spec(
        "Reconcile a tenant, or make a dry run",
        {202: TenantResponse},
        problems=(errors.Forbidden, errors.OperationInProgress, errors.ActionNotPossible),
        headers=STARTED,
    )
    def reconcile_tenant(slug: str, query: ReconcileQuery) -> Response:
        view = tenants.reconcile(slug, actor(services), query.mode, allow_removals=query.allow_removals)
        return started(services, view, query.wait, 202)

    @routes.get("/<slug>/operations")
    @route_spec("List a tenant's operations, newest first", {200: [OperationResponse]}, headers=PAGED)
    def list_operations(slug: str, query: ListQuery) -> Response:
        page = services.operations.page(slug, actor(services), query.limit, query.cursor)
        return json_list_response([OperationResponse.of(operation) for operation in page.items], next_link(page.next))

    return routes


def _respond(view: TenantView) -> Response:
    return json_text_response(written(view), headers=etag(view.tenant.version))


def started(services: Services, view: TenantView, seconds: float, status: int) -> Response:
    """Respond to a request that started an operation, after its end or after the wait that was asked for.

    A failure to wait is ignored: a 503 would make the caller repeat the request and get a conflict.
    """
    if seconds and view.operation is not None:
        with suppress(errors.StoreUnavailable):
            operation = services.operations.wait_for(view.operation.id, actor(services), seconds)
            view = TenantView(services.tenants.get(view.tenant.slug, actor(services)).tenant, operation)
    headers = etag(view.tenant.version) | {"Location": f"/tenants/{view.tenant.slug}"} | retry_after(view.operation)
    if view.operation is not None:
        headers["Operation-Location"] = f"/operations/{view.operation.id}"
    return json_response(TenantResponse.of(view), status, headers)


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


def availability_routes(services: Services) -> Blueprint:
    routes = Blueprint("availability", __name__, url_prefix="/tenants")
    availability = services.availability

    @routes.get("/check")
    @route_spec(
        "Check whether a slug and a domain are free",
        {200: AvailabilityResponse},
        surfaces=STAFF,
        problems=(errors.Forbidden,),
    )
    def check_availability(query: AvailabilityQuery) -> Response:
        caller = actor(services)
        found = AvailabilityResponse(
            slug=None if query.slug is None else availability.is_slug_free(query.slug, caller),
            domain=None if query.domain is None else availability.is_domain_free(query.domain, caller),
            email=None if query.email is None else True,
        )
        return json_response(found)

    return routes


def plan_routes(services: Services, plans: Mapping[str, Plan]) -> Blueprint:
    routes = Blueprint("plans", __name__, url_prefix="/plans")

    @routes.get("")
    @route_spec("List the plans that a tenant can have, with their quotas", {200: [PlanResponse]})
    def list_plans() -> Response:
        actor(services)
        return json_list_response([PlanResponse(name=name, **dict(plan)) for name, plan in plans.items()])

    return routes
