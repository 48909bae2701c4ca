"""Each service starts with the settings that the compose files give it, with the profile `full` and without."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import certifi
import pytest
import yaml

from deploy import prepare

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy/compose"
SERVICES: dict[str, Any] = {
    name: one
    for file in ("compose.yaml", "products.yaml")
    for name, one in yaml.safe_load((COMPOSE / file).read_text())["services"].items()
}
READ = "from shared.config.settings import read_settings; read = read_settings()"
READ_API = "from shared.config.settings import read_api_settings; read = read_api_settings()"
READ_CONSOLE = "from console.settings import read_settings; read = read_settings()"
READ_BOOTSTRAP = (
    "import os; from pathlib import Path; from worker.bootstrap.__main__ import _settings;"
    "from worker.bootstrap.secret_files import SecretFiles; read = _settings(SecretFiles(Path(os.environ['SECRETS'])))"
)


def printed(program: str, service: str, folder: Path, *, is_full: bool) -> list[str]:
    """Run a program with the environment of a service; return the words that it prints."""
    prepare.make_secrets(folder)
    for name in prepare.WRITTEN:
        (folder / name).write_text("written-by-the-bootstrap-job")
    given = prepare.FULL if is_full else {}
    root = folder / "root.pem"
    root.write_text(Path(certifi.where()).read_text())
    environment = {"PATH": os.environ["PATH"], "SECRETS": str(folder)}
    if "env_file" in SERVICES[service]:
        environment |= {variable: text.replace("/etc/dezky/root.pem", str(root)) for variable, text in given.items()}
    for variable, text in SERVICES[service]["environment"].items():
        value = re.sub(r"\$\{([A-Z_]+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], text)
        value = value.replace("/run/secrets", str(folder)).replace("/etc/dezky/root.pem", str(root))
        environment[variable] = value
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
