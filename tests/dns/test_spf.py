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
        "v=spf1 +all",
        "v=spf1 all",
        "v=spf1 ip4:192.0.2.1 all",
        "v=spf1 ip4:0.0.0.0/0 ip6:::/0 -all",
        "v=spf1 mx:%{d} -all",
        "v=spf1 mx:%{O} -all",
        "v=spf1 mx:%{d2} -all",
        "v=spf1 mx:acme.%{d1} -all",
        "v=spf1 a:mail.platform.%{o1} -all",
        "v=spf1 mx:ACME.test -all",
        "v=spf1 -ip4:192.0.2.0/24 mx -all",
        "v=spf1 -a:mail.elsewhere.test mx -all",
        "v=spf1 mx -a:mail.platform.test -all",
        "v=spf1 mx include=_spf.example.com foo=%{d}100%% foo= -all",
        "v=spf1 mx a:%{d1r}.x.test//64 exists:%{i}._spf.%{d2} exp=%{d} -all",
        # what follows `all` is ignored, and `redirect` beside it
        "v=spf1 mx -all " + " ".join(f"include:s{number}.test" for number in range(10)),
        "v=spf1 mx -all redirect=%{d}",
        "v=spf1 mx -all -mx",
        "v=spf1 mx -all  ",
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
        "v=spf1 mx:elsewhere.test -all",
        "v=spf1 mx:%{d1} -all",
        "v=spf1 mx:%{dr} -all",
        "v=spf1 a:mail.elsewhere.test -all",
        "v=spf1",
        "v=spf1 redirect=_spf.example.com",
        # our server matches first, or before its own mechanism
        "v=spf1 -a:mail.platform.test mx -all",
        "v=spf1 ~a:MAIL.platform.test. mx -all",
        "v=spf1 ?a:mail.platform.test/24 mx -all",
        "v=spf1 -mx:%{d} mx -all",
        "v=spf1 -ip4:0.0.0.0/0 mx",
        "v=spf1 -ip6:::/0 mx",
        "v=spf1 -a/0 mx",
        "v=spf1 -mx:elsewhere.test//0 mx",
        "v=spf1 ip4:0.0.0.0/0 -all",
        "v=spf1 ?all",
        "v=spf1 ~all mx",
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
        *(
            f"v=spf1 mx {term} -all"
            for term in (
                *(
                    "a/33",
                    "mx/33",
                    "a//129",
                    "a/24/64",
                    "a/",
                    "a//",
                    "a/024",
                    "a/-1",
                    "mx:%{d}/33",
                    "a:foo/",
                    "a:",
                    "mx:",
                ),
                *(
                    "a:foo",
                    "a:museum",
                    "a:foo-bar",
                    "a:abc.123",
                    "a:192.0.2.1",
                    "a:.",
                    "a:foo.-bar",
                    "a:foo.bar-",
                    "a:foo.test..",
                ),
                *(
                    "ptr:",
                    "ptr/24",
                    "ptr:foo",
                    "include:foo.test/24",
                    "include/24",
                    "exists:",
                    "exists/0",
                    "include:foo.test/0",
                ),
                *("redirect=", "redirect=foo", "exp=", "exp=foo", "-redirect=a.test", "+exp=a.test", "redirect:a.test"),
                *(
                    "redirect=a.test/24",
                    "redirect=a.test REDIRECT=b.test",
                    "exp=a.test exp=b.test",
                    "=x",
                    "1a=x",
                    "_=x",
                ),
                *(
                    "exists:%{i",
                    "include:%{q}.x",
                    "include:%{c}.test",
                    "a:%{r}",
                    "a:%{d0}",
                    "a:%{d00r}",
                    "a:%{dr2}",
                    "a:%{}",
                ),
                *("a:%x.test", "a:100%.test", "a:%{d}x", "x=%", "x=%{q}", "x=%{d", "exists:%{i}.%", "exists:%{d!}"),
                *("all/0", "all/8", "all.", "all:", "-all:foo.test", "--all", "ALLOW", "ip4", "ip4:", "ip5:192.0.2.1"),
                *(
                    "ip4:192.0.2.1/33",
                    "ip4:192.0.2.1//24",
                    "ip4:192.0.2.1/024",
                    "ip4:192.0.2.0/255.255.255.0",
                    "ip4:192.0.2",
                ),
                *("ip4:192.0.02.1", "ip4:192.0.2.1:25", "ip4:192.0.2.1/", "ip4:%{i}", "ip4:192.0.2.1/24/24"),
                *(
                    "ip6:fe80::1%eth0",
                    "ip6:2001:db8::/129",
                    "ip6:2001:db8::/032",
                    "ip6:2001:db8::1//64",
                    "ip6:192.0.2.1",
                ),
                *("a\tptr", "a\rptr", "a\nptr", "a\xa0ptr", "\t", "x=\x7f", "mx-all", '"', "a,mx"),
            )
        ),
    ],
)
def test_a_policy_that_does_not_is_shown(seen: str) -> None:
    assert not authorises(WANTED, seen, DOMAIN, [HOST])
    record, mx = Record(DOMAIN, "TXT", WANTED), Record(DOMAIN, "MX", f"10 {HOST}.")
    check, _ = compare([record, mx], {record.question: (seen,)})
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
        ("v=spf1 ip4:192.0.2.1 -all", "v=spf1 ip4:192.0.2.0/24 -all", True),
        ("v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 ip4:192.0.2.1 -all", False),
        ("v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 -ip4:192.0.2.1 ip4:192.0.2.0/24 -all", False),
        ("v=spf1 ip4:192.0.2.1 -all", "v=spf1 ip4:0.0.0.0/0 -all", True),
        ("v=spf1 ip6:2001:db8::1 -all", "v=spf1 -ip4:0.0.0.0/0 ip6:2001:DB8:0::/32 -all", True),
        ("v=spf1 include:spf.platform.test -all", "v=spf1 -include:spf.platform.test all", False),
        ("v=spf1 redirect=spf.platform.test", "v=spf1 a redirect=SPF.platform.test.", True),
        ("v=spf1 redirect=spf.platform.test", "v=spf1 -all redirect=spf.platform.test", False),
        ("v=spf1 redirect=spf.platform.test", "v=spf1 -all", False),
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
    text, backwards = (" ".join(["v=spf1", *order, end]) for order in (terms, reversed(terms)))
    assert authorises(WANTED, text, DOMAIN, ()) == authorises(WANTED, backwards, DOMAIN, ())
    assert authorises(WANTED, text, DOMAIN, ()) == (bool({"mx", "+mx"} & set(terms)) or end == "+all")


@given(st.text(max_size=80))
def test_any_text_is_read_without_an_error(text: str) -> None:
    read_policy(f"v=spf1 {text}", DOMAIN)
