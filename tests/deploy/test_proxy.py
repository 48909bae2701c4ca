"""The proxy in front leads each name to its service, and clients of OCIS to the issuer."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from api.http.query_params import MAX_WAIT
from deploy import prepare
from deploy.certificates import NAMES
from serving.launch import HEADER_TIMEOUT_MS
from tests.deploy.test_compose import read


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return {**read("compose.yaml")["services"], **read("products.yaml")["services"]}


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
