"""Check the commands of `python -m sandbox`, on ports and in a folder of the test."""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from click.testing import CliRunner, Result

from sandbox.__main__ import main
from sandbox.layout import OFFSETS
from sandbox.processes import is_free
from sandbox.sign_in import sign_in
from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.dns.server import DnsSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.stalwart.server import StalwartSimulator
from sandbox.simulators.state_faults import STATE_KINDS
from sandbox.simulators.stripe.server import StripeSimulator
from sandbox.tokens import password_of, person_of
from tests.unused_names import UnusedNames

SIMULATORS = (AuthentikSimulator, StalwartSimulator, OcisSimulator, StripeSimulator, DnsSimulator)
SIMULATORS_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "simulators.md"


class Sandbox:
    """The command line over one folder. `variables`: more environment; a sandbox starts what they do not name."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.base = free_base()
        self.unused = UnusedNames()
        self._variables: dict[str, str | None] = {"MONGODB_URI": None, "REDIS_URL": None, **variables}

    def __call__(self, *arguments: str) -> Result:
        """Run a command that starts nothing, in this process."""
        return CliRunner().invoke(main, [*arguments, "--data", str(self.folder)], env=self._variables)

    def program(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sandbox", *arguments, "--data", str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, env=self._environment())

    def start(self, *arguments: str, output: Path) -> tuple[subprocess.Popen[bytes], Path]:
        """Start a command that keeps running; return it and the file with its output."""
        command = [sys.executable, "-m", "sandbox", *arguments, "--data", str(self.folder)]
        environment = {**self._environment(), "PYTHONUNBUFFERED": "1"}
        with output.open("wb") as sink:
            return subprocess.Popen(command, stdout=sink, stderr=sink, env=environment), output

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self("status", "--json").stdout)
        return state

    def up(self) -> dict[str, Any]:
        done = self.program("up", "--detach", "--json", "--port-base", str(self.base))
        assert done.returncode == 0, done.stderr
        state: dict[str, Any] = json.loads(done.stdout)
        return state

    def _environment(self) -> dict[str, str]:
        given = {**os.environ, **self._variables}
        return {name: value for name, value in given.items() if value is not None}


def free_base() -> int:
    """Use ports below the kernel's range for outgoing connections, so that none is in use."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(200):
        base = 5_000 + secrets.randbelow(max(1000, lowest - 5_100))
        if all(is_free(base + offset) for offset in OFFSETS.values()):
            return base
    raise AssertionError("no free ports")


def family(state: dict[str, Any]) -> list[psutil.Process]:
    supervisor = psutil.Process(state["supervisor"]["pid"])
    return [supervisor, *supervisor.children(recursive=True)]


def left(processes: list[psutil.Process], seconds: float = 60) -> list[psutil.Process]:
    """Return the processes that still run after so long."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [one for one in alive if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    made = Sandbox(tmp_path / "box")
    yield made
    made("down")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Share one running sandbox between tests: starting it is most of their cost."""
    made = Sandbox(tmp_path_factory.mktemp("running") / "box")
    made.up()
    yield made
    made("down")


def test_up_shows_everything_and_signs_people_in(running: Sandbox) -> None:
    sandbox, state = running, running.state()
    assert {"api", "flower", "mongodb", "redis", "authentik", "stalwart", "ocis", "pids", "logs"} <= set(state)
    assert set(state["flower"]) == {"url", "user", "password"}
    assert set(state["authentik"]) == {"url", "api_token", "issuer"}
    file = sandbox.folder / "sandbox.json"
    assert json.loads(file.read_text()) == state
    assert file.stat().st_mode & 0o077 == 0

    assert requests.get(f"{state['api']}/health", timeout=5).json()["service"] == "dezky-platform-api"
    assert requests.get(state["flower"]["url"], timeout=5).status_code == 401
    login = (state["flower"]["user"], state["flower"]["password"])
    assert requests.get(f"{state['flower']['url']}/workers", auth=login, timeout=10).status_code == 200

    admin = sandbox("token", "--as", "admin").stdout.strip()
    headers = {"Authorization": f"Bearer {admin}"}
    acme = sandbox.unused("acme")
    body = {"slug": acme, "name": "Acme", "domains": [f"{acme}.test"]}
    created = requests.post(f"{state['api']}/tenants?wait=30", json=body, headers=headers, timeout=40)
    assert (created.status_code, created.json()["status"]) == (201, "active"), created.text
    assert created.json()["provisioningStatus"]["billing"] == "ok"

    for role, reconciles in (("owner", 202), ("member", 403)):
        token = sandbox("token", "--as", role, "--tenant", acme).stdout.strip()
        mine = {"Authorization": f"Bearer {token}"}
        seen = requests.get(f"{state['api']}/tenants", headers=mine, timeout=5).json()
        assert [one["slug"] for one in seen] == [acme]
        answer = requests.post(f"{state['api']}/tenants/{acme}/reconcile?wait=30", headers=mine, timeout=40)
        assert answer.status_code == reconciles
    partner = {"Authorization": f"Bearer {sandbox('token', '--as', 'partner').stdout.strip()}"}
    assert requests.get(f"{state['api']}/tenants", headers=partner, timeout=5).json() == []
    assert sandbox("token", "--as", "owner").exit_code == 2

    ordered = sandbox("fault", "ocis", '{"kind": "storage_down", "count": 1}')
    assert json.loads(ordered.stdout)[0]["kind"] == "storage_down"
    assert json.loads(sandbox("fault", "ocis", "clear").stdout) == []
    assert sandbox("fault", "ocis", '{"kind": "nonsense"}').exit_code == 2
    assert sandbox("fault", "ocis", "not json").exit_code == 2

    assert sandbox.program("status").returncode == 0
    again = sandbox.program("up", "--port-base", str(sandbox.base))
    assert again.returncode == 1
    assert "runs already" in again.stderr


def test_people_of_the_sandbox_sign_in_to_the_console_and_see_their_tenants(running: Sandbox) -> None:
    state = running.state()
    url = state["console"]["url"]
    admin = {"Authorization": f"Bearer {running('token', '--as', 'admin').stdout.strip()}"}
    globex = running.unused("globex")
    body = {"slug": globex, "name": "Globex", "domains": [f"{globex}.test"]}
    assert requests.post(f"{state['api']}/tenants?wait=30", json=body, headers=admin, timeout=40).status_code == 201
    for role, shown in (("admin", "Operator"), ("owner", "Owner")):
        tenant = ("--tenant", globex) if role == "owner" else ()
        assert running("token", "--as", role, *tenant).exit_code == 0
        username = person_of(role, *tenant[1:])
        page = sign_in(url, username, password_of(username)).get(f"{url}/tenants/{globex}", timeout=20)
        assert (page.status_code, shown in page.text) == (200, True)
        assert "Globex" in page.text


def test_a_dead_worker_is_brought_back(running: Sandbox) -> None:
    worker = running.state()["pids"]["worker"]
    os.kill(worker, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while running.state()["pids"]["worker"] == worker:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_demo_beside_another_sandbox_shows_its_work_and_down_leaves_no_process(
    running: Sandbox, sandbox: Sandbox, tmp_path: Path
) -> None:
    demo, printed = sandbox.start("demo", "--port-base", str(sandbox.base), output=tmp_path / "demo.txt")
    deadline = time.monotonic() + 90
    while "Ctrl-C" not in (text := printed.read_text()):
        assert demo.poll() is None, text
        assert time.monotonic() < deadline, text
        time.sleep(0.1)
    for line in ("authentik", "stalwart", "ocis", "active", "Flower", "password-of-admin", "the owner of acme"):
        assert line in text
    first, second = running.state(), sandbox.state()
    assert first["api"] != second["api"]
    everybody = family(second)
    assert sandbox.program("down").returncode == 0
    assert left(everybody) == []
    assert demo.wait(10) == 0  # the tenant became active
    assert sandbox("status").exit_code == 3
    assert sandbox("down").exit_code == 0
    assert requests.get(f"{first['api']}/health/ready", timeout=5).status_code == 200


def test_a_killed_sandbox_leaves_no_process(running: Sandbox) -> None:
    if running("status").exit_code:
        running.up()  # this test is repeated
    everybody = family(running.state())
    everybody[0].kill()
    assert left(everybody) == []
    assert running.program("status").returncode == 3


def test_a_port_in_use_is_named_with_its_service_and_the_remedy(sandbox: Sandbox) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", sandbox.base + OFFSETS["stalwart"]))
        squatter.listen()
        done = sandbox.program("up", "--port-base", str(sandbox.base))
    assert done.returncode == 1
    assert str(sandbox.base + OFFSETS["stalwart"]) in done.stderr
    assert "stalwart" in done.stderr
    assert "--port-base" in done.stderr


def test_every_command_explains_itself() -> None:
    for command in ("", "up", "status", "down", "token", "fault", "demo"):
        done = CliRunner().invoke(main, [*command.split(), "--help"])
        assert done.exit_code == 0
        assert "Usage:" in done.output


@pytest.mark.parametrize("kind", sorted(STATE_KINDS))
def test_the_help_of_faults_names_the_products_that_know_a_kind(kind: str) -> None:
    supporting = {one.__name__.removesuffix("Simulator").lower() for one in SIMULATORS if kind in one.kinds()}
    text = " ".join((main.commands["fault"].help or "").split()).lower()
    [products] = re.findall(rf"\. ([a-z, ]+): {kind}", text)
    assert set(re.split(", | and ", products)) == supporting


def test_every_fault_of_a_simulator_is_documented() -> None:
    documented = set(re.findall(r"`([a-z0-9_]+)`", SIMULATORS_PAGE.read_text()))
    assert {name for one in SIMULATORS for name in one.own_faults} <= documented
