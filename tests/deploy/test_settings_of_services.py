"""Each service starts with the settings that the compose files give it, with the profile `full` and without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import certifi
import pytest

from deploy import prepare
from tests.deploy.conftest import ROOT, read_services

FULL = prepare.addresses(prepare.DOMAIN)
READ = "from shared.config.settings import read_settings; read = read_settings()"
READ_API = "from shared.config.settings import read_api_settings; read = read_api_settings()"
READ_CONSOLE = "from console.settings import read_settings; read = read_settings()"
READ_BOOTSTRAP = (
    "import os; from pathlib import Path; from worker.bootstrap.__main__ import _settings;"
    "from worker.bootstrap.secret_files import SecretFiles; read = _settings(SecretFiles(Path(os.environ['SECRETS'])))"
)
ROOT_FILE = "/etc/dezky/root.pem"
#: paths in containers that the image does not bring
MOUNTED = re.compile(r"/(?:etc/dezky|certificates|run/secrets|var/lib)(?:/[\w.-]+)*")


def given_variables(service: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a service; `given`: the lines of .env."""
    one = read_services()[service]
    variables = dict(given) if "env_file" in one else {}
    for variable, text in one.get("environment", {}).items():
        variables[variable] = re.sub(r"\$\{([A-Z_]+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], text)
    return variables


def mounts(service: str) -> set[str]:
    """Return the paths that are mounted into a service."""
    one = read_services()[service]
    secrets = {f"/run/secrets/{name}" for name in one.get("secrets", [])}
    return secrets | {volume.split(":")[1] for volume in one.get("volumes", [])}


def printed(program: str, service: str, folder: Path, *, is_full: bool) -> list[str]:
    """Run a program with the environment of a service; return the words that it prints."""
    prepare.make_secrets(folder)
    for name in prepare.WRITTEN:
        (folder / name).write_text("written-by-the-bootstrap-job")
    given = FULL if is_full else {}
    root = folder / "root.pem"
    root.write_text(Path(certifi.where()).read_text())
    environment = {"PATH": os.environ["PATH"], "SECRETS": str(folder)}
    for variable, text in given_variables(service, given).items():
        value = text.replace("/run/secrets", str(folder))
        environment[variable] = value.replace(ROOT_FILE, str(root)) if ROOT_FILE in mounts(service) else value
    done = subprocess.run([sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("service", ["api", "worker", "scheduler", "flower"])
def test_settings_are_valid_and_only_services_that_call_products_get_their_secrets(
    service: str, is_full: bool, tmp_path: Path
) -> None:
    read = READ_API if service == "api" else READ
    program = f"{read}; print(bool(read.oidc_issuers), all([read.authentik_api_token, read.ocis_password]))"
    calls_products = service in ("worker", "scheduler")
    assert printed(program, service, tmp_path / "secrets", is_full=is_full) == [str(is_full), str(calls_products)]


@pytest.mark.parametrize("is_full", [False, True])
def test_the_consoles_settings_are_valid(is_full: bool, tmp_path: Path) -> None:
    url = printed(f"{READ_CONSOLE}; print(read.url)", "console", tmp_path / "secrets", is_full=is_full)
    assert url == ["https://console.dezky.local" if is_full else "http://127.0.0.1:3002"]


def test_the_bootstrap_jobs_settings_are_valid_and_name_the_three_products(tmp_path: Path) -> None:
    program = f"{READ_BOOTSTRAP}; print(read.authentik_api_url, read.stalwart_api_url, read.ocis_token_url)"
    assert printed(program, "bootstrap", tmp_path / "secrets", is_full=True) == [
        "https://auth.dezky.local/",
        "https://mail.dezky.local/",
        "https://auth.dezky.local/application/o/token/",
    ]


def test_every_path_in_a_services_environment_is_mounted_there() -> None:
    for service in read_services():
        for variable, text in given_variables(service, FULL).items():
            for path in MOUNTED.findall(text):
                there = any(f"{path}/".startswith(f"{one}/") or one.startswith(f"{path}/") for one in mounts(service))
                assert there, (service, variable, path)
