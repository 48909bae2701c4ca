"""Cancelling an operation and retrying its steps need the right to request its action."""

from __future__ import annotations

import pytest

from console.auth.rights import Person
from shared.application.parts import open_settlement
from shared.application.store import Repositories
from shared.integrations.outcomes import PermanentError, failed, ok
from tests.api.rights_fixture import STEPS, RightsFixture, finish

MAY_CHANGE_LIFECYCLE = {"owner": False, "reseller": True, "admin": True}
MAY_PURGE = {"owner": False, "reseller": False, "admin": True}


def begin(rights: RightsFixture, action: str) -> str:
    """Start an action of acme, and end what must precede it."""
    root = rights.people["admin"]
    method, path = ("DELETE", "/tenants/acme") if action == "delete" else ("POST", f"/tenants/acme/{action}")
    answer = root(method, path, **({"json": {"reason": "unpaid"}} if action == "suspend" else {}))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["operation"]["id"])


def end(store: Repositories, operation_id: str) -> None:
    operation = store.operations.find(operation_id)
    assert operation is not None
    finish(store, operation_id, *(step.name for step in operation.steps))


@pytest.mark.parametrize(
    ("before", "action", "allowed"),
    [
        ((), "suspend", MAY_CHANGE_LIFECYCLE),
        (("suspend",), "resume", MAY_CHANGE_LIFECYCLE),
        (("delete",), "purge", MAY_PURGE),
    ],
)
def test_only_callers_who_may_request_an_action_cancel_its_operation_or_retry_its_steps(
    rights: RightsFixture, store: Repositories, before: tuple[str, ...], action: str, allowed: dict[str, bool]
) -> None:
    for earlier in before:
        end(store, begin(rights, earlier))
    operation = begin(rights, action)
    path = f"/operations/{operation}"
    refused = [name for name, may in allowed.items() if not may]
    for name in refused:
        # an owner does not see a deleted tenant
        assert rights.people[name]("POST", f"{path}/cancel").status_code in (403, 404), name
    assert rights.people["admin"]("GET", path).json()["status"] == "running"
    rights.rows["operations"].update_many({}, {"$set": {"deadlineAt": store.connection.now()}})
    assert store.operations.expire(operation) is not None
    for name in refused:
        assert rights.people[name]("POST", f"{path}/steps/stalwart/retry").status_code in (403, 404), name
    last = next(name for name, may in allowed.items() if may)
    assert store.operations.find(operation).status == "failed"  # type: ignore[union-attr]
    step = rights.people[last]("GET", path).json()["steps"][0]["name"]
    assert rights.people[last]("POST", f"{path}/steps/{step}/retry").status_code == 202
    assert rights.people[last]("POST", f"{path}/cancel").status_code == 200


def test_a_bulk_operation_finds_only_operations_that_the_caller_may_control(rights: RightsFixture) -> None:
    begin(rights, "suspend")
    body = {"action": "cancel", "selector": {"everything": True}}
    totals = {
        name: rights.people[name]("POST", "/bulk-operations", json=body).json()["total"]
        for name in ("owner", "reseller")
    }
    assert totals == {"owner": 0, "reseller": 1}


def test_an_approval_of_removals_is_not_used_again_by_somebody_who_cannot_give_it(
    rights: RightsFixture, store: Repositories
) -> None:
    root, owner = rights.people["admin"], rights.people["owner"]
    operation = root("POST", "/tenants/acme/reconcile?allow_removals=true").json()["operation"]["id"]
    for step in STEPS:
        claim = store.operations.claim(operation, step, 99, 60)
        assert claim is not None
        store.operations.record(claim, failed(PermanentError("taken")) if step == "ocis" else ok())
    open_settlement(store).settle(operation)
    address = f"/operations/{operation}/steps/ocis/retry"
    assert owner("POST", address).json()["code"] == "forbidden"
    assert root("POST", address).status_code == 202


def test_a_cancelled_purge_is_not_retried(rights: RightsFixture, store: Repositories) -> None:
    root = rights.people["admin"]
    end(store, begin(rights, "delete"))
    purge = begin(rights, "purge")
    assert root("POST", f"/operations/{purge}/cancel").status_code == 200
    answer = root("POST", f"/operations/{purge}/steps/ocis/retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "action_not_possible")
    assert "Purge the tenant again" in answer.json()["detail"]
    assert root("GET", f"/operations/{purge}").json()["status"] == "cancelled"


@pytest.mark.parametrize("action", ["reconcile", "suspend", "resume", "delete", "restore", "purge"])
def test_the_console_offers_to_cancel_what_the_api_allows(rights: RightsFixture, action: str) -> None:
    tenant = rights.people["admin"]("GET", "/tenants/acme").json()
    expected = {"reconcile": dict.fromkeys(MAY_PURGE, True), "purge": MAY_PURGE}.get(action, MAY_CHANGE_LIFECYCLE)
    for name, may in expected.items():
        person = Person(rights.people[name]("GET", "/users/me").json())
        assert person.may_control(tenant, {"action": action}) is may, name
