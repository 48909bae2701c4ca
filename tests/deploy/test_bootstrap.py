"""The bootstrap job: on new products it creates missing objects, and the second time nothing; `make up` shows it."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner, Result

from deploy import prepare
from sandbox.simulators.authentik.server import AuthentikSimulator
from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.integrations.outcomes import TemporaryError
from tests.simulators import API_TOKEN, fault
from worker.bootstrap.__main__ import main
from worker.bootstrap.accounts import prepare_authentik
from worker.bootstrap.secret_files import SecretFiles

ROOT = Path(__file__).parents[2]
USER = prepare.PLATFORM
PASSWORD = "recovery-password-of-stalwart"
#: stands for docker: `compose up` ends with $UP_STATUS
DOCKER = """#!/bin/sh
echo "docker $*"
case "$*" in "compose up "*) exit "$UP_STATUS" ;; esac
"""


@pytest.fixture
def fresh_stalwart() -> Iterator[StalwartSimulator]:
    server = StalwartSimulator(api_key="nobody-has-this-key", recovery_admin=("admin", PASSWORD), dkim_delay=0.05)
    with server.running():
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {
        "stalwart_admin_password": PASSWORD,
        "stalwart_api_token": "",
        "authentik_api_token": API_TOKEN,
        "ocis_password": API_TOKEN,
        "stamp_keys": "k" * 32,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def environment(
    fresh_stalwart: StalwartSimulator, authentik: AuthentikSimulator, ocis: OcisSimulator
) -> dict[str, str]:
    return {
        "AUTHENTIK_API_URL": authentik.url,
        "STALWART_API_URL": fresh_stalwart.url,
        "OCIS_API_URL": ocis.url,
        "OCIS_USERNAME": "provisioner",
        "SERVICE_DOMAIN": "service.platform.test",
        "MAIL_HOST": "mail.platform.test",
    }


@pytest.fixture
def bootstrap(folder: Path, environment: dict[str, str]) -> Callable[..., Result]:
    """Return a function that runs the job in this process."""

    def run(*more: str, timeout: float = 20.0, **variables: str) -> Result:
        options = ["--secrets", str(folder), "--timeout", str(timeout), *more]
        return CliRunner().invoke(main, options, env=environment | variables, catch_exceptions=False)

    return run


def run_program(*program: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the job as its container does."""
    command = [sys.executable, *program, "--secrets", str(folder), "--timeout", "20"]
    return subprocess.run(
        command, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_new_products_are_set_up_once(
    folder: Path, fresh_stalwart: StalwartSimulator, environment: dict[str, str], bootstrap: Callable[..., Result]
) -> None:
    first = run_program("-m", "worker.bootstrap", folder=folder, environment=environment)
    assert first.returncode == 0, first.stdout + first.stderr
    assert re.search(r"ready +Stalwart +Made the account provisioner@service.platform.test", first.stdout)
    assert re.search(r"ready +OCIS", first.stdout)
    assert re.search(r"to do +DNS", first.stdout)
    key = (folder / "stalwart_api_token").read_text()
    session = requests.get(f"{fresh_stalwart.url}/jmap/session", headers={"Authorization": f"Bearer {key}"}, timeout=5)
    assert session.status_code == 200
    assert "provisioner" in session.json()["username"]
    second = bootstrap()
    assert second.exit_code == 0
    assert "The platform's API key works." in second.stdout
    assert (folder / "stalwart_api_token").read_text() == key
    assert all(secret not in first.stdout + first.stderr for secret in (PASSWORD, API_TOKEN, key))


@pytest.mark.parametrize("runs", [1, 2])
def test_failed_sign_ins_through_the_proxy_do_not_ban_the_platform(
    bootstrap: Callable[..., Result],
    folder: Path,
    fresh_stalwart: StalwartSimulator,
    runs: int,
) -> None:
    """Seen: the 101st failed sign-in bans the address, without end."""
    if runs == 2:
        bootstrap()  # a server of an earlier release: the key works already
    assert bootstrap("--stalwart-behind-proxy").exit_code == 0
    fresh_stalwart.admission.exempts_loopback = False
    session = f"{fresh_stalwart.url}/jmap/session"
    wrong = base64.b64encode(b"anna@acme.test:wrong").decode()
    guess = {"X-Forwarded-For": "203.0.113.7", "Authorization": f"Basic {wrong}"}
    fresh_stalwart.admission.failures_until_ban = 3
    assert [requests.get(session, headers=guess, timeout=5).status_code for _ in range(5)] == [401] * 4 + [403]
    key = (folder / "stalwart_api_token").read_text()
    ours = {"X-Forwarded-For": "10.0.0.5", "Authorization": f"Bearer {key}"}
    assert requests.get(session, headers=ours, timeout=5).status_code == 200


def test_settings_of_stalwart_that_cannot_be_reloaded_are_a_task(
    bootstrap: Callable[..., Result], fresh_stalwart: StalwartSimulator
) -> None:
    fresh_stalwart.set_broken_setting("SpamPyzor")
    done = bootstrap("--stalwart-behind-proxy")
    assert done.exit_code == 0
    assert re.search(r"to do +Stalwart .*Restart it once", done.stdout)


def test_the_stage_of_invitations_is_recognised_by_its_name(
    bootstrap: Callable[..., Result], authentik: AuthentikSimulator, folder: Path
) -> None:
    other = authentik.controls()["add_email_stage"]("another")
    stages = {"results": [{"pk": other, "name": "another"}], "pagination": {}}
    body, kind = json.dumps(stages), "application/json"
    fault(authentik, kind="status", status=200, path="stages/email", body=body, content_type=kind)
    done = bootstrap()
    assert re.search(r"to do +Authentik", done.stdout)
    assert not (folder / "authentik_email_stage").exists()


def test_a_lost_key_is_created_again_for_the_same_account(bootstrap: Callable[..., Result], folder: Path) -> None:
    bootstrap()
    key = (folder / "stalwart_api_token").read_text()
    (folder / "stalwart_api_token").write_text("")
    assert bootstrap().exit_code == 0
    assert (folder / "stalwart_api_token").read_text() not in ("", key)


def test_a_product_that_does_not_start_is_named_and_the_others_are_set_up(
    bootstrap: Callable[..., Result], folder: Path
) -> None:
    done = bootstrap(timeout=1.0, OCIS_API_URL="http://127.0.0.1:9")
    assert done.exit_code == 1
    assert re.search(r"failed +OCIS +The integration could not be reached", done.stdout)
    assert re.search(r"ready +Stalwart", done.stdout)
    assert done.stdout.startswith("failed")


@pytest.mark.parametrize("body", [{"results": None}, {"results": [1]}, {"results": [{"name": "dezky-invitation"}]}, {}])
def test_a_list_of_stages_of_another_shape_is_an_unexpected_answer(
    authentik: AuthentikSimulator, folder: Path, body: object
) -> None:
    kind = "application/json"
    fault(authentik, kind="status", status=200, path="stages/email", body=json.dumps(body), content_type=kind)
    with pytest.raises(TemporaryError, match="unexpected_answer"):
        prepare_authentik(authentik.url, None, SecretFiles(folder), False)


def test_a_wrong_authentik_token_is_reported_with_the_blueprint_that_creates_it(
    bootstrap: Callable[..., Result], folder: Path
) -> None:
    (folder / "authentik_api_token").write_text("another")
    done = bootstrap(timeout=1.0)
    assert done.exit_code == 1
    assert "deploy/authentik/platform.yaml" in done.stdout


def test_the_stage_of_invitations_is_waited_for_where_our_blueprint_creates_it(
    bootstrap: Callable[..., Result], folder: Path, authentik: AuthentikSimulator
) -> None:
    applied_late = threading.Timer(3.0, authentik.controls()["add_email_stage"], ["dezky-invitation"])
    applied_late.start()
    done = bootstrap("--require-invitations")
    applied_late.join()
    assert done.exit_code == 0, done.stdout + done.stderr
    assert (folder / "authentik_email_stage").read_text() in authentik.state.invitations.email_stages


def test_a_missing_stage_of_invitations_fails_only_where_it_is_required(
    bootstrap: Callable[..., Result],
) -> None:
    required = bootstrap("--require-invitations", timeout=1.0)
    assert (required.exit_code, "invitations.yaml" in required.stdout) == (1, True)
    optional = bootstrap(timeout=1.0)
    assert optional.exit_code == 0
    assert re.search(r"to do +Authentik .*invitations.yaml", optional.stdout)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to the containers' users")
def test_the_job_reads_and_writes_its_files_as_its_containers_user(folder: Path, environment: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        mounted = Path(name)
        prepare.make_secrets(mounted)
        for path in folder.iterdir():
            if (mounted / path.name).stat().st_size:
                (mounted / path.name).write_text(path.read_text())
        # a container mounts files, so only each file's mode counts there
        mounted.chmod(0o755)
        # modules are imported before, as this machine may keep them where that user cannot read
        program = f"import os, worker.bootstrap.__main__ as job; os.setgid({USER}); os.setuid({USER}); job.main()"
        done = run_program("-c", program, folder=mounted, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert (mounted / "stalwart_api_token").read_text()


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    for name, text in (("docker", DOCKER), ("python3", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("status", [0, 1])
def test_the_bootstrap_jobs_screen_is_shown_whether_or_not_the_start_succeeds(programs: Path, status: int) -> None:
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "COMPOSE_PROFILES": "full", "UP_STATUS": str(status)}
    done = subprocess.run(
        ["/usr/bin/env", "make", "up"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode != 0) == bool(status)
    ran = [line for line in done.stdout.splitlines() if line.startswith("docker")]
    assert "logs" in ran[1]
    assert ran[1].endswith("bootstrap")
    assert ("worker.doctor" in ran[-1]) != bool(status)
