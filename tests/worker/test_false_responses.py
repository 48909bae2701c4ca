"""False successes and stale reads of a product: nothing is created twice, and the next run corrects the result."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
import requests

from shared.integrations.outcomes import Fault, Outcome, Result, failed
from tests.simulators import Saved, fault
from tests.worker.test_every_fault import Product, products
from worker.http.deadline import within

__all__ = ["products"]
NAMES = ("authentik", "stalwart", "ocis")
#: lag of reads in seconds: less than the retry delay of an attempt that does not see its own write
LAG = 0.3


def attempt(product: Product, *, is_first: bool = False) -> Outcome:
    with within(10):
        try:
            return product.step(replace(product.make_step(product.server.product), is_first=is_first), product.client)
        except Fault as problem:
            return failed(problem)


def until_ok(product: Product, first: bool) -> int:
    """Run attempts as a worker does; return their number."""
    for number in range(1, 30):
        outcome = attempt(product, is_first=first and number == 1)
        if outcome.result is Result.OK and outcome.notes.get("members") != "pending":
            return number
        assert outcome.result in (Result.RETRY, Result.OK), outcome
        time.sleep(outcome.wait or 0.05)
    raise AssertionError(outcome)


def start_over(product: Product, saved: Saved) -> None:
    saved.clear()
    requests.post(f"{product.server.url}/__sim/reset", timeout=5).raise_for_status()


def product_state(product: Product) -> dict[str, Any]:
    """Return the product's objects without values that differ from run to run."""
    state = product.server.snapshot()
    if product.server.product == "authentik":
        return {"groups": [{**one, "pk": None} for one in state["groups"] if one["name"].startswith("tenant-")]}
    if product.server.product == "stalwart":
        domains = [(one["name"], one["isEnabled"], one["description"]) for one in state["Domain"]]
        keys = sorted(one["@type"] for one in state["DkimSignature"])
        return {"domains": domains, "accounts": [one["emailAddress"] for one in state["Account"]], "keys": keys}
    shown = ("name", "alias", "description", "quota", "disabled")
    spaces = [{name: one[name] for name in shown} for one in state["spaces"]]
    return {
        "spaces": spaces,
        "roles": [sorted(one["grants"].values()) for one in state["spaces"]],
        "groups": sorted(state["groups"].values()),
    }


def as_it_should_be(product: Product, saved: Saved) -> tuple[dict[str, Any], int]:
    """Return the result of an attempt without faults, and the number of its writing requests."""
    start_over(product, saved)
    until_ok(product, first=True)
    asked = product.server.journal
    writing = [one for one in asked if one["method"] not in ("GET", "POST") or "/jmap" not in one["path"]]
    writes = [one for one in writing if one["method"] != "GET"] + [one for one in asked if "/set" in one["body"]]
    return product_state(product), len(writes)


@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
@pytest.mark.parametrize("name", NAMES)
def test_the_next_run_makes_a_change_that_was_falsely_reported_done_once(
    products: dict[str, Product], saved: Saved, name: str, first: bool
) -> None:
    product = products[name]
    wanted, writes = as_it_should_be(product, saved)
    for number in range(writes):
        start_over(product, saved)
        fault(product.server, kind="ignored", after=number, count=1)
        until_ok(product, first)
        assert product.server.faults.list()[0]["injected"] == 1
        # the second run detects a false success of the first
        until_ok(product, first=False)
        assert product_state(product) == wanted, number


@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
@pytest.mark.parametrize("name", ["authentik", "ocis"])
def test_stale_reads_create_nothing_twice(products: dict[str, Product], saved: Saved, name: str, first: bool) -> None:
    product = products[name]
    wanted, _ = as_it_should_be(product, saved)
    start_over(product, saved)
    fault(product.server, kind="stale_reads", delay=LAG)
    until_ok(product, first)
    assert product.server.faults.list()[0]["injected"] >= 1
    time.sleep(LAG)
    assert product_state(product) == wanted
    until_ok(product, first=False)
    assert product_state(product) == wanted
