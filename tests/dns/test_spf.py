"""SPF policies (RFC 7208): the domain's owner may write anything that lets our server pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domains.dns_records import Record, compare
from shared.domains.spf import authorises, read_policy

DOMAIN, HOST = "acme.test", "mail.platform.test"
WANTED = "v=spf1 mx ra=postmaster -all"


@pytest.mark.parametrize(
    "seen",
    [
        "v=spf1 mx -all",
        "v=spf1 +mx ~all",
        "v=spf1 mx ?all",
        "v=spf1 mx",
        "V=SPF1  MX   -ALL",
        "v=spf1 include:_spf.example.com mx -all",
        "v=spf1 mx include:_spf.example.com -all",
        "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a mx:acme.test -all",
        "v=spf1 mx/24 -all",
        "v=spf1 mx//64 -all",
        "v=spf1 mx redirect=_spf.example.com",
        "v=spf1 mx exp=explain.acme.test future=value -all",
        "v=spf1 a:mail.platform.test -all",
        "v=spf1 a:MAIL.platform.test. ~all",
        "v=spf1 -exists:%{i}.blocked.example mx -all",
        "v=spf1 mx mx -all",
        "v=spf1 mx +all",
    ],
)
def test_a_policy_that_lets_our_server_pass(seen: str) -> None:
    assert authorises(WANTED, seen, DOMAIN, [HOST])
    record, mx = Record(DOMAIN, "TXT", WANTED), Record(DOMAIN, "MX", f"10 {HOST}.")
    checks = compare([record, mx], {record.question: (seen,), mx.question: (mx.value,)})
    assert [check.presence for check in checks] == ["ok", "ok"]


@pytest.mark.parametrize(
    "seen",
    [
        "v=spf1 -all",
        "v=spf1 include:_spf.example.com -all",
        "v=spf1 -mx ~all",
        "v=spf1 ?mx -all",
        "v=spf1 ~mx mx -all",
        "v=spf1 -all mx",
        "v=spf1 ?all mx",
        "v=spf1 +all",
        "v=spf1 mx:elsewhere.test -all",
        "v=spf1 a:mail.elsewhere.test -all",
        "v=spf1",
        "v=spf1 redirect=_spf.example.com",
        # errors, for which every reader rejects the whole policy
        "v=spf1 mx include -all",
        "v=spf1 mx include: -all",
        "v=spf1 mx ip4:192.0.2.300 -all",
        "v=spf1 mx ip4:2001:db8::1 -all",
        "v=spf1 mx ip6 -all",
        "v=spf1 mx all:x",
        "v=spf1 mx,a -all",
        "v=spf1 mx foo -all",
        "v=spf1 mx; -all",
        "v=spf1 mx redirect=a.test redirect=b.test",
        "v=spf1 mx " + " ".join(f"include:s{number}.test" for number in range(10)) + " -all",
        "v=spf1 mx “-all”",
    ],
)
def test_a_policy_that_does_not_is_shown(seen: str) -> None:
    assert not authorises(WANTED, seen, DOMAIN, [HOST])
    record = Record(DOMAIN, "TXT", WANTED)
    (check,) = compare([record], {record.question: (seen,)})
    assert (check.presence, check.seen) == ("different", (seen,))


@pytest.mark.parametrize("seen", ["v=spf10 mx -all", "v=spf1mx -all", "spf2.0/pra mx -all", " v=spf1 mx -all", ""])
def test_a_text_that_is_no_policy_counts_for_nothing(seen: str) -> None:
    record = Record(DOMAIN, "TXT", WANTED)
    (check,) = compare([record], {record.question: (seen,)})
    assert check.presence in ("missing", "different")


def test_two_policies_are_an_error_even_if_both_are_right() -> None:
    record = Record(DOMAIN, "TXT", WANTED)
    (check,) = compare([record], {record.question: ("v=spf1 mx -all", "v=spf1 mx ~all")})
    assert (check.presence, check.seen) == ("different", ("v=spf1 mx ~all",))


@pytest.mark.parametrize(
    ("wanted", "seen", "expected"),
    [
        ("v=spf1 a:mail.platform.test include:spf.platform.test -all", "v=spf1 include:spf.platform.test -all", False),
        (
            "v=spf1 a:mail.platform.test include:spf.platform.test -all",
            "v=spf1 ip4:192.0.2.1 include:spf.platform.test a:mail.platform.test",
            True,
        ),
        ("v=spf1 ip4:192.0.2.1 -all", "v=spf1 ip4:192.0.2.1 ~all", True),
        ("v=spf1 -all", "v=spf1 ~all", True),
    ],
)
def test_every_server_that_we_name_must_pass(wanted: str, seen: str, expected: bool) -> None:
    assert authorises(wanted, seen, DOMAIN, ()) is expected


TERMS = st.sampled_from(
    ["mx", "+mx", "a", "a:x.test", "include:y.test", "ip4:192.0.2.1", "ptr", "exists:%{i}.z", "r=1"]
)


@given(st.lists(TERMS, max_size=6, unique=True), st.sampled_from(["-all", "~all", "?all", "+all", ""]))
def test_order_makes_no_difference_before_the_end(terms: list[str], end: str) -> None:
    text, backwards = (" ".join(["v=spf1", *order, end]).strip() for order in (terms, reversed(terms)))
    assert authorises(WANTED, text, DOMAIN, ()) == authorises(WANTED, backwards, DOMAIN, ())
    assert authorises(WANTED, text, DOMAIN, ()) == bool({"mx", "+mx"} & set(terms))


@given(st.text(max_size=80))
def test_any_text_is_read_without_an_error(text: str) -> None:
    read_policy(f"v=spf1 {text}", DOMAIN)
