"""Three hosts that share a broker and a database and nothing else; one is cut off in the middle of its work."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.services import Mongod, Valkey
from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.tenants.model import Status
from tests.api.conftest import ADMINS, Client
from tests.end_to_end.conftest import Platform, build
from tests.hosts.conftest import every_tenant_is_whole
from tests.hosts.network import Host
from tests.simulators import API_TOKEN, CLIENTS, fault
from tests.waiting import until

ROOT = Path(__file__).parents[2]
#: set where this file is run again by a user who is root of namespaces of its own
INSIDE = "DEZKY_TEST_OWN_ROOT"
#: the steps that run when the host is disconnected
CUT = ("authentik", "ocis")


def as_own_root(test: str) -> None:
    """Run the test as root of a user namespace. Skips where the kernel permits that neither."""
    own = ["unshare", "--user", "--map-root-user", "--net"]
    if INSIDE in os.environ or subprocess.run([*own, "true"], capture_output=True).returncode != 0:
        pytest.skip("This kernel lets neither this user nor a user of its own make network namespaces.")
    run = [*own, "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-m", "pytest", "-n0", test]
    done = subprocess.run(run, cwd=ROOT, env={**os.environ, INSIDE: "1"}, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.fixture
def hosts(request: pytest.FixtureRequest) -> Iterator[list[Host]]:
    """Yield three hosts; None when the test has been run by another user instead."""
    if shutil.which("ip") is None:
        pytest.skip("The program ip (Debian package iproute2) is not on this machine.")
    made: list[Host] = []
    try:
        made.append(Host(1))
        made += [Host(number, made[0]) for number in (2, 3)]
    except PermissionError:
        as_own_root(request.node.nodeid)
    yield made
    for host in made:
        host.close()


@pytest.fixture
def middle(hosts: list[Host]) -> Iterator[Host | None]:
    """Return the first host, on which the test itself runs."""
    if not hosts:
        yield None
        return
    with hosts[0].inside():
        yield hosts[0]


@pytest.fixture
def products(middle: Host | None) -> Iterator[tuple[AuthentikSimulator, StalwartSimulator, OcisSimulator]]:
    authentik = AuthentikSimulator(api_token=API_TOKEN, admin_group=ADMINS, clients=CLIENTS)
    stalwart = StalwartSimulator(api_key=API_TOKEN, dkim_delay=0.05)
    ocis = OcisSimulator(basic_users={"provisioner": (API_TOKEN, "Admin")})
    for one in (authentik, stalwart, ocis):
        one.host = middle.address if middle else one.host
    with authentik.running(), stalwart.running(), ocis.running():
        yield authentik, stalwart, ocis


@pytest.fixture
def shared_servers(middle: Host | None, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the settings that the hosts share: a database and a broker on the first one."""
    if middle is None:
        yield {}
        return
    mongod = Mongod(tmp_path, address=middle.address)
    valkey = Valkey(tmp_path, address=middle.address, options=("--protected-mode", "no"))
    try:
        mongod.start()
        valkey.start()
        yield {"MONGODB_URI": mongod.uri, "REDIS_URL": valkey.url}
    finally:
        valkey.stop()
        mongod.stop()


def test_a_disconnected_host_loses_its_steps_to_another_and_returns_without_effect(
    hosts: list[Host],
    products: tuple[AuthentikSimulator, StalwartSimulator, OcisSimulator],
    shared_servers: dict[str, str],
    tmp_path: Path,
) -> None:
    if not hosts:
        return  # it has been run by another user and passed
    _, second, third = hosts
    # issuers with plain http are accepted on loopback only, so an emergency token is used
    platform = build(tmp_path, products, **shared_servers)
    # a process runs on the host that it was started from, so none may be forked from an earlier one
    platform.is_warm = False
    try:
        _cut_off_and_come_back(platform, second, third)
    finally:
        platform.close()


def _cut_off_and_come_back(platform: Platform, second: Host, third: Host) -> None:
    with second.inside():
        url = platform.start_api(second.address)
        platform.start_scheduler()
    with third.inside():
        platform.start_scheduler()
        far_worker = platform.start_worker(app="tests.end_to_end.faulty_workers:app", FAULTY_WORKER="suspended")
    store, admin = platform.store, platform.admin.user
    client = Client(
        url,
        store.connection.transaction(
            lambda session: store.emergency_tokens.issue(admin.subject, admin.email, admin.name, 30, session)
        ),
    )
    # the tenant that the service creates for itself
    until(lambda: platform.store.tenants.find(platform.settings.default_tenant_slug))
    platform.settled(platform.settings.default_tenant_slug)

    # the effect happens at once and the response drips
    fault(platform.authentik, kind="drip", method="POST", delay=0.5, count=1)
    fault(platform.ocis, kind="drip", method="POST", path="drives$", delay=0.5, count=1)
    sign_up(client, "acme")
    until(lambda: platform.upstream("acme")["groups"] and platform.upstream("acme")["spaces"])
    third.cut_off()
    far_worker.send_signal(signal.SIGSTOP)
    with second.inside():
        near_worker = platform.start_worker()
    view = platform.settled("acme")
    assert "step.lease_lost" not in platform.logs()
    assert view.tenant.status is Status.ACTIVE
    assert view.operation is not None
    assert [view.operation.step(name).attempts for name in CUT] == [2, 2]

    third.join_again()
    far_worker.send_signal(signal.SIGCONT)
    # the frozen attempt continues, and its outcome comes too late
    until(lambda: all(lost_its_lease(platform, name) for name in CUT))
    every_tenant_is_whole(platform, ["acme"])
    assert platform.settled("acme").operation == view.operation
    near_worker.terminate()
    near_worker.wait(30)
    sign_up(client, "beta")
    every_tenant_is_whole(platform, ["beta"])
    assert far_worker.poll() is None, platform.logs()[-4000:]


def lost_its_lease(platform: Platform, step: str) -> bool:
    return any("step.lease_lost" in line and f"step={step}" in line for line in platform.logs().splitlines())


def sign_up(client: Client, slug: str) -> None:
    answer = client("POST", "/tenants", json={"slug": slug, "name": slug.title(), "domains": [f"{slug}.test"]})
    assert answer.status_code == 201, answer.text
