"""The client: records, pages, waiting, conditions, repeats and exceptions, as its document promises."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import requests

from client import ApiError, NotSignedIn, Platform, PlatformError, Unauthorized, Unreachable
from client.inputs import Selector
from client.sign_in.issuer import Issuer as SignInIssuer
from client.sign_in.issuer import OAuthClient
from client.sign_in.tokens import ClientCredentials
from client.transport import open_session
from sandbox.simulators.authentik.server import AuthentikSimulator
from tests.api.conftest import Issuer
from tests.platformctl.conftest import Workers

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reference" / "client.md"


def test_the_documents_example_sets_a_tenant_up(platform: Platform, issuer: Issuer, workers: Workers) -> None:
    [example] = re.findall(r"```python\n(import os\n.*?)```", DOCUMENT.read_text(), re.DOTALL)
    workers.soon("acme")
    environment = {**os.environ, "PLATFORM_API_URL": platform.url, "PLATFORM_TOKEN": issuer.token("admin")}
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "authentik ok" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("succeeded ['acme'")
    again = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert (again.returncode, again.stderr.startswith("slug_taken: ")) == (1, True), again.stderr


def test_an_operation_is_waited_for_with_its_progress(platform: Platform, workers: Workers) -> None:
    created = platform.tenants.create({"slug": "acme", "name": "Acme"})
    assert created.operation_id == created.data["operation"]["id"]
    workers.soon("acme", failing="ocis")
    seen: list[str] = []
    ended = platform.operations.wait(created.operation_id, 30, lambda one: seen.append(one["status"]))
    assert (seen[0], seen[-1], ended["status"]) == ("running", "failed", "failed")


def test_an_operation_that_still_runs_when_the_time_is_over_is_returned_as_it_is(platform: Platform) -> None:
    created = platform.tenants.create({"slug": "acme", "name": "Acme"})
    assert platform.operations.wait(created.operation_id or "", 0.3)["status"] == "running"


def test_lists_are_read_page_by_page_and_only_as_far_as_needed(platform: Platform) -> None:
    for number in range(5):
        platform.tenants.create({"slug": f"acme-{number}", "name": "Acme"})
    assert [one["slug"] for one in platform.tenants.list(q="acme-", limit=2)] == ["acme-4", "acme-3"]
    first = platform.tenants.page(2, q="acme-")
    assert first.next is not None
    second = platform.tenants.page(2, first.next, q="acme-")
    last = platform.tenants.page(2, second.next, q="acme-")
    slugs = [one["slug"] for page in (first, second, last) for one in page.items]
    assert slugs == [f"acme-{number}" for number in (4, 3, 2, 1, 0)]
    assert last.next is None


def test_events_after_a_cursor_are_all_listed_and_followed_by_full_pages(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("client.connection.MAX_PAGE_SIZE", 2)
    start = platform.request("GET", "/events", params={"limit": 1}).links["prev"]["after"]
    following = platform.events.follow(last=1)
    next(following)
    names = [f"partner-{number}" for number in range(5)]
    for name in names:
        platform.partners.create({"slug": name, "name": "Partner"})
    assert [event["after"]["slug"] for event in platform.events.list(after=start)] == names
    assert [event["after"]["slug"] for event in islice(platform.events.follow(after=start), 5)] == names
    answers: list[requests.Response] = []
    session = platform.connection._session
    session.hooks["response"].append(lambda answer, **_: answers.append(answer))
    assert [event["after"]["slug"] for event in islice(following, 5)] == names
    assert len(answers) == 1


def test_filters_by_step_and_by_yes_or_no_are_sent_as_the_api_names_them(platform: Platform, workers: Workers) -> None:
    created = platform.tenants.create({"slug": "acme", "name": "Acme"})
    workers.finish(created.operation_id or "", failing="ocis")
    platform.tenants.pause("acme", "moved by hand")
    assert [one["slug"] for one in platform.tenants.list(step__ocis="error", paused=True)] == ["acme"]
    assert list(platform.tenants.list(step__stalwart="error")) == []


def test_the_document_explains_every_exception() -> None:
    kinds = [PlatformError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    ours = {kind.__name__ for kind in kinds if kind.__module__.startswith("client.")}
    assert not [name for name in ours if f"`{name}`" not in DOCUMENT.read_text()]


def test_a_bulk_operation_shows_its_selector_as_it_was_sent(platform: Platform) -> None:
    selector: Selector = {"q": "acme", "drift": "any", "problem": "failed", "tenants": ["acme"]}
    assert platform.bulk_operations.dry_run("reconcile", selector).data["selector"] == selector


def test_a_change_of_a_stale_version_is_refused(platform: Platform) -> None:
    made = platform.partners.create({"slug": "northwind", "name": "Northwind"})
    changed = platform.partners.update(made.data["_id"], {"name": "Northwind IT"}, if_match=made.etag)
    assert changed.data["name"] == "Northwind IT"
    with pytest.raises(ApiError) as refused:
        platform.partners.delete(made.data["_id"], if_match=made.etag)
    assert (refused.value.status, refused.value.code) == (412, "stale_version")


def test_a_post_with_the_same_key_happens_once(platform: Platform) -> None:
    first = platform.partners.create({"slug": "northwind", "name": "Northwind"}, key="order-1")
    again = platform.partners.create({"slug": "northwind", "name": "Northwind"}, key="order-1")
    assert (first.data, first.replayed, again.replayed) == (again.data, False, True)


def test_an_error_has_code_faults_and_request_id(platform: Platform) -> None:
    with pytest.raises(ApiError) as refused:
        platform.tenants.create({"slug": "WWW", "name": ""})
    error = refused.value
    assert (error.status, error.code, error.retryable) == (400, "invalid_input", False)
    assert {fault.pointer for fault in error.errors} == {"/slug", "/name"}
    assert error.request_id
    assert "invalid_input, HTTP 400" in str(error)


def test_the_conflicting_operation_is_named(platform: Platform) -> None:
    created = platform.tenants.create({"slug": "acme", "name": "Acme"})
    with pytest.raises(ApiError) as refused:
        platform.tenants.reconcile("acme")
    assert refused.value.operation == created.operation_id


def test_a_token_that_is_not_accepted_means_not_signed_in(api_url: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        Platform(api_url, "no-token").users.me()
    assert isinstance(refused.value, NotSignedIn)
    assert "no-token" not in str(refused.value)


@pytest.mark.parametrize("slug", ["", ".", ".."])
def test_a_name_that_would_lead_to_another_path_is_refused(platform: Platform, slug: str) -> None:
    with pytest.raises(ValueError, match="part of a path"):
        platform.tenants.get(slug)


def test_a_name_with_a_slash_is_one_segment(platform: Platform) -> None:
    with pytest.raises(ApiError) as refused:
        platform.tenants.get("a/../../users")
    assert refused.value.status == 404


def test_proxies_and_authorities_of_the_environment_are_ignored(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert platform.users.me().data["email"] == "admin@people.test"


def test_an_application_signs_in_with_its_secret_once_for_many_requests(
    api_url: str, issuer: Issuer, authentik: AuthentikSimulator
) -> None:
    application = OAuthClient("operator", "operator-secret")
    tokens = ClientCredentials(lambda: SignInIssuer(issuer.url(), application))
    platform = Platform(api_url, tokens)
    assert platform.users.me().data["name"] == "ak-operator-client_credentials"
    platform.users.me()
    grants = [entry for entry in authentik.journal if "grant_type=client_credentials" in entry["body"]]
    assert len(grants) == 1
    tokens._expires_at = 0
    platform.users.me()
    grants = [entry for entry in authentik.journal if "grant_type=client_credentials" in entry["body"]]
    assert len(grants) == 2


def test_a_refused_token_of_an_application_is_renewed_once(api_url: str, issuer: Issuer) -> None:
    class Stale(ClientCredentials):
        asked = 0

        def bearer(self) -> str:
            self.asked += 1
            return "expired" if self.asked == 1 else super().bearer()

    stale = Stale(lambda: SignInIssuer(issuer.url(), OAuthClient("operator", "operator-secret")))
    assert Platform(api_url, stale).users.me().data["name"] == "ak-operator-client_credentials"
    assert stale.asked == 1


def test_an_unreachable_api_is_reported_with_the_key_to_repeat_a_post() -> None:
    platform = Platform("http://127.0.0.1:9", "token", retries=0)
    with pytest.raises(Unreachable) as lost:
        platform.partners.create({"slug": "northwind", "name": "Northwind"}, key="order-1")
    assert lost.value.idempotency_key == "order-1"


def test_an_address_without_a_scheme_is_named_as_the_fault() -> None:
    with pytest.raises(Unreachable, match="it must begin with https://"):
        Platform("api.example.com", "token").status()


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", "is unavailable or overloaded"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "was lost before the whole response arrived"),
    ],
)
def test_a_temporary_fault_before_the_api_is_described_and_may_be_repeated(sent: bytes, sentence: str) -> None:
    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(sent)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        with pytest.raises(PlatformError, match=sentence) as raised:
            Platform(f"http://127.0.0.1:{listening.getsockname()[1]}", "token", retries=0).status()
        server.join(5)
    assert isinstance(raised.value, Unreachable) or (isinstance(raised.value, ApiError) and raised.value.retryable)


def test_a_request_is_repeated_when_the_api_closes_an_idle_connection_but_not_when_it_is_slow() -> None:
    accepted: list[socket.socket] = []

    def serve() -> None:
        """Answer one request of each of two connections, close both at the next one, and stay silent on a third."""
        for _ in range(2):
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok")
                connection.recv(65536)
        while True:
            try:
                accepted.append(listening.accept()[0])
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        with open_session(retries=1, repeat_slow=False) as http:
            assert [http.get(url, timeout=5).text for _ in range(2)] == ["ok", "ok"]
            with pytest.raises(requests.ReadTimeout):
                http.get(url, timeout=0.5)
        listening.shutdown(socket.SHUT_RDWR)
        server.join(5)
    assert len(accepted) == 1
    accepted[0].close()


def test_a_record_keeps_fields_that_the_client_does_not_know(platform: Platform) -> None:
    created: Any = platform.request("POST", "/partners", {"slug": "northwind", "name": "Northwind"}).data
    assert platform.partners.get(created["_id"]).data == created
