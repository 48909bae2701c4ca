"""Each service starts with the settings that the compose files give it, with the profile `full` and without."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import certifi
import pytest

from console.settings import read_settings as read_console_settings
from deploy import prepare
from shared.config.settings import read_api_settings, read_settings
from tests.deploy.conftest import read_services
from worker.bootstrap.__main__ import _settings
from worker.bootstrap.secret_files import SecretFiles

FULL = prepare.addresses(prepare.DOMAIN)
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


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that gives this process the environment of a service, and returns its folder of secrets."""

    def give(service: str, *, is_full: bool) -> Path:
        folder = tmp_path / "secrets"
        prepare.make_secrets(folder)
        for name in prepare.WRITTEN:
            (folder / name).write_text("written-by-the-bootstrap-job")
        root = folder / "root.pem"
        root.write_text(Path(certifi.where()).read_text())
        for name in os.environ.keys() - {"PATH"}:
            monkeypatch.delenv(name)
        for variable, text in given_variables(service, FULL if is_full else {}).items():
            value = text.replace("/run/secrets", str(folder))
            monkeypatch.setenv(variable, value.replace(ROOT_FILE, str(root)) if ROOT_FILE in mounts(service) else value)
        return folder

    return give


@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("service", ["api", "worker", "scheduler", "flower"])
def test_settings_are_valid_and_only_services_that_call_products_get_their_secrets(
    service: str, is_full: bool, given: Callable[..., Path]
) -> None:
    given(service, is_full=is_full)
    settings = read_api_settings() if service == "api" else read_settings()
    calls_products = service in ("worker", "scheduler")
    assert bool(settings.oidc_issuers) == is_full
    assert all([settings.authentik_api_token, settings.ocis_password]) == calls_products


@pytest.mark.parametrize("is_full", [False, True])
def test_the_consoles_settings_are_valid(is_full: bool, given: Callable[..., Path]) -> None:
    given("console", is_full=is_full)
    expected = "https://console.dezky.local" if is_full else "http://127.0.0.1:3002"
    assert read_console_settings().url == expected


def test_the_bootstrap_jobs_settings_are_valid_and_name_the_three_products(given: Callable[..., Path]) -> None:
    settings = _settings(SecretFiles(given("bootstrap", is_full=True)))
    assert [str(settings.authentik_api_url), str(settings.stalwart_api_url), str(settings.ocis_token_url)] == [
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
