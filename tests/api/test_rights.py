"""Permissions of every route, generated from the route map: a route without a row here fails."""

from __future__ import annotations

from typing import Any

import pytest

from api.app import create_app
from shared.config.settings import Settings
from tests.api.rights_fixture import RightsFixture

#: the callers of each column; `admin` may do everything, and that is checked too
CALLERS = ("nobody", "stranger", "member", "owner", "reseller", "misplaced", "admin")
MAY = "may"

Row = tuple[dict[str, Any] | None, tuple[str | int, ...]]


def row(*expected: str | int, body: dict[str, Any] | None = None) -> Row:
    """Answers for stranger (owner of another tenant), member, owner, partner's administrator, and a platform
    administrator with a token for the portal. A call without a token is a 401; one for operators is allowed."""
    return body, (401, *expected, MAY)


EVERYBODY = (MAY,) * 5
CANCEL_NOTHING = {"action": "cancel", "selector": {"tenants": ["missing"]}}
URL = "https://hooks.acme.test/"
#: method and route, with a further case after a space: its row. The order matters: destructive routes come last.
TABLE: dict[str, Row] = {
    "GET /me": row(*EVERYBODY),
    "GET /users/me": row(*EVERYBODY),
    "GET /plans": row(*EVERYBODY),
    "GET /tenants": row(*EVERYBODY),
    "GET /tenants/check": row(403, 403, 403, MAY, 403),
    "POST /tenants": row(403, 403, 403, MAY, 403, body={"slug": "gamma", "name": "G"}),
    "POST /tenants for-nobody": row(
        403, 403, 403, 403, 403, body={"slug": "delta", "name": "D", "partnerId": "0" * 24}
    ),
    "GET /tenants/<slug>": row(404, MAY, MAY, MAY, 404),
    "PATCH /tenants/<slug>": row(404, 403, MAY, MAY, 404, body={"billingInfo": {"company": "A"}}),
    "PATCH /tenants/<slug> plan": row(404, 403, 403, 403, 404, body={"plan": "business"}),
    "PATCH /tenants/<slug> partner": row(404, 403, 403, 403, 404, body={"partnerId": None}),
    "POST /tenants/<slug>/reconcile": row(404, 403, MAY, MAY, 404),
    "POST /tenants/<slug>/owner/invitation": row(404, 403, MAY, MAY, 404),
    "GET /tenants/<slug>/operations": row(404, MAY, MAY, MAY, 404),
    "GET /tenants/<slug>/domains": row(404, MAY, MAY, MAY, 404),
    "POST /tenants/<slug>/domains/<domain>/verify": row(404, 403, MAY, MAY, 404),
    "GET /status": row(*EVERYBODY),
    "GET /operations": row(*EVERYBODY),
    "GET /operations/summary": row(*EVERYBODY),
    "POST /bulk-operations": row(*EVERYBODY, body=CANCEL_NOTHING),
    "GET /bulk-operations/<id:bulk_id>": row(404, 404, 404, 404, 404),
    "POST /bulk-operations/<id:bulk_id>/stop": row(404, 404, 404, 404, 404),
    "POST /diagnostics": row(403, 403, 403, 403, 403),
    "GET /diagnostics/<id:run_id>": row(403, 403, 403, 403, 403),
    "GET /operations/<id:operation_id>": row(404, MAY, MAY, MAY, 404),
    "POST /operations/<id:operation_id>/cancel": row(404, 403, MAY, MAY, 404),
    "POST /operations/<id:operation_id>/steps/<step>/retry": row(404, 403, MAY, MAY, 404),
    "GET /users": row(*EVERYBODY),
    "GET /users/<id:user_id>": row(404, 404, MAY, MAY, 404),
    "POST /users": row(
        409,
        403,
        MAY,
        MAY,
        409,
        body={"authentikSubjectId": "new", "email": "n@acme.test", "name": "N", "tenantIds": ["acme"]},
    ),
    "POST /users with-power": row(
        403,
        403,
        403,
        403,
        403,
        body={"authentikSubjectId": "boss", "email": "n@acme.test", "name": "N", "platformAdmin": True},
    ),
    "PATCH /users/<id:user_id>": row(404, 404, MAY, MAY, 404, body={"name": "Renamed"}),
    "PATCH /users/<id:user_id> power": row(404, 404, 403, 403, 404, body={"platformAdmin": True}),
    "PATCH /users/<id:user_id> partner": row(404, 404, 403, 403, 404, body={"partnerId": "0" * 24}),
    "GET /subscriptions": row(*EVERYBODY),
    "GET /subscriptions/<id:subscription_id>": row(404, MAY, MAY, MAY, 404),
    "POST /subscriptions": row(403, 403, 403, 403, 403, body={"tenantId": "0" * 24, "plan": "starter"}),
    "PATCH /subscriptions/<id:subscription_id>": row(403, 403, 403, 403, 403, body={"status": "past_due"}),
    "GET /partners": row(403, 403, 403, MAY, 403),
    "GET /partners/<id:partner_id>": row(403, 403, 403, MAY, 403),
    "POST /partners": row(403, 403, 403, 403, 403, body={"slug": "second", "name": "S"}),
    "PATCH /partners/<id:partner_id>": row(403, 403, 403, 403, 403, body={"name": "Renamed"}),
    "GET /events": row(*EVERYBODY),
    "GET /tenants/<slug>/export": row(404, 403, MAY, MAY, 404),
    "GET /tenants/<slug>/receipt": (None, (401, 403, 403, 403, 404, 403, 404)),
    "POST /tenants/<slug>/suspend": row(403, 403, 403, MAY, 403, body={"reason": "unpaid"}),
    "POST /tenants/<slug>/resume": row(403, 403, 403, MAY, 403),
    "DELETE /tenants/<slug>": row(403, 403, 403, MAY, 403),
    "POST /tenants/<slug>/restore": row(403, 403, 403, MAY, 403),
    "POST /tenants/<slug>/purge": row(403, 403, 403, 403, 403),
    "GET /integrations": row(403, 403, 403, 403, 403),
    "POST /integrations/<integration>/pause": row(403, 403, 403, 403, 403, body={"reason": "maintenance"}),
    "POST /integrations/<integration>/resume": row(403, 403, 403, 403, 403),
    "POST /tenants/<slug>/pause": row(403, 403, 403, 403, 403, body={"reason": "legal hold"}),
    "POST /tenants/<slug>/unpause": row(403, 403, 403, 403, 403),
    "GET /orphans": row(403, 403, 403, 403, 403),
    "GET /orphans/looks": row(403, 403, 403, 403, 403),
    "POST /orphans/look": row(403, 403, 403, 403, 403),
    "GET /orphans/<id:orphan_id>": row(403, 403, 403, 403, 403),
    "DELETE /orphans/<id:orphan_id>": row(403, 403, 403, 403, 403),
    "GET /purges": row(403, 403, 403, 403, 403),
    "POST /purges/allow": row(403, 403, 403, 403, 403, body={"count": 1}),
    "GET /observe-only": row(403, 403, 403, 403, 403),
    "POST /observe-only": row(403, 403, 403, 403, 403, body={"reason": "a restore"}),
    "DELETE /observe-only": row(403, 403, 403, 403, 403),
    "GET /webhooks": row(*EVERYBODY),
    # by default a partner's administrator creates the partner's webhook; only the platform has one like it
    "POST /webhooks": row(403, 403, 403, MAY, 403, body={"url": URL}),
    "POST /webhooks tenant": row(409, 403, MAY, MAY, 409, body={"url": URL, "tenantId": "acme"}),
    "POST /webhooks partner": row(403, 403, 403, 403, 403, body={"url": URL, "partnerId": "0" * 24}),
    "GET /webhooks/<id:webhook_id>": row(404, 404, MAY, 404, 404),
    "PATCH /webhooks/<id:webhook_id>": row(404, 404, MAY, 404, 404, body={"actions": ["tenant.*"]}),
    "POST /webhooks/<id:webhook_id>/rotate-secret": row(404, 404, MAY, 404, 404),
    "POST /webhooks/<id:webhook_id>/test": row(404, 404, MAY, 404, 404),
    "GET /webhooks/<id:webhook_id>/deliveries": row(404, 404, MAY, 404, 404),
    "POST /webhooks/<id:webhook_id>/deliveries/<id:delivery_id>/replay": row(404, 404, MAY, 404, 404),
    "DELETE /webhooks/<id:webhook_id>": row(404, 404, MAY, 404, 404),
    "DELETE /users/<id:user_id>": row(404, 404, MAY, MAY, 404),
    "DELETE /subscriptions/<id:subscription_id>": row(403, 403, 403, 403, 403),
    "DELETE /partners/<id:partner_id>": row(403, 403, 403, 403, 403),
}
#: authenticated by the sender's signature over each body, not by a token
SIGNED = {"POST /stripe/events"}
PUBLIC = {"GET /health", "GET /health/live", "GET /health/ready", "GET /openapi.json", "GET /docs"}
#: files of the page, whose names are in the address
ASSETS = {"GET /docs/assets/<asset>", "GET /"}


def routes(settings: Settings) -> set[str]:
    return {
        f"{method} {rule.rule}"
        for rule in create_app(settings).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


def test_every_route_has_its_row_and_every_row_its_route(api_settings: Settings) -> None:
    rows = {" ".join(name.split(" ")[:2]) for name in TABLE}
    assert routes(api_settings) == rows | PUBLIC | SIGNED | ASSETS


def path_of(route: str, rights: RightsFixture) -> str:
    return (
        route.replace("<slug>", "acme")
        .replace("<domain>", "acme.test")
        .replace("<id:operation_id>", rights.ids["acme_operation"])
        .replace("<step>", "ocis")
        .replace("<integration>", "ocis")
        .replace("<id:run_id>", rights.ids["run"])
        .replace("<id:bulk_id>", rights.ids["bulk"])
        .replace("<id:orphan_id>", rights.ids["orphan"])
        .replace("<id:user_id>", rights.ids["colleague"])
        .replace("<id:subscription_id>", rights.ids["acme_subscription"])
        .replace("<id:partner_id>", rights.ids["partner"])
        .replace("<id:webhook_id>", rights.ids["webhook"])
        .replace("<id:delivery_id>", rights.ids["delivery"])
    )


@pytest.mark.parametrize("caller", CALLERS)
def test_each_route_answers_each_caller_as_the_table_requires(rights: RightsFixture, caller: str) -> None:
    column = CALLERS.index(caller)
    seen: dict[str, str | int] = {}
    for name, (body, _) in TABLE.items():
        method, route = name.split(" ")[:2]
        sent = {"json": body} if body is not None else {}
        if body is not None and body.get("tenantIds"):
            sent = {"json": body | {"tenantIds": [rights.ids["acme"]]}}
        if body is not None and body.get("tenantId") == "acme":
            sent = {"json": body | {"tenantId": rights.ids["acme"]}}
        answer = rights.people[caller](method, path_of(route, rights), **sent)
        assert answer.status_code < 500, answer.text
        # the admin's requests meet rules beyond rights too (a partner in use, nothing to cancel): those are conflicts
        allowed = answer.ok or (answer.status_code == 409 and TABLE[name][1][column] == MAY)
        seen[name] = MAY if allowed else answer.status_code
    assert seen == {name: expected[column] for name, (_, expected) in TABLE.items()}


@pytest.mark.parametrize("route", sorted(PUBLIC))
def test_public_routes_need_no_token(rights: RightsFixture, route: str) -> None:
    assert rights.people["nobody"](*route.split(" ")).status_code == 200


def test_lists_contain_only_records_that_the_caller_may_see(rights: RightsFixture) -> None:
    def slugs(caller: str) -> list[str]:
        return [tenant["slug"] for tenant in rights.people[caller]("GET", "/tenants").json()]

    def people(caller: str) -> set[str]:
        return {user["name"] for user in rights.people[caller]("GET", "/users").json()}

    assert {caller: slugs(caller) for caller in CALLERS[1:]} == {
        "stranger": ["beta"],
        "member": ["acme"],
        "owner": ["acme"],
        "reseller": ["acme"],
        "misplaced": [],
        "admin": ["beta", "acme"],
    }
    assert people("member") == {"Member"}
    assert people("owner") == {"Member", "Owner", "C"}
    assert people("reseller") == {"Member", "Owner", "C", "Reseller"}
    assert people("stranger") == {"Stranger"}
    assert people("admin") >= {"Member", "Owner", "C", "Reseller", "Stranger", "Admin", "Misplaced"}
    assert len(rights.people["owner"]("GET", "/subscriptions").json()) == 1
    assert len(rights.people["admin"]("GET", "/subscriptions").json()) == 2
    assert [one["slug"] for one in rights.people["reseller"]("GET", "/partners").json()] == ["reseller"]


def test_a_right_revoked_in_the_database_ends_at_once_for_the_same_token(rights: RightsFixture) -> None:
    owner = rights.people["owner"]
    assert owner("PATCH", "/tenants/acme", json={"billingInfo": {"company": "A"}}).status_code == 200
    rights.people["admin"]("PATCH", f"/users/{rights.ids['owner']}", json={"role": "member"})
    assert owner("PATCH", "/tenants/acme", json={"billingInfo": {"company": "B"}}).status_code == 403


def test_a_caller_without_a_record_learns_how_to_get_one(api_url: str, issuer: Any) -> None:
    from tests.api.conftest import Client

    answer = Client(api_url, issuer.token("stranger"))("GET", "/tenants")
    assert (answer.status_code, answer.json()["code"]) == (403, "unknown_user")
    assert "/users/me" in answer.json()["detail"]


def test_a_caller_cannot_grant_a_higher_role_or_another_tenant(rights: RightsFixture) -> None:
    owner, root = rights.people["owner"], rights.people["admin"]
    root("PATCH", f"/users/{rights.ids['owner']}", json={"role": "admin"})
    colleague = f"/users/{rights.ids['colleague']}"
    assert owner("PATCH", colleague, json={"role": "admin"}).status_code == 200
    assert owner("PATCH", colleague, json={"role": "owner"}).status_code == 403
    foreign = owner("PATCH", colleague, json={"tenantIds": [rights.ids["acme"], rights.ids["beta"]]})
    assert (foreign.status_code, foreign.json()["code"]) == (409, "unknown_reference")
    assert foreign.json()["errors"][0]["pointer"] == "/tenantIds/1"
    root("PATCH", colleague, json={"role": "owner"})
    assert owner("PATCH", colleague, json={"name": "X"}).status_code == 403
    assert owner("DELETE", colleague).status_code == 403


def test_a_role_that_a_tenants_owner_granted_is_valid_in_that_tenant_only(rights: RightsFixture) -> None:
    colleague = f"/users/{rights.ids['colleague']}"
    assert rights.people["owner"]("PATCH", colleague, json={"role": "owner"}).status_code == 200
    root = rights.people["admin"]
    both = [rights.ids["acme"], rights.ids["beta"]]
    # the platform adds a second tenant without a new role
    assert root("PATCH", colleague, json={"tenantIds": both}).status_code == 200
    stranger = rights.people["stranger"]
    assert stranger("GET", colleague).status_code == 200
    assert stranger("PATCH", colleague, json={"name": "Y"}).status_code == 403
