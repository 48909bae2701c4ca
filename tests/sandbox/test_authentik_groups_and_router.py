"""Test the Authentik simulator's groups, pages and router."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.sandbox.authentik_caller import GROUPS, ME, Caller
from tests.simulators import fault


def test_a_group_is_shown_below_its_current_parents_only(call: Caller) -> None:
    def made(name: str, **fields: Any) -> str:
        return str(call("POST", GROUPS, json={"name": name, **fields}).json()["pk"])

    first, second = made("first"), made("second")
    child = made("child", parents=[first])
    call("PATCH", f"{GROUPS}{child}/", json={"parents": [second]})
    shown = {one["name"]: one for one in call("GET", GROUPS).json()["results"]}
    assert [shown[name]["children"] for name in ("first", "second")] == [[], [child]]
    call("DELETE", f"{GROUPS}{second}/")
    assert call("GET", f"{GROUPS}{child}/").json()["parents"] == []
    call("DELETE", f"{GROUPS}{child}/")
    assert call("GET", f"{GROUPS}{first}/").json()["children"] == []


def test_a_page_of_groups_has_the_total_count(call: Caller) -> None:
    for number in range(5):
        call("POST", GROUPS, json={"name": f"g{number}"})
    answer = call("GET", f"{GROUPS}?page_size=2&page=2&search=g").json()
    assert [one["name"] for one in answer["results"]] == ["g2", "g3"]
    assert [answer["pagination"][key] for key in ("count", "next", "total_pages")] == [5, 3, 3]


@pytest.mark.parametrize(
    ("path", "accept", "status", "body"),
    [
        (ME, "application/json", 503, '{"error": "authentik starting"}'),
        (ME, "text/html", 503, ""),
        (ME, "*/*", 503, "authentik starting"),
        ("/-/health/live/", "*/*", 502, ""),
        ("/-/health/ready/", "*/*", 503, "authentik starting"),
    ],
)
def test_while_the_core_starts_the_router_answers(call: Caller, path: str, accept: str, status: int, body: str) -> None:
    fault(call.simulator, kind="starting")
    for method in ("GET", "POST"):
        answer = requests.request(method, f"{call.simulator.url}{path}", headers={"Accept": accept}, timeout=5)
        assert (answer.status_code, answer.text) == (status, body)
    assert (answer.headers.get("Retry-After") == "5") is (status == 503)


def test_without_its_database_reads_are_500_and_writes_an_empty_405(call: Caller) -> None:
    fault(call.simulator, kind="database_down")
    for path in (ME, "/-/health/ready/", "/application/o/portal/jwks/"):
        assert call("GET", path).status_code == 500
    masked = call("POST", GROUPS, json={"name": "tenant-acme"})
    assert (masked.status_code, masked.content) == (405, b"")
