"""A record with a value that only a newer release knows is listed with that value, beside all others."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from shared.application.store import Repositories
from shared.diagnostics.model import Check, CheckStatus
from tests.api.rights_fixture import RightsFixture, rights  # noqa: F401

NEWER = "of_tomorrow"
#: collection, field, path of a list or record with it
PLACES = [
    ("tenants", "status", "/tenants"),
    ("tenants", "provisioningStatus.ocis", "/tenants"),
    ("operations", "action", "/tenants"),
    ("operations", "mode", "/operations"),
    ("operations", "action", "/operations"),
    ("operations", "status", "/operations"),
    ("operations", "steps.0.status", "/operations"),
    ("operations", "steps.0.status", "/tenants/acme/operations"),
    ("subscriptions", "status", "/subscriptions"),
    ("users", "partnerRole", "/users"),
    ("domains", "state", "/tenants/acme/domains"),
    ("domains", "checks.0.presence", "/tenants/acme/domains"),
    ("orphans", "kind", "/orphans"),
    ("orphans", "status", "/orphans"),
    ("orphans", "cause", "/orphans"),
    ("deliveries", "status", "/webhooks/{webhook}/deliveries"),
    ("bulk_operations", "action", "/bulk-operations/{bulk}"),
    ("bulk_operations", "status", "/bulk-operations/{bulk}"),
    ("diagnostics", "status", "/diagnostics/{run}"),
    ("diagnostics", "checks.0.status", "/diagnostics/{run}"),
]


@pytest.mark.parametrize(("collection", "field", "path"), PLACES)
def test_a_value_of_a_newer_release_is_shown_and_breaks_no_list(
    rights: RightsFixture,  # noqa: F811
    store: Repositories,
    collection: str,
    field: str,
    path: str,
) -> None:
    store.diagnostics.finish(rights.ids["run"], [Check("mongodb", "up", CheckStatus.OK, "It is up.")])
    if field.startswith("checks.0.presence"):
        wanted = rights.people["admin"]("GET", "/tenants/acme/domains").json()[0]["records"][0]
        check = {name: wanted[name] for name in ("name", "type", "value")} | {"presence": "ok", "seen": []}
        rights.rows["domains"].update_one({"domain": "acme.test"}, {"$set": {"checks": [check]}})
    root, path = rights.people["admin"], path.format(**rights.ids)
    before = root("GET", path)
    done = rights.rows[collection].update_one(_newest(rights, collection), {"$set": {field: NEWER}})
    assert (before.status_code, done.modified_count) == (200, 1)
    after = root("GET", path)
    assert after.status_code == 200, after.text
    assert len(after.json()) == len(before.json())
    assert NEWER in after.text


def _newest(rights: RightsFixture, collection: str) -> dict[str, Any]:  # noqa: F811
    """Return a condition for one record: of acme, if the collection has several."""
    return {"_id": rights.rows[collection].find_one(_of_acme(rights, collection))["_id"]}


def _of_acme(rights: RightsFixture, collection: str) -> dict[str, Any]:  # noqa: F811
    if collection == "tenants":
        return {"slug": "acme"}
    if collection in ("operations", "subscriptions"):
        return {"tenantId": rights.ids["acme"]}
    return {"partnerId": rights.ids["partner"]} if collection == "users" else {}


def test_a_problem_of_a_newer_kind_leaves_the_others_on_the_status_page(
    rights: RightsFixture,  # noqa: F811
) -> None:
    operations = rights.rows["operations"]
    for slug, problem in (("acme", f"{NEWER}/unreachable"), ("beta", "failed/taken")):
        problems = {"ocis": problem, "any": problem.partition("/")[0] + "/"}
        operations.update_one({"_id": ObjectId(rights.ids[f"{slug}_operation"])}, {"$set": {"problems": problems}})
    found = rights.people["admin"]("GET", "/status")
    assert found.status_code == 200, found.text
    assert {group["kind"] for group in found.json()["groups"]} == {NEWER, "failed"}


def test_a_role_of_a_newer_release_gives_the_rights_of_a_member_and_is_kept(
    rights: RightsFixture,  # noqa: F811
) -> None:
    acme, owner, root = rights.ids["acme"], rights.people["owner"], rights.people["admin"]
    colleague = {"_id": ObjectId(rights.ids["colleague"])}
    users = rights.rows["users"]
    users.update_one(colleague, {"$set": {f"roles.{acme}": NEWER}})
    assert root("GET", "/users").status_code == 200
    path = f"/users/{rights.ids['colleague']}"
    assert owner("PATCH", path, json={"roles": {acme: "member"}}).status_code == 403, "it may be above an owner's"
    assert root("PATCH", path, json={"name": "Colleague"}).status_code == 200
    assert users.find_one(colleague)["roles"] == {acme: NEWER}
    users.update_one({"_id": ObjectId(rights.ids["owner"])}, {"$set": {f"roles.{acme}": NEWER}})
    assert owner("GET", "/tenants/acme").status_code == 200
    assert owner("PATCH", "/tenants/acme", json={"name": "Mine"}).status_code == 403


def test_requests_with_an_unknown_value_are_refused_as_before(rights: RightsFixture) -> None:  # noqa: F811
    root = rights.people["admin"]
    assert root("GET", f"/tenants?status={NEWER}").status_code == 400
    assert root("PATCH", f"/users/{rights.ids['owner']}", json={"role": NEWER}).status_code == 400
    body = {"action": NEWER, "selector": {"tenants": ["acme"]}}
    assert root("POST", "/bulk-operations", json=body).status_code == 400


def test_an_operation_of_a_newer_action_can_be_cancelled_and_the_tenant_goes_on(
    rights: RightsFixture,  # noqa: F811
) -> None:
    root = rights.people["admin"]
    begun = root("POST", "/tenants/acme/reconcile").json()["operation"]["id"]
    rights.rows["operations"].update_one({"_id": ObjectId(begun)}, {"$set": {"action": NEWER}})
    refused = root("POST", "/tenants/acme/suspend")
    assert (refused.status_code, refused.json()["code"]) == (409, "operation_in_progress")
    assert root("POST", f"/operations/{begun}/cancel").status_code == 200
    assert root("POST", "/tenants/acme/suspend").status_code == 202


@pytest.mark.parametrize("action", ["reconcile", "suspend", "resume", "restore", "purge"])
def test_a_tenant_of_a_newer_status_takes_no_action(rights: RightsFixture, action: str) -> None:  # noqa: F811
    rights.rows["tenants"].update_one({"slug": "acme"}, {"$set": {"status": NEWER}})
    refused = rights.people["admin"]("POST", f"/tenants/acme/{action}")
    assert (refused.status_code, refused.json()["code"]) == (409, "action_not_possible")
    assert rights.rows["tenants"].find_one({"slug": "acme"})["status"] == NEWER


@pytest.mark.parametrize(
    ("collection", "newer", "change"),
    [
        ("tenants", {"status": NEWER}, {"operationId": ObjectId()}),
        ("operations", {"action": NEWER}, {"generation": 99}),
    ],
)
def test_a_step_of_an_operation_that_a_change_made_obsolete_is_not_retried(
    rights: RightsFixture,  # noqa: F811
    collection: str,
    newer: dict[str, Any],
    change: dict[str, Any],
) -> None:
    root = rights.people["admin"]
    obsolete = root("POST", "/tenants/acme/reconcile").json()["operation"]["id"]
    assert root("POST", f"/operations/{obsolete}/cancel").status_code == 200
    keys = {"tenants": rights.ids["acme"], "operations": obsolete}
    for name, fields in (("tenants", change), (collection, newer)):
        rights.rows[name].update_one({"_id": ObjectId(keys[name])}, {"$set": fields})
    refused = root("POST", f"/operations/{obsolete}/steps/ocis/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "action_not_possible")
