"""DNS lookups with a correct and a faulty name server."""

from __future__ import annotations

import socket
import time

import pytest
import requests

from sandbox.simulators.dns.server import DnsSimulator
from shared.domains.dns_records import Presence, Record, compare
from shared.domains.verification import ProofMaker
from shared.integrations.outcomes import Fault, PermanentError, TemporaryError
from tests.simulators import STAMP_KEYS, TENANT_ID, fault, publish
from worker.dns_lookup import DnsLookup
from worker.http.deadline import within

LONG = "v=DKIM1; k=rsa; p=" + "A" * 2000


@pytest.fixture
def lookup(dns: DnsSimulator) -> DnsLookup:
    return DnsLookup([dns.address], lookup_seconds=5.0)


def asked(dns: DnsSimulator) -> list[str]:
    return [entry["method"] for entry in dns.journal]


def test_values_come_as_they_were_published(dns: DnsSimulator, lookup: DnsLookup) -> None:
    publish(dns, ("acme.test", "MX", "10 mail.platform.test."), ("acme.test", "TXT", "v=spf1 mx -all"))
    publish(dns, ("acme.test", "TXT", 'odd "quotes"; and ümlauts'))
    assert lookup.values("acme.test", "MX") == ("10 mail.platform.test.",)
    assert set(lookup.values("ACME.test", "TXT")) == {"v=spf1 mx -all", 'odd "quotes"; and ümlauts'}


def test_an_unknown_name_and_one_without_such_records_have_no_values(dns: DnsSimulator, lookup: DnsLookup) -> None:
    publish(dns, ("_dmarc.acme.test", "TXT", "v=DMARC1; p=none"))
    assert lookup.values("nowhere.test", "TXT") == ()
    assert lookup.values("acme.test", "MX") == ()
    assert [entry["status"] for entry in dns.journal] == ["NXDOMAIN", "NOERROR"]


def test_an_alias_is_followed(dns: DnsSimulator, lookup: DnsLookup) -> None:
    publish(dns, ("_dmarc.acme.test", "CNAME", "policies.acme.org."), ("policies.acme.org", "TXT", "v=DMARC1; p=none"))
    assert lookup.values("_dmarc.acme.test", "TXT") == ("v=DMARC1; p=none",)
    assert lookup.values("_dmarc.acme.test", "CNAME") == ("policies.acme.org.",)


def test_an_answer_too_long_for_a_datagram_is_sent_over_tcp(dns: DnsSimulator, lookup: DnsLookup) -> None:
    publish(dns, ("k._domainkey.acme.test", "TXT", LONG))
    assert lookup.values("k._domainkey.acme.test", "TXT") == (LONG,)
    assert asked(dns) == ["UDP", "TCP"]


def test_a_truncated_answer_is_queried_again_over_tcp(dns: DnsSimulator, lookup: DnsLookup) -> None:
    publish(dns, ("acme.test", "TXT", "v=spf1 mx -all"))
    fault(dns, kind="truncated")
    assert lookup.values("acme.test", "TXT") == ("v=spf1 mx -all",)
    assert asked(dns) == ["UDP", "TCP"]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("servfail", "upstream_error"), ("refused", "upstream_error"), ("timeout", "timeout"), ("wrong_id", "timeout")],
)
def test_a_server_without_an_answer_is_unavailable_and_never_means_absence(
    dns: DnsSimulator, kind: str, reason: str
) -> None:
    fault(dns, kind=kind)
    with pytest.raises(TemporaryError) as caught:
        DnsLookup([dns.address], lookup_seconds=0.5).values("acme.test", "TXT")
    assert caught.value.reason == reason


def test_a_lost_datagram_is_sent_again(dns: DnsSimulator, lookup: DnsLookup) -> None:
    publish(dns, ("acme.test", "TXT", "here"))
    fault(dns, kind="timeout", count=1)
    assert lookup.values("acme.test", "TXT") == ("here",)


@pytest.mark.parametrize("kind", ["servfail", "timeout", "garbage"])
def test_the_next_server_is_queried_when_the_first_fails(dns: DnsSimulator, kind: str) -> None:
    publish(dns, ("acme.test", "TXT", "here"))
    bad = DnsSimulator()
    with bad.running():
        fault(bad, kind=kind)
        assert DnsLookup([bad.address, dns.address]).values("acme.test", "TXT") == ("here",)


def test_many_questions_share_one_lookup_and_each_is_sent_once(dns: DnsSimulator, lookup: DnsLookup) -> None:
    publish(dns, ("acme.test", "TXT", "one"))
    found = lookup.answers([("acme.test", "TXT"), ("acme.test", "MX"), ("acme.test", "TXT")])
    assert found == {("acme.test", "TXT"): ("one",), ("acme.test", "MX"): ()}
    assert len(dns.journal) == 2


def test_unanswered_questions_are_reported_and_the_other_answers_are_kept(dns: DnsSimulator, lookup: DnsLookup) -> None:
    publish(dns, ("acme.test", "TXT", "one"))
    fault(dns, kind="servfail", path="MX$")
    found = lookup.answered([("acme.test", "MX"), ("acme.test", "TXT"), ("nowhere.test", "TXT")])
    assert found == ({("acme.test", "TXT"): ("one",), ("nowhere.test", "TXT"): ()}, "upstream_error")
    assert lookup.answered([("acme.test", "TXT")]) == ({("acme.test", "TXT"): ("one",)}, None)


def test_the_attempts_time_limits_the_whole_lookup(dns: DnsSimulator, lookup: DnsLookup) -> None:
    fault(dns, kind="latency", delay=0.3)
    with within(0.5), pytest.raises(TemporaryError, match="timeout"):
        lookup.answers((f"{number}.acme.test", "TXT") for number in range(10))
    assert len(dns.journal) < 10
    with within(0.0), pytest.raises(TemporaryError, match="timeout"):
        lookup.values("acme.test", "TXT")


def test_a_server_that_does_not_listen_is_unavailable() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(TemporaryError):
        DnsLookup([address], lookup_seconds=0.5).values("acme.test", "TXT")


@pytest.mark.parametrize(
    ("name", "type_"), [("a..test", "TXT"), ("x" * 64 + ".test", "TXT"), ("x." * 130, "TXT"), ("acme.test", "NOSUCH")]
)
def test_a_question_that_dns_cannot_have_is_refused(lookup: DnsLookup, name: str, type_: str) -> None:
    with pytest.raises(PermanentError, match="invalid"):
        lookup.values(name, type_)


@pytest.mark.parametrize("text", ["dns.example", "127.0.0.1:x", "127.0.0.1:70000", "", "[::1", "1.2.3"])
def test_a_server_that_is_no_address_stops_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="not a name server"):
        DnsLookup([text])


@pytest.mark.parametrize("text", ["192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353", "[2001:db8::1]"])
def test_servers_are_given_with_or_without_a_port(text: str) -> None:
    DnsLookup([text])


def test_a_faulty_answers_content_never_reaches_the_message(dns: DnsSimulator) -> None:
    fault(dns, kind="servfail")
    with pytest.raises(Fault) as caught:
        DnsLookup([dns.address]).values("secret-name.test", "TXT")
    assert "secret-name" not in str(caught.value)
    assert dns.address not in str(caught.value)


def test_a_domain_is_proven_and_its_records_found_from_end_to_end(dns: DnsSimulator, lookup: DnsLookup) -> None:
    maker = ProofMaker(STAMP_KEYS)
    proof = maker.record(TENANT_ID, "acme.test")
    wanted = [Record("acme.test", "MX", "10 mail.platform.test."), Record("acme.test", "TXT", "v=spf1 mx -all")]
    publish(dns, (proof.name, proof.type, proof.value), ("acme.test", "MX", "10 mail.platform.test."))
    fault(dns, kind="wrong_answer", path="acme.test TXT$", body="v=spf1 -all", after=1)
    answers = lookup.answers([proof.question, *(record.question for record in wanted)])
    assert maker.is_proven(TENANT_ID, "acme.test", answers[proof.question])
    assert [check.presence for check in compare(wanted, answers)] == [Presence.OK, Presence.DIFFERENT]


def test_a_withdrawn_record_disappears_and_a_new_one_is_found(dns: DnsSimulator, lookup: DnsLookup) -> None:
    publish(dns, ("acme.test", "TXT", "one"), ("acme.test", "MX", "10 mail.test."))
    publish(dns, ("acme.test", "TXT", "two"), replace=True)
    assert lookup.values("acme.test", "TXT") == ("two",)
    requests.post(f"{dns.url}/__sim/call/withdraw", json={"name": "acme.test", "type_": "TXT"}, timeout=5)
    assert (lookup.values("acme.test", "TXT"), lookup.values("acme.test", "MX")) == ((), ("10 mail.test.",))
    bad = {"records": [{"name": "acme.test", "type": "MX", "value": "nonsense"}]}
    assert requests.post(f"{dns.url}/__sim/call/publish", json=bad, timeout=5).status_code == 400


@pytest.mark.parametrize(("kind", "wanting"), [("servfail", "AAAA"), ("timeout", "AAAA"), ("servfail", "A")])
def test_a_host_keeps_its_addresses_of_one_family_when_the_other_is_not_answered(
    dns: DnsSimulator, lookup: DnsLookup, kind: str, wanting: str
) -> None:
    # some servers do not distinguish an absent address from an unknown question (RFC 4074)
    publish(dns, ("hooks.acme.test", "A", "192.0.2.1"), ("hooks.acme.test", "AAAA", "2001:db8::1"))
    fault(dns, kind=kind, path=f" {wanting}$")
    started = time.monotonic()
    found = {"AAAA": ("192.0.2.1",), "A": ("2001:db8::1",)}
    assert lookup.addresses("hooks.acme.test") == found[wanting]
    assert time.monotonic() - started < 3
    dns.faults.clear()
    fault(dns, kind="servfail")
    with pytest.raises(TemporaryError):
        lookup.addresses("hooks.acme.test")
