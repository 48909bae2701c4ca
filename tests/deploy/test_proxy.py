"""The proxy in front leads each name to its service, and its certificate is for those who trust the root."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from api.schemas.models import MAX_WAIT
from deploy import prepare
from deploy.certificates import NAMES
from serving.launch import HEADER_TIMEOUT_MS
from shared.core.http import tls_context
from tests.deploy.conftest import read
from tests.tls import tls_host


def test_the_proxy_has_a_route_and_an_alias_for_every_name_of_the_certificate(services: dict[str, Any]) -> None:
    routes = read("traefik/routes.yaml")["http"]
    hosts = {re.findall(r"`(.+)`", one["rule"])[0] for one in routes["routers"].values()}
    assert hosts == {f"{name}.{prepare.DOMAIN}" for name in NAMES}
    assert hosts == set(services["traefik"]["networks"]["edge"]["aliases"])
    for router in routes["routers"].values():
        (server,) = routes["services"][router["service"]]["loadBalancer"]["servers"]
        host = re.findall(r"http://([a-z-]+):\d+", server["url"])[0]
        assert "edge" in services[host]["networks"]


def test_the_proxy_limits_the_platforms_services_and_allows_slow_file_transfers() -> None:
    routes = read("traefik/routes.yaml")["http"]
    times = routes["serversTransports"]["platform"]["forwardingTimeouts"]
    assert int(times["idleConnTimeout"].rstrip("s")) * 1000 < HEADER_TIMEOUT_MS
    assert int(times["responseHeaderTimeout"].rstrip("s")) > MAX_WAIT
    for name in ("api", "console"):
        assert routes["routers"][name]["middlewares"] == ["whole-requests"]
        assert routes["services"][name]["loadBalancer"]["serversTransport"] == "platform"
    entry = read("traefik/traefik.yaml")["entryPoints"]["websecure"]
    for which in ("readTimeout", "writeTimeout"):
        assert entry["transport"]["respondingTimeouts"][which].endswith("h")


def test_ocis_leads_its_clients_to_the_issuer_and_lets_them_call_it(services: dict[str, Any]) -> None:
    variables = services["ocis"]["environment"]
    issuer = urlsplit(variables["OCIS_OIDC_ISSUER"])
    assert variables["PROXY_OIDC_REWRITE_WELLKNOWN"] == "true"
    policy = read("ocis/csp.yaml")["directives"]
    assert f"{issuer.scheme}://{issuer.netloc}/" in policy["connect-src"]


# -- its certificate


@pytest.fixture
def certificates(prepared: Path) -> Path:
    return prepared / "certificates"


@pytest.fixture
def port(certificates: Path) -> Iterator[int]:
    """A server with the certificate of the proxy."""
    with tls_host(certificates / "server.pem", certificates / "server.key") as host:
        yield host.port


def handshake(port: int, name: str, trust: ssl.SSLContext) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as plain, trust.wrap_socket(plain, server_hostname=name):
        return


def test_every_name_is_reached_by_a_client_that_trusts_the_root(port: int, certificates: Path) -> None:
    for name in NAMES:
        handshake(port, f"{name}.dezky.local", tls_context(str(certificates / "root.pem")))


def test_another_name_and_another_client_are_refused(port: int, certificates: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(port, "portal.dezky.local", tls_context(str(certificates / "root.pem")))
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(port, "api.dezky.local", tls_context(None))
