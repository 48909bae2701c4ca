"""The way to the API: what is sent again, what never is, and how trouble on the way is told."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.platformctl.conftest import Cli, Workers


class Gate(ThreadingHTTPServer):
    """Stands before the API. `faults`: what to do with the next requests; without one they pass."""

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.upstream = upstream
        self.faults: list[Callable[[Handler], None]] = []
        self.seen: list[tuple[str, str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Gate

    def handle_one(self) -> None:
        server = self.server
        server.seen.append((self.command, self.path, self.headers.get("Idempotency-Key")))
        if server.faults:
            server.faults.pop(0)(self)
            return
        passes(self)

    do_GET = do_POST = do_DELETE = handle_one  # noqa: N815

    def passed_on(self) -> requests.Response:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        return requests.request(self.command, self.server.upstream + self.path, headers=headers, data=body, timeout=20)

    def relay(self, answer: requests.Response) -> None:
        self.answer(answer.status_code, answer.content, **{"Content-Type": answer.headers["Content-Type"]})

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silent."""


def lost(handler: Handler) -> None:
    """The API has done it, and nobody hears so."""
    handler.passed_on()
    handler.connection.close()


def passes(handler: Handler) -> None:
    handler.relay(handler.passed_on())


def gone(handler: Handler) -> None:
    """Nobody is there."""
    handler.connection.close()


def says(status: int, body: bytes = b"", **headers: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(status, body, **headers)


@pytest.fixture
def gate(cli: Cli) -> Iterator[Gate]:
    url = cli.environment["PLATFORM_API_URL"]
    assert url is not None
    gate = Gate(url)
    cli.environment["PLATFORM_API_URL"] = gate.url
    threading.Thread(target=gate.serve_forever, daemon=True).start()
    yield gate
    gate.shutdown()
    gate.server_close()


def test_a_lost_answer_of_a_read_is_asked_for_again(cli: Cli, gate: Gate) -> None:
    gate.faults = [lost, lost]
    assert cli("whoami").exit_code == 0
    assert len(gate.seen) == 3


def test_a_post_is_sent_again_with_the_same_key(cli: Cli, gate: Gate) -> None:
    gate.faults = [says(503)]
    done = cli("tenants", "create", "acme", "--name", "Acme")
    assert done.exit_code == 0, done.output
    keys = [key for method, _, key in gate.seen if method == "POST"]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    assert keys[0]


def test_a_post_that_never_gets_through_tells_the_key_to_repeat_it_with(cli: Cli, gate: Gate) -> None:
    gate.faults = [lost] * 4
    done = cli("tenants", "create", "acme", "--name", "Acme", "--idempotency-key", "order-1")
    assert done.exit_code == 4
    assert "--idempotency-key order-1" in done.stderr


@pytest.mark.parametrize("text", ["\u043a\u043b\u044e\u0447", "\u201c3\u201d", "3\n", " 3", ""])
def test_a_key_or_version_that_no_header_can_hold_is_a_wrong_command_line(cli: Cli, gate: Gate, text: str) -> None:
    for line in (
        ("tenants", "create", "acme", "--name", "Acme", "--idempotency-key", text),
        ("tenants", "update", "acme", "--name", "Acme", "--if-match", text),
    ):
        done = cli(*line)
        assert (done.exit_code, line[-2] in done.stderr) == (2, True), done.output
    assert gate.seen == []


def test_a_delete_is_never_sent_twice(cli: Cli, gate: Gate) -> None:
    gate.faults = [lost]
    done = cli("users", "delete", "6b058a725d1747cfeba27b12", "--yes")
    assert done.exit_code == 4
    assert "not known" in done.stderr
    assert len(gate.seen) == 1


def test_a_key_whose_first_request_still_runs_is_waited_for(cli: Cli, gate: Gate) -> None:
    problem = b'{"code": "idempotency_key_in_progress", "detail": "The first request is still running."}'
    busy = says(409, problem, **{"Content-Type": "application/problem+json"})
    gate.faults = [busy, busy]
    assert cli("tenants", "create", "acme", "--name", "Acme").exit_code == 0


def test_an_api_that_is_not_there_is_unreachable(cli: Cli) -> None:
    done = cli("whoami", "--api-url", "http://127.0.0.1:9")
    assert done.exit_code == 4
    assert "http://127.0.0.1:9/users/me" in done.stderr


def test_trouble_on_the_other_side_is_unreachable_and_told_without_its_page(cli: Cli, gate: Gate) -> None:
    gate.faults = [says(500, b"<html>secrets</html>")]
    done = cli("whoami")
    assert (done.exit_code, "secrets" in done.output) == (4, False)
    gate.faults = [says(200, b"<html>hotel login</html>", **{"Content-Type": "text/html"})]
    assert cli("whoami").exit_code == 4


def test_a_redirect_is_told_and_the_token_not_carried_there(cli: Cli, gate: Gate) -> None:
    gate.faults = [says(302, Location="https://elsewhere.test/users/me")]
    done = cli("whoami")
    assert done.exit_code == 3
    assert "https://elsewhere.test/users/me" in done.stderr


def test_of_a_link_to_another_server_only_the_cursor_is_used(cli: Cli, gate: Gate) -> None:
    link = {"Link": '<https://elsewhere.test/users?cursor=1>; rel="next"', "Content-Type": "application/json"}
    gate.faults = [says(200, b'[{"slug": "a"}]', **link), says(200, b"[]", **{"Content-Type": "application/json"})]
    assert cli.json("tenants", "list") == [{"slug": "a"}]
    assert [path for _, path, _ in gate.seen] == ["/tenants?limit=50", "/tenants?limit=49&cursor=1"]


def test_an_api_under_a_path_gets_its_links_under_that_path(cli: Cli, gate: Gate) -> None:
    links = {"Link": '</tenants?cursor=1>; rel="next"', "Content-Type": "application/json"}
    gate.faults = [says(200, b'[{"slug": "a"}]', **links), says(200, b"[]", **{"Content-Type": "application/json"})]
    assert len(cli.json("tenants", "list", "--api-url", f"{gate.url}/api/")) == 1
    assert [path.partition("?")[0] for _, path, _ in gate.seen] == ["/api/tenants", "/api/tenants"]


def test_an_operation_is_watched_through_a_restart_of_the_api(cli: Cli, gate: Gate) -> None:
    operation = cli.json("tenants", "create", "acme", "--name", "Acme")["operation"]
    gate.faults = [passes, *[gone] * 5]
    assert cli("operations", "watch", operation["id"], "--timeout", "5").exit_code == 6
    assert gate.faults == []


def test_an_api_that_restarts_once_it_has_begun_an_operation_does_not_end_the_waiting(
    cli: Cli, gate: Gate, workers: Workers
) -> None:
    workers.finish(cli.json("tenants", "create", "acme", "--name", "Acme")["operation"]["id"])
    gate.faults = [passes, *[gone] * 5]
    assert cli("tenants", "reconcile", "acme", "--wait", "--timeout", "5").exit_code == 6
    assert gate.faults == []


def test_an_api_that_restarts_does_not_end_the_waiting_for_a_domains_check(cli: Cli, gate: Gate) -> None:
    assert cli("tenants", "create", "acme", "--name", "Acme", "--domain", "acme.test").exit_code == 0
    gate.faults = [passes, *[gone] * 5]
    assert cli("domains", "verify", "acme", "acme.test", "--wait", "--timeout", "5").exit_code == 6
    assert gate.faults == []


@pytest.fixture
def tls_gate(gate: Gate, tmp_path: Path) -> Path:
    """The gate behind a certificate of an authority nobody knows; gives that authority's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a private authority")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    certificate, pem = tmp_path / "ca.pem", serialization.Encoding.PEM
    certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    gate.socket = context.wrap_socket(gate.socket, server_side=True)
    return certificate


def test_a_private_authority_is_trusted_only_when_its_file_is_named(cli: Cli, gate: Gate, tls_gate: Path) -> None:
    url = gate.url.replace("http:", "https:")
    refused = cli("whoami", "--api-url", url)
    assert refused.exit_code == 4
    assert "--ca-certs" in refused.stderr
    assert gate.seen == []
    assert cli("whoami", "--api-url", url, env={"PLATFORM_CA_CERTS": str(tls_gate)}).exit_code == 0
