"""Preparation of containers: secrets and certificates are generated once, private and consistent."""

from __future__ import annotations

import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from pymongo.uri_parser import parse_uri

from deploy.prepare import FULL, WRITTEN

ROOT = Path(__file__).parents[2]


def prepare(folder: Path, *options: str) -> str:
    command = [sys.executable, str(ROOT / "deploy/prepare.py"), "--folder", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    prepare(folder, "--full")
    return folder


def test_existing_files_are_not_changed(prepared: Path) -> None:
    def seen() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in prepared.rglob("*") if path.is_file()}

    before = seen()
    assert "all there" in prepare(prepared)
    assert seen() == before


def test_only_its_owner_may_read_the_secrets_folder(prepared: Path) -> None:
    folder = prepared / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    written = set() if os.geteuid() == 0 else WRITTEN
    assert {path.name for path in folder.iterdir() if path.stat().st_mode & 0o022} == written
    if os.geteuid() == 0:
        assert not any(path.stat().st_mode & 0o007 for path in folder.iterdir())


def test_the_profile_full_adds_its_addresses_to_an_existing_environment(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / ".env").write_text("LOG_LEVEL=DEBUG\nOCIS_USERNAME=somebody")
    assert "written" in prepare(tmp_path, "--full")
    variables = dict(line.split("=", 1) for line in (tmp_path / ".env").read_text().splitlines())
    assert variables == {**FULL, "LOG_LEVEL": "DEBUG", "OCIS_USERNAME": "somebody"}
    assert "left as it is" in prepare(tmp_path, "--full")


def test_no_secret_is_a_default_or_in_the_environment_file(prepared: Path, tmp_path: Path) -> None:
    prepare(tmp_path)
    texts = {path.name: path.read_text() for path in (prepared / "secrets").iterdir()}
    others = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert texts.keys() == others.keys()
    assert [name for name, text in texts.items() if text and text == others[name]] == []
    environment = (prepared / ".env").read_text()
    assert [name for name, text in texts.items() if text and text in environment] == []


def test_database_addresses_contain_the_databases_passwords(prepared: Path) -> None:
    secrets = {path.name: path.read_text() for path in (prepared / "secrets").iterdir()}
    parsed = parse_uri(secrets["mongodb_uri"])
    assert (parsed["username"], parsed["password"]) == ("dezky", secrets["mongodb_password"])
    assert secrets["redis_url"] == f"redis://:{secrets['redis_password']}@redis:6379/0"
    # sessions of the console are not kept in the broker's database
    assert secrets["console_redis_url"] == f"redis://:{secrets['redis_password']}@redis:6379/1"
    assert len(secrets["stamp_keys"]) >= 32


def test_the_server_certificate_is_trusted_by_the_root_for_every_name(prepared: Path) -> None:
    folder = prepared / "certificates"
    server = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        f"{name}.dezky.local" for name in ("api", "console", "auth", "mail", "files")
    ]
    root = x509.load_pem_x509_certificate((folder / "root.pem").read_bytes())
    server.verify_directly_issued_by(root)
    ssl.create_default_context(cafile=str(folder / "root.pem"))
    assert stat.S_IMODE((folder / "root.key").stat().st_mode) == 0o600
