"""Waiting for operations and checks lasts through restarts and overload of the API."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from client import Platform
from tests.platformctl.conftest import Cli, Workers
from tests.platformctl.faulty_proxy import FaultyProxy, Handler, gone, passes, says


def test_watching_an_operation_survives_a_restart_of_the_api(cli: Cli, proxy: FaultyProxy) -> None:
    operation = cli.json("tenants", "create", "acme", "--name", "Acme")["operation"]
    proxy.faults = [passes, *[gone] * 5]
    assert cli("operations", "watch", operation["id"], "--timeout", "5").exit_code == 6
    assert proxy.faults == []


@pytest.mark.parametrize("faults", [[says(408)], [says(429)], [says(503)] * 5])
def test_watching_an_operation_survives_an_overloaded_api(
    cli: Cli, proxy: FaultyProxy, faults: list[Callable[[Handler], None]]
) -> None:
    operation = cli.json("tenants", "create", "acme", "--name", "Acme")["operation"]
    proxy.faults = [passes, *faults]
    assert cli("operations", "watch", operation["id"], "--timeout", "6").exit_code == 6
    assert proxy.faults == []


def test_watching_waits_as_long_as_a_busy_api_asks(cli: Cli, proxy: FaultyProxy) -> None:
    operation = cli.json("tenants", "create", "acme", "--name", "Acme")["operation"]
    platform = Platform(proxy.url, cli.environment["PLATFORM_TOKEN"] or "", retries=0)
    proxy.faults = [passes, says(429, **{"Retry-After": "60"})]
    began = len(proxy.seen)
    assert platform.operations.wait(operation["id"], 3, long_poll=0.1)["status"] == "running"
    assert len(proxy.seen) - began == 3, "the last request is sent when the time is over"


def test_waiting_for_a_started_operation_survives_a_restart_of_the_api(
    cli: Cli, proxy: FaultyProxy, workers: Workers
) -> None:
    workers.finish(cli.json("tenants", "create", "acme", "--name", "Acme")["operation"]["id"])
    proxy.faults = [passes, *[gone] * 5]
    assert cli("tenants", "reconcile", "acme", "--wait", "--timeout", "5").exit_code == 6
    assert proxy.faults == []


def test_waiting_for_a_domain_check_survives_a_restart_of_the_api(cli: Cli, proxy: FaultyProxy) -> None:
    assert cli("tenants", "create", "acme", "--name", "Acme", "--domain", "acme.test").exit_code == 0
    proxy.faults = [passes, *[gone] * 5]
    assert cli("domains", "verify", "acme", "acme.test", "--wait", "--timeout", "5").exit_code == 6
    assert proxy.faults == []
