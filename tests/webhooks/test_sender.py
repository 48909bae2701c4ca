"""The client sends to the checked address only, with the host's certificate, in limited time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.simulators.dns.server import DnsSimulator
from shared.core.signatures import new_secret, signed_headers, verify
from shared.integrations.outcomes import TemporaryError
from shared.integrations.reasons import DELIVERY_REASONS
from tests.simulators import fault
from tests.tls import certificate, tls_host
from tests.webhooks.receiver import Receiver, slow_host
from worker.dns_lookup import DnsLookup
from worker.jobs.webhook_delivery.safe_client import DeliveryOutcome, DeliveryResult, SafeWebhookClient

LOOPBACK = ("127.0.0.0/8",)
BODY = b'{"type":"tenant.active"}'


class Names(dict[str, list[str]]):
    """A resolver that answers from a table; `asked` counts its questions."""

    asked = 0

    def __call__(self, host: str) -> list[str]:
        self.asked += 1
        return self.get(host, [])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with made.running():
        yield made


@pytest.fixture
def names() -> Names:
    return Names({"hooks.acme.test": ["127.0.0.1"]})


@pytest.fixture
def sender(names: Names) -> SafeWebhookClient:
    return SafeWebhookClient(names, allowed_networks=LOOPBACK, call_seconds=5.0)


def test_an_event_arrives_with_body_host_and_a_valid_signature(receiver: Receiver, sender: SafeWebhookClient) -> None:
    secret = new_secret()
    headers = signed_headers([secret], "evt_1", int(time.time()), BODY)
    url = f"http://hooks.acme.test:{receiver.port}/take?it=now"
    assert sender.send(url, BODY, headers) == DeliveryOutcome(DeliveryResult.DELIVERED, 204)
    ((seen, body),) = receiver.seen
    verify([secret], seen, body, now=time.time())
    assert (body, seen["Host"]) == (BODY, f"hooks.acme.test:{receiver.port}")
    assert (seen["Content-Type"], seen["User-Agent"]) == ("application/json", "dezky-webhooks/1")
    assert receiver.journal[0]["path"] == "/take?it=now"


@pytest.mark.parametrize(
    ("status", "result", "reason"),
    [
        (200, DeliveryResult.DELIVERED, None),
        (202, DeliveryResult.DELIVERED, None),
        (302, DeliveryResult.REFUSED, "redirected"),
        (308, DeliveryResult.REFUSED, "redirected"),
        (400, DeliveryResult.RETRY, "not_taken"),
        (404, DeliveryResult.RETRY, "not_taken"),
        (410, DeliveryResult.REFUSED, "gone"),
        (429, DeliveryResult.RETRY, "not_taken"),
        (500, DeliveryResult.RETRY, "not_taken"),
    ],
)
def test_the_response_status_decides_if_a_delivery_succeeded_or_is_retried(
    receiver: Receiver, sender: SafeWebhookClient, status: int, result: DeliveryResult, reason: str | None
) -> None:
    receiver.status, receiver.headers = status, {"Location": "/elsewhere", "Retry-After": "7"}
    ended = sender.send(f"{receiver.url}/", BODY, {})
    assert (ended.result, ended.status, ended.reason) == (result, status, reason)
    assert ended.wait == (7.0 if reason == "not_taken" else None)
    assert len(receiver.seen) == 1
    assert reason is None or reason in DELIVERY_REASONS


@pytest.mark.parametrize(
    ("url", "addresses", "reason"),
    [
        ("https://127.0.0.1/", [], "forbidden_address"),
        ("https://[::1]/", [], "forbidden_address"),
        ("https://[::ffff:169.254.169.254]/latest", [], "forbidden_address"),
        ("https://hooks.acme.test/", ["10.0.0.5"], "forbidden_address"),
        ("https://hooks.acme.test/", ["8.8.8.8", "127.0.0.1"], "forbidden_address"),
        ("https://hooks.acme.test/", ["::ffff:10.0.0.1"], "forbidden_address"),
        ("http://hooks.acme.test/", ["8.8.8.8"], "not_encrypted"),
        ("ftp://hooks.acme.test/", ["8.8.8.8"], "bad_url"),
    ],
)
def test_a_forbidden_address_is_refused_before_anything_is_sent(url: str, addresses: list[str], reason: str) -> None:
    ended = SafeWebhookClient(Names({"hooks.acme.test": addresses})).send(url, BODY, {})
    assert ended == DeliveryOutcome(DeliveryResult.REFUSED, reason=reason)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "localhost"])
def test_other_ways_to_write_loopback_are_names_that_dns_does_not_know(host: str) -> None:
    names = Names()
    assert SafeWebhookClient(names).send(f"https://{host}/", BODY, {}) == DeliveryOutcome(
        DeliveryResult.RETRY, reason="unresolved"
    )
    assert names.asked == 1


def test_a_host_name_that_changes_to_a_forbidden_address_is_refused(receiver: Receiver) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    sender = SafeWebhookClient(lambda host: next(answers), allowed_networks=["127.0.0.1/32"], call_seconds=5.0)
    url = f"http://hooks.acme.test:{receiver.port}/"
    assert sender.send(url, BODY, {}).result is DeliveryResult.DELIVERED
    assert sender.send(url, BODY, {}).reason == "forbidden_address"
    assert len(receiver.seen) == 1


def test_a_name_server_that_fails_is_a_reason_to_try_again() -> None:
    def broken(host: str) -> list[str]:
        raise TemporaryError("upstream_error")

    assert SafeWebhookClient(broken).send("https://hooks.acme.test/", BODY, {}).reason == "unresolved"


def test_host_names_are_resolved_in_dns(receiver: Receiver) -> None:
    dns = DnsSimulator()
    with dns.running():
        dns.publish([{"name": "hooks.acme.test", "type": "A", "value": "127.0.0.1"}])
        sender = SafeWebhookClient(DnsLookup([dns.address]).addresses, allowed_networks=LOOPBACK, call_seconds=1.0)
        url = f"http://hooks.acme.test:{receiver.port}/"
        assert sender.send(url, BODY, {}).result is DeliveryResult.DELIVERED
        fault(dns, kind="timeout")
        assert sender.send(url, BODY, {}) == DeliveryOutcome(DeliveryResult.RETRY, reason="timeout")


def test_the_proxies_and_passwords_of_the_environment_are_not_used(
    receiver: Receiver, sender: SafeWebhookClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert sender.send(f"{receiver.url}/", BODY, {}).result is DeliveryResult.DELIVERED
    assert "Authorization" not in receiver.seen[0][0]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"kind": "hang"}, "timeout"),
        ({"kind": "reset"}, "unreachable"),
        ({"kind": "lost"}, "unreachable"),
        ({"kind": "status", "status": 503}, "not_taken"),
    ],
)
def test_a_failing_receiver_is_retried_later(
    receiver: Receiver, names: Names, rule: dict[str, object], reason: str
) -> None:
    fault(receiver, **rule)
    sender = SafeWebhookClient(names, allowed_networks=LOOPBACK, call_seconds=0.5)
    ended = sender.send(f"{receiver.url}/", BODY, {})
    assert (ended.result, ended.reason) == (DeliveryResult.RETRY, reason)


def test_headers_that_drip_end_with_the_calls_time(names: Names) -> None:
    sender = SafeWebhookClient(names, allowed_networks=LOOPBACK, call_seconds=0.5)
    with slow_host() as port:
        ended = sender.send(f"http://hooks.acme.test:{port}/", BODY, {})
    assert ended == DeliveryOutcome(DeliveryResult.RETRY, reason="timeout")


def test_after_the_status_a_slow_or_broken_body_changes_nothing(receiver: Receiver, names: Names) -> None:
    sender = SafeWebhookClient(names, allowed_networks=LOOPBACK, call_seconds=0.5)
    receiver.status, receiver.text = 200, "thank you"
    fault(receiver, kind="drip", delay=60)
    assert sender.send(f"{receiver.url}/", BODY, {}) == DeliveryOutcome(DeliveryResult.DELIVERED, 200)


def test_an_answer_without_end_is_not_read_to_its_end(receiver: Receiver, sender: SafeWebhookClient) -> None:
    assert sender.send(f"{receiver.url}/endless", BODY, {}) == DeliveryOutcome(DeliveryResult.DELIVERED, 200)


def test_the_next_address_is_tried_when_the_first_does_not_listen(receiver: Receiver, names: Names) -> None:
    names["hooks.acme.test"] = ["127.0.0.9", "127.0.0.1"]
    sender = SafeWebhookClient(names, allowed_networks=LOOPBACK, call_seconds=5.0)
    assert sender.send(f"http://hooks.acme.test:{receiver.port}/", BODY, {}).result is DeliveryResult.DELIVERED
    names["hooks.acme.test"] = ["127.0.0.9", "127.0.0.8"]
    assert sender.send(f"http://hooks.acme.test:{receiver.port}/", BODY, {}).reason == "unreachable"


def test_an_event_whose_response_was_lost_is_not_sent_to_a_second_address(receiver: Receiver, names: Names) -> None:
    names["hooks.acme.test"] = ["127.0.0.1", "127.0.0.1"]
    fault(receiver, kind="lost")
    sender = SafeWebhookClient(names, allowed_networks=LOOPBACK, call_seconds=5.0)
    assert sender.send(f"http://hooks.acme.test:{receiver.port}/", BODY, {}).result is DeliveryResult.RETRY
    assert len(receiver.journal) == 1


def test_tls_asks_for_the_name_and_insists_on_its_certificate(tmp_path: Path, names: Names) -> None:
    cert_file, key_file = certificate(tmp_path, "hooks.acme.test")
    names["other.acme.test"] = ["127.0.0.1"]
    trusting = SafeWebhookClient(names, allowed_networks=LOOPBACK, call_seconds=5.0, ca_file=str(cert_file))
    with tls_host(cert_file, key_file) as host:
        assert trusting.send(f"https://hooks.acme.test:{host.port}/x", BODY, {}).result is DeliveryResult.DELIVERED
        assert host.requests[0].startswith(b"POST /x HTTP/1.1\r\n")
        assert f"Host: hooks.acme.test:{host.port}\r\n".encode() in host.requests[0]
        assert trusting.send(f"https://other.acme.test:{host.port}/x", BODY, {}).reason == "tls"
        assert trusting.send(f"https://127.0.0.1:{host.port}/x", BODY, {}).reason == "tls"
        assert host.asked_for == ["hooks.acme.test", "other.acme.test", None]
        assert len(host.requests) == 1


def test_a_certificate_of_an_unknown_authority_is_not_accepted(tmp_path: Path, sender: SafeWebhookClient) -> None:
    with tls_host(*certificate(tmp_path, "hooks.acme.test")) as host:
        ended = sender.send(f"https://hooks.acme.test:{host.port}/", BODY, {})
    assert ended == DeliveryOutcome(DeliveryResult.RETRY, reason="tls")
    assert host.requests == []
