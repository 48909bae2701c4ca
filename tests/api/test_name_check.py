"""Whether a slug or a domain is free, before a tenant is made: free or not, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.world import World


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("slug=new", {"slug": {"free": True}}),
        ("slug=acme", {"slug": {"free": False}}),
        ("slug=beta", {"slug": {"free": False}}),
        ("slug=dezky2&domain=new.test", {"slug": {"free": True}, "domain": {"free": True}}),
        ("domain=acme.test", {"domain": {"free": False}}),
        ("domain=ACME.test", {"domain": {"free": False}}),
        ("domain=notacme.test", {"domain": {"free": True}}),
        ("", {}),
    ],
)
@pytest.mark.parametrize("caller", ["admin", "reseller"])
def test_it_says_free_or_not_and_nothing_else(world: World, caller: str, query: str, found: dict[str, Any]) -> None:
    answer = world.people[caller]("GET", f"/tenants/check?{query}")
    assert (answer.status_code, answer.json()) == (200, found)


def test_a_domain_below_another_tenants_is_free_for_a_platform_administrator_only(world: World) -> None:
    for caller, is_free in (("admin", True), ("reseller", False)):
        answer = world.people[caller]("GET", "/tenants/check?domain=mail.acme.test")
        assert answer.json() == {"domain": {"free": is_free}}


def test_a_slug_of_a_deleted_tenant_is_not_free(world: World) -> None:
    assert world.people["admin"]("DELETE", "/tenants/acme").status_code == 202
    assert world.people["reseller"]("GET", "/tenants/check?slug=acme").json() == {"slug": {"free": False}}


@pytest.mark.parametrize(
    "query", ["slug=www", "slug=A", "slug=check", "domain=co.uk", "domain=x", "slug=a&slug=b", "x=1"]
)
def test_a_name_that_breaks_a_rule_is_told_with_the_rule(world: World, query: str) -> None:
    answer = world.people["admin"]("GET", f"/tenants/check?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
