"""What a storm is made of: the same from one seed, and nothing left out without a reason."""

from __future__ import annotations

import pytest

from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.stalwart.server import StalwartSimulator
from tools.chaos.plan import LEASE, TROUBLES, Size, make_plan
from tools.chaos.trouble import _START
from tools.chaos.upstream_faults import LEFT_OUT, PRODUCTS, kinds_of

SIMULATORS = {"authentik": AuthentikSimulator, "stalwart": StalwartSimulator, "ocis": OcisSimulator}


def test_a_seed_makes_the_same_plan_each_time_and_another_makes_another() -> None:
    size = Size(tenants=30, minutes=2)
    assert make_plan(7, size) == make_plan(7, size)
    assert make_plan(7, size).troubles != make_plan(8, size).troubles


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_fault_that_a_simulator_knows_is_in_the_storm_or_left_out_for_a_reason(product: str) -> None:
    known, left_out = SIMULATORS[product].kinds(), LEFT_OUT[product]
    assert kinds_of(product) | set(left_out) == known
    assert not kinds_of(product) & set(left_out)
    assert all(left_out.values())


def test_every_trouble_of_the_plan_is_one_that_is_made() -> None:
    kinds = {kind for _, kinds in TROUBLES.values() for kind in kinds}
    assert kinds - set(_START) == {f"{product} at fault" for product in PRODUCTS}


def test_some_of_what_is_frozen_goes_on_only_when_its_leases_have_run_out() -> None:
    troubles = make_plan(7, Size(tenants=1, minutes=60)).troubles
    for kind in ("worker frozen", "sweep frozen"):
        lasts = [one.lasts for one in troubles if one.kind == kind]
        assert any(one > LEASE for one in lasts)
        assert any(one < LEASE for one in lasts)
