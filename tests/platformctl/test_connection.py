"""The connection to the API: which requests are repeated, which never, and how failures are reported."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest

from tests.platformctl.conftest import Cli, Workers
from tests.platformctl.faulty_proxy import FaultyProxy, Handler, lost, says
from tests.tls import certificate


def test_a_read_whose_response_was_lost_is_repeated(cli: Cli, proxy: FaultyProxy) -> None:
    proxy.faults = [lost, lost]
    assert cli("whoami").exit_code == 0
    assert len(proxy.seen) == 3


def test_a_post_is_repeated_with_the_same_key(cli: Cli, proxy: FaultyProxy) -> None:
    proxy.faults = [says(503)]
    done = cli("tenants", "create", "acme", "--name", "Acme")
    assert done.exit_code == 0, done.output
    keys = [key for method, _, key in proxy.seen if method == "POST"]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert keys[0]


def test_a_post_that_never_succeeds_prints_the_key_to_repeat_it_with(cli: Cli, proxy: FaultyProxy) -> None:
    proxy.faults = [lost] * 4
    done = cli("tenants", "create", "acme", "--name", "Acme", "--idempotency-key", "order-1")
    assert done.exit_code == 4
    assert "--idempotency-key order-1" in done.stderr


@pytest.mark.parametrize("text", ["\u043a\u043b\u044e\u0447", "\u201c3\u201d", "3\n", " 3", ""])
def test_a_key_or_version_that_is_no_valid_header_is_a_usage_error(cli: Cli, proxy: FaultyProxy, text: str) -> None:
    for line in (
        ("tenants", "create", "acme", "--name", "Acme", "--idempotency-key", text),
        ("tenants", "update", "acme", "--name", "Acme", "--if-match", text),
    ):
        done = cli(*line)
        assert (done.exit_code, line[-2] in done.stderr) == (2, True), done.output
    assert proxy.seen == []


def test_a_delete_is_never_repeated(cli: Cli, proxy: FaultyProxy) -> None:
    proxy.faults = [lost]
    done = cli("users", "delete", "6b058a725d1747cfeba27b12", "--yes")
    assert done.exit_code == 4
    assert "not known" in done.stderr
    assert len(proxy.seen) == 1


def test_a_key_whose_first_request_still_runs_is_waited_for(cli: Cli, proxy: FaultyProxy) -> None:
    problem = b'{"code": "idempotency_key_in_progress", "detail": "The first request is still running."}'
    busy = says(409, problem, **{"Content-Type": "application/problem+json"})
    proxy.faults = [busy, busy]
    assert cli("tenants", "create", "acme", "--name", "Acme").exit_code == 0


def test_a_change_that_a_repeat_finds_made_is_waited_for_as_usual(
    cli: Cli, proxy: FaultyProxy, workers: Workers
) -> None:
    def fails_after_the_change(handler: Handler) -> None:
        handler.passed_on()
        handler.answer(503)

    headers = {"Content-Type": "application/problem+json"}
    busy = says(409, b'{"code": "idempotency_key_in_progress", "detail": "It still runs."}', **headers)
    made = says(409, b'{"code": "already_done", "detail": "It took effect.", "record": "/tenants/acme"}', **headers)
    proxy.faults = [fails_after_the_change, busy, made]
    workers.soon("acme")
    done = cli("tenants", "create", "acme", "--name", "Acme", "--wait", "-o", "json")
    assert (done.exit_code, json.loads(done.stdout)["status"]) == (0, "active"), done.output
    unknown = says(409, b'{"code": "already_done", "detail": "It took effect."}', **headers)
    proxy.faults = [says(503), unknown]
    assert cli("tenants", "create", "globex", "--name", "Globex").exit_code == 3
    proxy.faults = [made]
    refused = cli("tenants", "create", "acme", "--name", "Acme", "--idempotency-key", "order-1")
    assert (refused.exit_code, "already_done" in refused.stderr) == (3, True)


def test_an_api_that_does_not_listen_is_unreachable(cli: Cli) -> None:
    done = cli("whoami", "--api-url", "http://127.0.0.1:9")
    assert done.exit_code == 4
    assert "http://127.0.0.1:9/users/me" in done.stderr


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:9", "the connection was refused"),
        ("http://host.invalid", "its host name cannot be resolved"),
    ],
)
def test_an_api_that_cannot_be_reached_is_reported_with_the_cause(cli: Cli, url: str, cause: str) -> None:
    done = cli("users", "delete", "6b058a725d1747cfeba27b12", "--yes", "--api-url", url)
    assert (done.exit_code, f"cannot be reached: {cause}." in done.stderr) == (4, True), done.stderr


def test_a_lost_connection_is_reported_as_lost(cli: Cli, proxy: FaultyProxy) -> None:
    proxy.faults = [lost] * 4
    assert "was lost before a response arrived" in cli("whoami").stderr


def test_a_server_error_is_unreachable_and_its_page_is_not_printed(cli: Cli, proxy: FaultyProxy) -> None:
    proxy.faults = [says(500, b"<html>secrets</html>")]
    done = cli("whoami")
    assert (done.exit_code, "secrets" in done.output) == (4, False)
    proxy.faults = [says(200, b"<html>hotel login</html>", **{"Content-Type": "text/html"})]
    assert cli("whoami").exit_code == 4


def test_a_redirect_is_reported_and_not_followed(cli: Cli, proxy: FaultyProxy) -> None:
    proxy.faults = [says(302, Location="https://elsewhere.test/users/me")]
    done = cli("whoami")
    assert done.exit_code == 3
    assert "https://elsewhere.test/users/me" in done.stderr


def test_of_a_link_to_another_server_only_the_cursor_is_used(cli: Cli, proxy: FaultyProxy) -> None:
    link = {"Link": '<https://elsewhere.test/users?cursor=1>; rel="next"', "Content-Type": "application/json"}
    proxy.faults = [says(200, b'[{"slug": "a"}]', **link), says(200, b"[]", **{"Content-Type": "application/json"})]
    assert cli.json("tenants", "list") == [{"slug": "a"}]
    assert [path for _, path, _ in proxy.seen] == ["/tenants?limit=50", "/tenants?limit=49&cursor=1"]


def test_further_pages_of_an_api_under_a_path_are_fetched_under_that_path(cli: Cli, proxy: FaultyProxy) -> None:
    links = {"Link": '</tenants?cursor=1>; rel="next"', "Content-Type": "application/json"}
    proxy.faults = [says(200, b'[{"slug": "a"}]', **links), says(200, b"[]", **{"Content-Type": "application/json"})]
    assert len(cli.json("tenants", "list", "--api-url", f"{proxy.url}/api/")) == 1
    assert [path.partition("?")[0] for _, path, _ in proxy.seen] == ["/api/tenants", "/api/tenants"]


@pytest.fixture
def tls_proxy(proxy: FaultyProxy, tmp_path: Path) -> Path:
    """Put the proxy behind a certificate of an unknown authority; return that authority's file."""
    cert_file, key_file = certificate(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    proxy.socket = context.wrap_socket(proxy.socket, server_side=True)
    return cert_file


def test_a_private_authority_is_trusted_only_when_its_file_is_named(
    cli: Cli, proxy: FaultyProxy, tls_proxy: Path
) -> None:
    url = proxy.url.replace("http:", "https:")
    refused = cli("whoami", "--api-url", url)
    assert refused.exit_code == 4
    assert "--ca-certs" in refused.stderr
    assert proxy.seen == []
    assert cli("whoami", "--api-url", url, env={"PLATFORM_CA_CERTS": str(tls_proxy)}).exit_code == 0


def test_a_server_without_tls_is_not_reported_as_an_untrusted_certificate(cli: Cli, proxy: FaultyProxy) -> None:
    done = cli("whoami", "--api-url", proxy.url.replace("http:", "https:"))
    assert (done.exit_code, "is it an http URL?" in done.stderr) == (4, True), done.stderr
    assert "--ca-certs" not in done.stderr


def test_a_certificate_for_another_host_is_reported_as_such(cli: Cli, proxy: FaultyProxy, tls_proxy: Path) -> None:
    url = proxy.url.replace("http://127.0.0.1", "https://localhost")
    done = cli("whoami", "--api-url", url, "--ca-certs", str(tls_proxy))
    assert (done.exit_code, "is for another host" in done.stderr) == (4, True), done.stderr
    assert "if a private authority signed it" not in done.stderr


def test_too_many_requests_are_repeated_if_that_is_safe_and_else_reported_with_the_wait(
    cli: Cli, proxy: FaultyProxy
) -> None:
    problem = b'{"code": "too_many_requests", "detail": "You have sent too many requests."}'
    headers = {"Content-Type": "application/problem+json"}
    proxy.faults = [says(429, problem, **headers, **{"Retry-After": "0"})]
    assert cli("whoami").exit_code == 0
    proxy.faults = [says(429, problem, **headers, **{"Retry-After": "7"})]
    refused = cli("users", "delete", "6b058a725d1747cfeba27b12", "--yes")
    assert (refused.exit_code, "try again in 7 seconds" in refused.stderr) == (3, True)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b"7"])
def test_json_that_is_not_the_apis_is_reported_and_no_traceback(cli: Cli, proxy: FaultyProxy, body: bytes) -> None:
    for line in (("tenants", "list"), ("tenants", "reconcile", "acme"), ("tenants", "describe", "acme"), ("status",)):
        proxy.faults = [says(200, body, **{"Content-Type": "application/json"})]
        done = cli(*line)
        if (line, body) != (("tenants", "list"), b"[]"):
            assert (done.exit_code, type(done.exception)) == (4, SystemExit), (line, done.output)
