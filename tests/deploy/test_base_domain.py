"""The domain of the containers: preparation reads it as Compose does, and stops where files are for another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from deploy.certificates import NAMES
from deploy.prepare import DOMAIN, addresses
from tests.deploy.conftest import prepare, refusal


def names_of_certificate(folder: Path) -> set[str]:
    server = x509.load_pem_x509_certificate((folder / "certificates/server.pem").read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))


def names_under(domain: str) -> set[str]:
    return {f"{name}.{domain}" for name in NAMES}


def refused(folder: Path, *options: str) -> str:
    """Return the sentence of a refusal, which must leave every file as it was."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    sentence = refusal(folder, *options)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    return sentence


@pytest.mark.parametrize(
    ("line", "domain"),
    [
        ("BASE_DOMAIN=example.com", "example.com"),
        ('BASE_DOMAIN="example.com"  # ours', "example.com"),
        ("BASE_DOMAIN='example.com'", "example.com"),
        ("export BASE_DOMAIN = example.com # ours", "example.com"),
        ("BASE_DOMAIN=first.test\nBASE_DOMAIN=example.com", "example.com"),
        ("BASE_DOMAIN=", DOMAIN),
        ("#BASE_DOMAIN=example.com", DOMAIN),
    ],
)
def test_certificate_and_addresses_are_under_the_domain_that_compose_reads(
    tmp_path: Path, line: str, domain: str
) -> None:
    (tmp_path / ".env").write_text(f"# ours\n{line}\n")
    prepare(tmp_path, "--full")
    assert names_of_certificate(tmp_path) == names_under(domain)
    assert f"AUTHENTIK_API_URL=https://auth.{domain}\n" in (tmp_path / ".env").read_text()
    assert "left as it is" in prepare(tmp_path, "--full")


@pytest.mark.parametrize(("given", "domain"), [("example.org", "example.org"), ("", DOMAIN)])
def test_the_environment_of_the_process_wins(tmp_path: Path, given: str, domain: str) -> None:
    (tmp_path / ".env").write_text("BASE_DOMAIN=example.com\n")
    prepare(tmp_path, "--full", BASE_DOMAIN=given)
    assert names_of_certificate(tmp_path) == names_under(domain)


@pytest.mark.parametrize("domain", ["https://example.com", "Example.com", "${OTHER}", "example.com.", "# none"])
def test_a_text_that_is_no_domain_is_refused_by_name(tmp_path: Path, domain: str) -> None:
    (tmp_path / ".env").write_text(f"BASE_DOMAIN={domain}\n")
    assert f"BASE_DOMAIN is '{domain}'" in refused(tmp_path)


def test_addresses_of_another_domain_are_named_with_the_lines_to_remove(tmp_path: Path) -> None:
    prepare(tmp_path, "--full")
    environment = tmp_path / ".env"
    written = [line for line in environment.read_text().splitlines() if DOMAIN in line]
    environment.write_text(environment.read_text() + "BASE_DOMAIN=example.com\n")
    said = refused(tmp_path, "--full")
    assert f"addresses under {DOMAIN}" in said
    assert [name for name in addresses(DOMAIN) if f" {name}," in said or f" {name}." in said] == [
        line.partition("=")[0] for line in written
    ]


def test_a_certificate_of_another_domain_is_renewed_after_its_removal(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / ".env").write_text("BASE_DOMAIN=example.com\n")
    assert "server.pem is not for api.example.com, console.example.com" in refused(tmp_path, "--full")
    for name in ("server.pem", "server.key"):
        (tmp_path / "certificates" / name).unlink()
    prepare(tmp_path, "--full")
    assert names_of_certificate(tmp_path) == names_under("example.com")


def test_addresses_of_products_elsewhere_are_left_alone(tmp_path: Path) -> None:
    issuer = "https://login.example.net/application/o/dezky-console/"
    (tmp_path / ".env").write_text(f"AUTHENTIK_API_URL=https://login.example.net\nCONSOLE_ISSUER={issuer}\n")
    prepare(tmp_path, "--full")
    assert f"CONSOLE_ISSUER={issuer}\n" in (tmp_path / ".env").read_text()
