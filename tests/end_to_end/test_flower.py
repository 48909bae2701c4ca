"""Flower shows the work by integration, action, tenant and outcome, to those who are signed in, and remembers it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page

from sandbox.processes import end
from tests.end_to_end.conftest import Platform
from tests.simulators import fault
from tests.waiting import until

LOGIN = ("operator", "a-password")


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(http_credentials={"username": LOGIN[0], "password": LOGIN[1]})
    yield context.new_page()
    context.close()


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthcheck", auth=LOGIN, timeout=2).ok
    except requests.RequestException:
        return False


def tasks(url: str) -> dict[str, list[dict[str, Any]]]:
    """Return Flower's records of tasks by task name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in requests.get(f"{url}/api/tasks", auth=LOGIN, timeout=10).json().values():
        found.setdefault(one["name"], []).append(one)
    return found


def started(platform: Platform) -> tuple[str, subprocess.Popen[bytes]]:
    url, process = platform.start_flower(":".join(LOGIN))
    until(lambda: answers(url))
    return url, process


def test_flower_shows_every_step_with_tenant_and_outcome_also_after_a_restart(platform: Platform, page: Page) -> None:
    url, flower = started(platform)
    platform.start_worker(events=True)
    platform.start_scheduler()
    until(lambda: requests.get(f"{url}/api/workers?refresh=1", auth=LOGIN, timeout=10).json())
    platform.create("acme")
    assert platform.settled("acme").tenant.status == "active"
    fault(platform.ocis, kind="status", status=503, count=4)
    platform.create("beta")
    assert platform.settled("beta").tenant.status == "active"
    fault(platform.ocis, kind="status", status=403, body="{}")
    platform.create("gamma")
    gamma = platform.settled("gamma")
    assert gamma.operation is not None

    def failed() -> list[dict[str, Any]]:
        found = tasks(url).get("ocis.provision", [])
        return [one for one in found if one["state"] == "FAILURE" and "gamma" in one["args"]]

    (failure,) = until(failed)
    assert gamma.operation.id in failure["args"]
    assert "StepFailed" in failure["exception"]
    assert gamma.operation.step("ocis").reason in failure["exception"]
    known = tasks(url)
    assert {"authentik.provision", "stalwart.provision", "ocis.provision"} <= set(known)
    retried = [one for one in known["ocis.provision"] if "beta" in one["args"] and one["retried"]]
    assert any("upstream_error" in one["exception"] for one in retried), retried
    assert all("dispatch" in one["args"] for one in known["ocis.provision"]), known["ocis.provision"]

    page.goto(f"{url}/tasks")
    page.wait_for_selector("text=ocis.provision")
    assert "gamma" in page.inner_text("#tasks-table")
    assert "FAILURE" in page.inner_text("#tasks-table")
    page.goto(f"{url}/task/{failure['uuid']}")
    text = page.inner_text("body")
    assert "gamma" in text
    assert gamma.operation.step("ocis").reason in text
    assert "password" not in text.lower()

    end(flower)
    again, _ = started(platform)
    assert failure["uuid"] in {one["uuid"] for one in tasks(again)["ocis.provision"]}


def test_every_page_of_flower_requires_a_login(platform: Platform) -> None:
    url, _ = started(platform)
    for path in ("/", "/tasks", "/broker", "/api/tasks", "/metrics", "/healthcheck"):
        assert requests.get(f"{url}{path}", timeout=10).status_code == 401, path
        assert requests.get(f"{url}{path}", auth=("operator", "wrong"), timeout=10).status_code == 401, path
    metrics = requests.get(f"{url}/metrics", auth=LOGIN, timeout=10)
    assert metrics.ok
    assert "flower_" in metrics.text


def test_flower_does_not_start_without_a_login(platform: Platform) -> None:
    _, process = platform.start_flower("")
    assert process.wait(60) == 1
    assert "open to everybody" in platform.logs()


def test_a_deferred_step_ends_its_task_as_retried_and_spends_no_attempt(platform: Platform) -> None:
    url, _ = started(platform)
    platform.start_worker(events=True)
    until(lambda: requests.get(f"{url}/api/workers?refresh=1", auth=LOGIN, timeout=10).json())
    platform.services.switches.pause("ocis", "an upgrade", platform.admin)
    platform.create("acme")
    (deferred,) = until(lambda: [one for one in tasks(url).get("ocis.provision", []) if one["state"] == "RETRY"])
    assert "acme" in deferred["args"]
    assert "paused" in deferred["exception"]
    operation = platform.tenant("acme").operation
    assert operation is not None
    assert operation.step("ocis").attempts == 0
