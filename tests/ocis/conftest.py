"""Fixtures of the tests of the OCIS steps: each test runs against OCIS and against OpenCloud."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.simulators.ocis.server import OcisSimulator
from tests.ocis.spaces import client
from tests.simulators import API_TOKEN
from worker.integrations.ocis.client import OcisClient


@pytest.fixture(params=["ocis", "opencloud"])
def ocis(request: pytest.FixtureRequest) -> Iterator[OcisSimulator]:
    users = {"provisioner": (API_TOKEN, "Admin"), "spaces": (API_TOKEN, "Space Admin")}
    simulator = OcisSimulator(basic_users=users, opencloud=request.param == "opencloud", max_quota=10**13)
    with simulator.running():
        yield simulator


@pytest.fixture
def files(ocis: OcisSimulator) -> OcisClient:
    return client(ocis)
