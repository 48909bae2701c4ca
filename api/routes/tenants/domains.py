"""Routes of a tenant's domains: state, DNS records to publish, and a check on demand."""

from __future__ import annotations

from flask import Blueprint, Response

from api.auth.guard import actor
from api.http.responses import json_list_response, json_response
from api.http.route_spec import RUNNING, route_spec
from api.schemas.tenants.domains import DomainResponse
from api.schemas.tenants.queries import CheckWaitQuery
from shared.application.services import Services
from shared.core import errors


def domain_routes(services: Services) -> Blueprint:
    routes = Blueprint("domains", __name__, url_prefix="/tenants/<slug>/domains")
    domains = services.domains

    @routes.get("")
    @route_spec("List a tenant's domains with the DNS records to publish and the latest check", {200: [DomainResponse]})
    def list_domains(slug: str) -> Response:
        return json_list_response([DomainResponse.of(view) for view in domains.list(slug, actor(services))])

    @routes.post("/<domain>/verify")
    @route_spec(
        "Check a domain in DNS as soon as possible",
        {202: DomainResponse},
        problems=(errors.Forbidden, errors.CheckedRecently, errors.ActionNotPossible),
        headers=RUNNING,
    )
    def verify_domain(slug: str, domain: str, query: CheckWaitQuery) -> Response:
        view = domains.request_check(slug, domain, actor(services))
        if query.wait:
            view = domains.wait_for(slug, domain, actor(services), query.wait)
        headers = {"Retry-After": "1"} if view.domain.requested_at is not None else {}
        return json_response(DomainResponse.of(view), 202, headers)

    return routes
