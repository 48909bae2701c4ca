"""Fixtures of the tests of the OCIS steps: each test runs against OCIS and against OpenCloud."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.simulators.ocis.server import OcisStandIn
from tests.ocis.spaces import client
from tests.stand_ins import API_TOKEN
from worker.integrations.ocis.client import Ocis


@pytest.fixture(params=["ocis", "opencloud"])
def ocis(request: pytest.FixtureRequest) -> Iterator[OcisStandIn]:
    users = {"provisioner": (API_TOKEN, "Admin"), "spaces": (API_TOKEN, "Space Admin")}
    stand_in = OcisStandIn(basic_users=users, opencloud=request.param == "opencloud", max_quota=10**13)
    with stand_in.running():
        yield stand_in


@pytest.fixture
def files(ocis: OcisStandIn) -> Ocis:
    return client(ocis)
