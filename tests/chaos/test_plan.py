"""Check that a seed gives the same plan each time, and that no fault is left out without a reason."""

from __future__ import annotations

import pytest

from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.stalwart.server import StalwartSimulator
from tools.chaos.faults.injector import _START
from tools.chaos.faults.products import LEFT_OUT, PRODUCTS, kinds_of
from tools.chaos.plan import FAULTS, LEASE, Size, make_plan

SIMULATORS = {"authentik": AuthentikSimulator, "stalwart": StalwartSimulator, "ocis": OcisSimulator}


def test_a_seed_makes_the_same_plan_each_time_and_another_makes_another() -> None:
    size = Size(tenants=30, minutes=2)
    assert make_plan(7, size) == make_plan(7, size)
    assert make_plan(7, size).faults != make_plan(8, size).faults


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_fault_of_a_simulator_is_injected_or_excluded_with_a_reason(product: str) -> None:
    known, left_out = SIMULATORS[product].kinds(), LEFT_OUT[product]
    assert kinds_of(product) | set(left_out) == known
    assert not kinds_of(product) & set(left_out)
    assert all(left_out.values())


def test_every_kind_of_fault_in_a_plan_can_be_injected() -> None:
    kinds = {kind for _, kinds in FAULTS.values() for kind in kinds}
    assert kinds - set(_START) == {f"{product} at fault" for product in PRODUCTS}


def test_some_frozen_processes_continue_only_after_their_leases_have_expired() -> None:
    faults = make_plan(7, Size(tenants=1, minutes=60)).faults
    for kind in ("worker frozen", "scheduler frozen"):
        lasts = [one.lasts for one in faults if one.kind == kind]
        assert any(one > LEASE for one in lasts)
        assert any(one < LEASE for one in lasts)
