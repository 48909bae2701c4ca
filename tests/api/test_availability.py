"""Forms check if a name is available; the answer tells nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.conftest import Client

SignIn = Callable[..., Client]


@pytest.fixture
def taken(root: Client) -> None:
    body: dict[str, Any] = {"slug": "acme", "name": "Acme", "domains": ["acme.test"]}
    assert root("POST", "/tenants", json=body).status_code == 201


def test_a_name_is_available_until_a_tenant_has_it_and_stays_reserved_after_a_delete(root: Client, taken: None) -> None:
    assert root("GET", "/tenants/check?slug=beta&domain=beta.test").json() == {"slug": True, "domain": True}
    assert root("GET", "/tenants/check?slug=acme&domain=acme.test").json() == {"slug": False, "domain": False}
    root("DELETE", "/tenants/acme")
    assert root("GET", "/tenants/check?slug=acme").json() == {"slug": False}


def test_a_platform_administrator_may_add_a_domain_below_anothers_and_a_partner_may_not(
    root: Client, as_: SignIn, taken: None
) -> None:
    partner = root("POST", "/partners", json={"slug": "reseller", "name": "R"}).json()
    reseller = as_("reseller", "partner", "resellers")
    me = reseller("GET", "/users/me").json()
    root("PATCH", f"/users/{me['_id']}", json={"role": "admin", "partnerId": partner["_id"]})
    assert root("GET", "/tenants/check?domain=mail.acme.test").json() == {"domain": True}
    assert reseller("GET", "/tenants/check?domain=mail.acme.test").json() == {"domain": False}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("slug=Admin", "?slug"), ("slug=admin", "?slug"), ("domain=test", "?domain"), ("email=nobody", "?email")],
)
def test_an_invalid_name_is_answered_with_its_reason(root: Client, query: str, pointer: str) -> None:
    answer = root("GET", f"/tenants/check?{query}")
    assert answer.status_code == 400
    (fault,) = answer.json()["errors"]
    assert fault["pointer"] == pointer
    assert fault["detail"]
