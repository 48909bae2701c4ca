"""Preparation of containers: secrets and certificates are generated once, private and consistent."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from pymongo.uri_parser import parse_uri

from deploy.certificates import NAMES, PROXY
from deploy.prepare import AUTHENTIK, DOMAIN, PLATFORM, WRITTEN, addresses
from tests.deploy.conftest import ROOT, prepare, refusal, run_program

FULL = addresses(DOMAIN)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


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
    assert names.get_values_for_type(x509.DNSName) == [f"{name}.{DOMAIN}" for name in NAMES]
    root = x509.load_pem_x509_certificate((folder / "root.pem").read_bytes())
    server.verify_directly_issued_by(root)
    ssl.create_default_context(cafile=str(folder / "root.pem"))
    assert stat.S_IMODE((folder / "root.key").stat().st_mode) == 0o600


def test_a_new_server_certificate_is_signed_by_the_existing_root(tmp_path: Path) -> None:
    prepare(tmp_path)
    folder = tmp_path / "certificates"
    root, former = (folder / "root.pem").read_bytes(), (folder / "server.pem").read_bytes()
    for name in ("server.pem", "server.key"):
        (folder / name).unlink()
    assert "certificates: server made" in prepare(tmp_path)
    assert (folder / "root.pem").read_bytes() == root
    assert (folder / "server.pem").read_bytes() != former
    server = x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(root))


@pytest.mark.parametrize(
    ("removed", "named"),
    [
        (("server.pem", "root.key"), "root.key"),
        (("root.pem",), "root.pem"),
        (("server.key",), "server.key"),
    ],
)
def test_a_certificate_without_its_key_or_root_is_named(tmp_path: Path, removed: tuple[str, ...], named: str) -> None:
    prepare(tmp_path)
    for name in removed:
        (tmp_path / "certificates" / name).unlink()
    assert named in refusal(tmp_path)


def test_a_refusal_is_one_sentence_and_the_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BASE_DOMAIN=https://example.com\n")
    done = run_program(ROOT, "--folder", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("BASE_DOMAIN is 'https://example.com'")
    assert "Traceback" not in done.stderr


def test_a_secret_that_somebody_replaced_is_given_to_its_readers_again(tmp_path: Path) -> None:
    prepare(tmp_path)
    for name, replaced in (("stalwart_api_token", 0o600), ("ocis_password", 0o600), ("stripe_api_key", 0o666)):
        path = tmp_path / "secrets" / name
        path.unlink()
        path.write_text("ours")
        path.chmod(replaced)
    prepare(tmp_path)
    found = {name: (tmp_path / "secrets" / name) for name in ("stalwart_api_token", "ocis_password", "stripe_api_key")}
    assert {path.read_text() for path in found.values()} == {"ours"}
    if os.geteuid() == 0:
        assert [mode(path) for path in found.values()] == [0o600, 0o640, 0o600]
        assert {path.stat().st_uid for path in found.values()} == {PLATFORM}
        assert found["ocis_password"].stat().st_gid == AUTHENTIK
    else:
        assert [mode(path) for path in found.values()] == [0o666, 0o644, 0o644]


def test_containers_can_read_certificates_of_any_umask_and_of_any_origin(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    prepare(tmp_path)
    for path in folder.iterdir():
        path.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(path, 0, 0)
    prepare(tmp_path)
    assert [mode(folder / name) for name in ("root.pem", "server.pem", "root.key")] == [0o644, 0o644, 0o600]
    if os.geteuid() == 0:
        assert (mode(folder / "server.key"), (folder / "server.key").stat().st_uid) == (0o600, PROXY)
    else:
        assert mode(folder / "server.key") == 0o644


def test_containers_can_read_the_configuration_of_a_clone_made_with_a_strict_umask(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets", "certificates"))
    for path in (tmp_path / "deploy").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert run_program(tmp_path).returncode == 0
    compose = tmp_path / "deploy/compose"
    assert mode(compose / "mongo") & 0o005 == 0o005
    assert mode(compose / "mongo/start.sh") & 0o004
    assert mode(tmp_path / "deploy/authentik/platform.yaml") & 0o004
    assert mode(compose / "secrets") == 0o700
