"""Test a tenant's owner from the request to the account in Authentik: set, corrected, invited again, removed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.operations.model import Operation
from tests.api.conftest import Client
from tests.platform_fixture import PlatformFixture
from tests.simulators import fault

SignIn = Callable[..., Client]
OLGA = {"email": "olga@acme.test", "name": "Olga"}


@pytest.fixture
def platform(make_platform: Callable[..., PlatformFixture], authentik: AuthentikSimulator) -> PlatformFixture:
    """Workers with an Authentik that can send invitations."""
    authentik.state.invitations.set_recovery_flow()
    return make_platform(authentik_email_stage=authentik.state.invitations.add_email_stage())


def create(root: Client, **fields: Any) -> Any:
    return root("POST", "/tenants", json={"slug": "acme", "name": "Acme", "owner": OLGA, **fields})


def run_steps(platform: PlatformFixture) -> Operation:
    """Run the steps of the tenant's latest operation."""
    return platform.finish(platform.services.tenants.get("acme", platform.admin))


def mails(authentik: AuthentikSimulator) -> list[str]:
    return [mail.to for mail in authentik.state.invitations.mails]


@pytest.mark.parametrize(
    ("email", "message"),
    [
        ("\u00f6lga@acme.test", "not an e-mail address"),
        (f"{'o' * 64}@{'a' * 60}.{'b' * 40}.test", "at most 150"),
        ("olga", "not an e-mail address"),
        (f"{'o' * 65}@acme.test", "not an e-mail address"),
        ("olga@test", "a domain with a dot"),
        ("olga@acme.t", "two characters or more"),
    ],
)
def test_an_address_that_authentik_would_refuse_is_refused_at_the_request(
    root: Client, platform: PlatformFixture, authentik: AuthentikSimulator, email: str, message: str
) -> None:
    refused = create(root, owner={**OLGA, "email": email})
    assert refused.status_code == 400
    [error] = refused.json()["errors"]
    assert error["pointer"] == "/owner/email"
    assert message in error["detail"]
    assert root("GET", "/tenants/acme").status_code == 404
    assert create(root).status_code == 201
    refused = root("PATCH", "/tenants/acme", json={"owner": {"email": email}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/owner/email")


def test_an_address_is_kept_with_its_domain_in_a_labels(root: Client) -> None:
    created = create(root, owner={**OLGA, "email": "olga@b\u00fccher.example"})
    assert created.json()["owner"]["email"] == "olga@xn--bcher-kva.example"


@pytest.mark.parametrize("size", [150])
def test_the_longest_accepted_address_is_valid_in_authentik(
    root: Client, platform: PlatformFixture, authentik: AuthentikSimulator, size: int
) -> None:
    domain = f"{'a' * 60}.test"
    middle = "b" * (size - 64 - len(domain) - 2)
    email = f"{'o' * 64}@{middle}.{domain}"
    assert len(email) == size
    assert create(root, owner={**OLGA, "email": email}).status_code == 201
    assert run_steps(platform).step("access").status == "ok"
    assert mails(authentik) == [email]


def test_an_owner_who_has_an_account_can_be_replaced_while_the_tenant_is_pending(
    root: Client, platform: PlatformFixture, authentik: AuthentikSimulator
) -> None:
    fault(authentik, kind="status", status=400, path="/core/users/", method="POST")
    create(root, owner={"email": "wrong@acme.test", "name": "Olga"})
    assert run_steps(platform).step("access").status == "error"
    assert root("GET", "/tenants/acme").json()["status"] == "pending"
    authentik.faults.clear()
    changed = root("PATCH", "/tenants/acme", json={"owner": {"email": OLGA["email"]}})
    assert (changed.status_code, changed.json()["owner"]) == (202, OLGA)
    assert run_steps(platform).status == "succeeded"
    assert root("GET", "/tenants/acme").json()["status"] == "active"
    assert mails(authentik) == [OLGA["email"]]
    assert "wrong@acme.test" not in authentik.directory.users_by_name


def test_a_tenant_without_an_owner_gets_one_while_it_is_pending(
    root: Client, platform: PlatformFixture, authentik: AuthentikSimulator
) -> None:
    fault(authentik, kind="status", status=400, path="/core/groups/", method="POST")
    create(root, owner=None)
    assert run_steps(platform).status == "failed"
    authentik.faults.clear()
    half = root("PATCH", "/tenants/acme", json={"owner": {"email": OLGA["email"]}})
    assert (half.status_code, half.json()["errors"][0]["pointer"]) == (400, "/owner/name")
    assert root("PATCH", "/tenants/acme", json={"owner": OLGA}).status_code == 202
    assert run_steps(platform).step("access").status == "ok"
    assert mails(authentik) == [OLGA["email"]]


def test_the_owner_of_an_active_tenant_is_not_replaced(root: Client, platform: PlatformFixture) -> None:
    create(root)
    assert run_steps(platform).status == "succeeded"
    refused = root("PATCH", "/tenants/acme", json={"owner": {"email": "other@acme.test"}})
    assert (refused.status_code, refused.json()["code"]) == (409, "action_not_possible")
    assert root("PATCH", "/tenants/acme", json={"owner": None}).status_code == 400
    assert root("PATCH", "/tenants/acme", json={"owner": OLGA}).status_code == 200


def test_an_invitation_is_sent_again_on_request_and_once_for_each(
    root: Client, platform: PlatformFixture, authentik: AuthentikSimulator
) -> None:
    create(root)
    run_steps(platform)
    path, key = "/tenants/acme/owner/invitation", {"Idempotency-Key": "again"}
    for _ in range(2):
        asked = root("POST", path, headers=key)
        assert asked.status_code == 202
        assert asked.headers["Operation-Location"]
    assert run_steps(platform).step("access").notes["invitation"] == "sent"
    assert mails(authentik) == [OLGA["email"]] * 2
    assert root("POST", "/tenants/acme/reconcile").status_code == 202
    run_steps(platform)
    assert len(mails(authentik)) == 2


def test_two_requests_for_an_invitation_at_once_send_one(
    root: Client, platform: PlatformFixture, authentik: AuthentikSimulator
) -> None:
    create(root)
    run_steps(platform)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: root("POST", "/tenants/acme/owner/invitation").status_code, range(2)))
    assert sorted(answers) == [202, 409]
    run_steps(platform)
    assert len(mails(authentik)) == 2


def test_an_invitation_whose_sending_failed_is_sent_by_the_next_attempt(
    root: Client, platform: PlatformFixture, authentik: AuthentikSimulator
) -> None:
    create(root)
    run_steps(platform)
    fault(authentik, kind="status", status=503, path="recovery_email", count=1)
    root("POST", "/tenants/acme/owner/invitation")
    assert run_steps(platform).step("access").attempts == 2
    assert len(mails(authentik)) == 2


def test_no_invitation_for_an_unknown_or_suspended_tenant_or_one_without_an_owner(
    root: Client, platform: PlatformFixture, as_: SignIn
) -> None:
    create(root, owner=None)
    run_steps(platform)
    refused = root("POST", "/tenants/acme/owner/invitation")
    assert (refused.status_code, refused.json()["code"]) == (409, "action_not_possible")
    create(root, slug="beta")
    root("POST", "/tenants/beta/suspend", json={"reason": "unpaid"})
    assert root("POST", "/tenants/beta/owner/invitation").status_code == 409
    assert root("POST", "/tenants/gamma/owner/invitation").status_code == 404
    assert as_("stranger", "portal")("POST", "/tenants/acme/owner/invitation").status_code == 404


def test_the_receipt_of_a_purge_names_the_account_that_stays(
    root: Client, platform: PlatformFixture, authentik: AuthentikSimulator
) -> None:
    create(root)
    run_steps(platform)
    for method, path in (("DELETE", "/tenants/acme"), ("POST", "/tenants/acme/purge")):
        assert root(method, path).status_code == 202
        assert run_steps(platform).status == "succeeded"
    removed = [line for one in root("GET", "/tenants/acme/receipt").json()["removals"] for line in one["removed"]]
    assert any(OLGA["email"] in line and "stays" in line for line in removed), removed
    assert "dezky" not in authentik.directory.users_by_name[OLGA["email"]].attributes
