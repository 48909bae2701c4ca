"""DKIM keys, DMARC, MTA-STS and TLS reporting: differences that matter to their readers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domains.dns_records import Record, compare, is_answered, places
from shared.domains.mail_texts import FIELD, read_tags

DKIM = Record("k1._domainkey.acme.test", "TXT", "v=DKIM1; k=rsa; h=sha256; p=AAAA+/BBBB==")
ED25519 = Record("k2._domainkey.acme.test", "TXT", "v=DKIM1; k=ed25519; h=sha256; p=CCCC=")
DMARC = Record("_dmarc.acme.test", "TXT", "v=DMARC1; p=reject; rua=mailto:postmaster@acme.test")
STS = Record("_mta-sts.acme.test", "TXT", "v=STSv1; id=1234567890")
REPORTS = Record("_smtp._tls.acme.test", "TXT", "v=TLSRPTv1; rua=mailto:postmaster@acme.test")
OTHER = Record("_ua-auto-config.acme.test", "TXT", "v=UAAC1; a=sha256; d=3q2+7w")
SUBDOMAIN = Record("_dmarc.mail.acme.test", "TXT", DMARC.value)


def presence(record: Record, *answers: str) -> tuple[str, tuple[str, ...]]:
    (check,) = compare([record], {record.question: answers})
    return check.presence, check.seen


@pytest.mark.parametrize(
    ("record", "seen"),
    [
        (DKIM, "v=DKIM1; p=AAAA+/BBBB==; h=sha256; k=rsa"),
        (DKIM, "p=AAAA+/BBBB=="),
        (DKIM, "k=rsa; p=AAAA+/ BBBB=="),
        (DKIM, "v=DKIM1;h=sha1:sha256;s=email;t=s;n=a note;p=AAAA+/BBBB==;"),
        (DKIM, "v = DKIM1 ; s=* ; x=unknown ; p = AAAA+/\tBBBB=="),
        (DKIM, "v=DKIM1; P=CCCC; p=AAAA+/BBBB=="),
        (ED25519, "v=DKIM1; k=ed25519; p=CCCC="),
        (DMARC, "v=DMARC1; p=none"),
        (DMARC, "v = DMARC1 ; p = none"),
        (DMARC, "V=DMARC1\t;\tp=none"),
        (DMARC, "v=DMARC1;p=quarantine;rua=mailto:reports@customer.test,mailto:d@vendor.test!10m;pct=50"),
        (DMARC, "v=DMARC1; P=Reject; sp=none; adkim=s; aspf=r; fo=1; ri=3600; x=unknown;"),
        # errors that receivers ignore
        (DMARC, "v=DMARC1; p=none; pct=abc"),
        (DMARC, "v=DMARC1; p=none; pct=150"),
        (DMARC, "v=DMARC1; p=none; pct="),
        (DMARC, "v=DMARC1; p=none; adkim=x; aspf="),
        (DMARC, "v=DMARC1; p=none; garbage"),
        (DMARC, "v=DMARC1;; p=none;;"),
        (DMARC, "v=DMARC1; p=none; rua=nonsense; n=ümlaut"),
        # no valid policy, but an address for reports: the policy is none
        (DMARC, "v=DMARC1; rua=mailto:x@acme.test"),
        (DMARC, "v=DMARC1; p=strict; rua=mailto:x@acme.test"),
        (DMARC, "v=DMARC1; p=none\\; rua=mailto:x@acme.test; rua2=y"),
        (DMARC, "v=DMARC1; p=reject; sp=nonsense; rua=nonsense,mailto:x@acme.test"),
        (STS, "v=STSv1; id=20260101T000000Z;"),
        (STS, "v=STSv1;id=1 ; x-y.z=unknown"),
        (REPORTS, "v=TLSRPTv1;rua=mailto:tls@vendor.test,https://report.vendor.test/v1"),
        (REPORTS, "v=TLSRPTv1; rua=ftp://vendor.test/x , mailto:tls@vendor.test; x=unknown"),
        (OTHER, "v=UAAC1;a=sha256;d=3q2+ 7w"),
    ],
)
def test_a_record_that_has_the_wanted_effect_is_ok(record: Record, seen: str) -> None:
    assert presence(record, seen) == ("ok", ())


@pytest.mark.parametrize(
    ("record", "seen"),
    [
        (DKIM, "v=DKIM1; k=rsa; p=aaaa+/bbbb=="),
        (DKIM, "v=DKIM1; k=rsa; p="),
        (DKIM, "v=DKIM1; k=ed25519; p=AAAA+/BBBB=="),
        (DKIM, "k=rsa; v=DKIM1; p=AAAA+/BBBB=="),
        (DKIM, "v=DKIM2; p=AAAA+/BBBB=="),
        (DKIM, "v=DKIM1; h=sha1; p=AAAA+/BBBB=="),
        (DKIM, "v=DKIM1; s=tlsrpt; p=AAAA+/BBBB=="),
        (DKIM, "v=DKIM1; t=y:s; p=AAAA+/BBBB=="),
        (DKIM, "v=DKIM1; p=AAAA+/BBBB==; p=AAAA+/BBBB=="),
        (DKIM, "some-site-verification=abc"),
        (DKIM, "k1._domainkey IN TXT v=DKIM1; p=AAAA+/BBBB=="),
        # the case of names and values matters
        (DKIM, "V=DKIM1; K=rsa; P=AAAA+/BBBB=="),
        (DKIM, "K=rsa; P=AAAA+/BBBB=="),
        (DKIM, "v=dkim1; p=AAAA+/BBBB=="),
        (DKIM, "v=DKIM1; k=RSA; p=AAAA+/BBBB=="),
        (DKIM, "v=DKIM1; h=SHA256; p=AAAA+/BBBB=="),
        # characters that a tag cannot have
        (DKIM, "v=DKIM1; p=AAAA+/\xa0BBBB=="),
        (DKIM, "v=DKIM1; p=AAAA+/\x1cBBBB=="),
        (DKIM, "v=DKIM1;; p=AAAA+/BBBB=="),
        (ED25519, "p=CCCC="),
        (DMARC, "v=DMARC1"),
        (DMARC, "v=DMARC1; p=strict"),
        (DMARC, "v=DMARC1; p=none\xa0"),
        (DMARC, "v=DMARC1; p=reject; sp=nonsense"),
        (DMARC, "v=DMARC1; rua=postmaster@acme.test"),
        (DMARC, "v=DMARC1; p=none; p=reject"),
        (DMARC, "v=DMARC1; p=none; P=reject"),
        # no policy to receivers, but meant as one
        (DMARC, "v=DMARC1 p=none"),
        (DMARC, "v=dmarc1; p=none"),
        (DMARC, " v=DMARC1; p=none"),
        (DMARC, "v=DMARC1\\; p=none"),
        (DMARC, '"v=DMARC1; p=none"'),
        (DMARC, "“v=DMARC1; p=none”"),
        (STS, "v=STSv1"),
        (STS, "v=STSv1; id=not-alphanumeric"),
        (STS, "v=STSv1; id=" + "1" * 33),
        (STS, "v=STSv1; ID=1"),
        (STS, "v=STSv1; id = 1"),
        (STS, "v=STSv1; id=1; id=2"),
        (STS, "v=STSv1; id=1\n"),
        (STS, "v=STSv1; id=1; garbage"),
        (STS, "v = STSv1; id=1"),
        (STS, "v=STSv1 ; id=1"),
        (STS, "v=STSv1\\; id=1"),
        (STS, "v=stsv1; id=1"),
        (STS, " v=STSv1; id=1"),
        (REPORTS, "v=TLSRPTv1"),
        (REPORTS, "v=TLSRPTv1; rua=postmaster@acme.test"),
        (REPORTS, "v=TLSRPTv1; rua=ftp://vendor.test/x"),
        (REPORTS, "v=TLSRPTv1; rua=https:///,mailto:"),
        (REPORTS, "v=TLSRPTv1; RUA=mailto:postmaster@acme.test"),
        (REPORTS, "v=TLSRPTv1; rua=httpſ://vendor.test/x"),
        (REPORTS, "v = TLSRPTv1; rua=mailto:postmaster@acme.test"),
        (OTHER, "v=UAAC1; a=sha256; d=3Q2+7W"),
        (OTHER, '"v=UAAC1; a=sha256; d=3q2+7w"'),
    ],
)
def test_a_record_without_the_wanted_effect_is_shown(record: Record, seen: str) -> None:
    assert presence(record, seen) == ("different", (seen,))


@pytest.mark.parametrize("record", [DMARC, STS, REPORTS, OTHER])
def test_a_second_record_of_the_kind_undoes_the_first(record: Record) -> None:
    assert presence(record, record.value, record.value + " ;") == ("different", (record.value + " ;",))
    assert presence(record, record.value, "some-site-verification=abc") == ("ok", ())
    assert presence(record, "some-site-verification=abc") == ("missing", ())
    assert presence(record) == ("missing", ())


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        ("v = DMARC1 ; p = reject", "different"),
        ("v=DMARC1; p=nonsense", "different"),
        # receivers discard these
        ("v=dmarc1; p=reject", "ok"),
        ("v=DMARC1 p=reject", "ok"),
        ('"v=DMARC1; p=reject"', "ok"),
    ],
)
def test_only_what_receivers_take_for_a_policy_is_a_second_one(beside: str, expected: str) -> None:
    assert presence(DMARC, DMARC.value, beside)[0] == expected


def test_a_selector_with_several_texts_has_an_undefined_result() -> None:
    assert presence(DKIM, DKIM.value, "some-site-verification=abc") == ("different", ("some-site-verification=abc",))
    assert presence(DKIM) == ("missing", ())


# -- the policy of the organisational domain


@pytest.mark.parametrize(
    ("own", "organisations", "expected"),
    [
        ([], ["v=DMARC1; p=none"], ("ok", ())),
        (["some-site-verification=abc"], ["v=DMARC1; p=none", "some-site-verification=abc"], ("ok", ())),
        (['"v=DMARC1; p=none"'], ["v=DMARC1; p=none"], ("ok", ())),
        (["v=DMARC1; p=none"], ["v=DMARC1; p=nonsense"], ("ok", ())),
        (["v=DMARC1; p=nonsense"], ["v=DMARC1; p=none"], ("different", ("v=DMARC1; p=nonsense",))),
        ([], ["v=DMARC1; p=none", "v=DMARC1; p=reject"], ("missing", ())),
        ([], ["v=DMARC1; p=nonsense"], ("missing", ())),
        ([], [], ("missing", ())),
    ],
)
def test_a_subdomain_without_a_policy_has_that_of_its_organisation(
    own: list[str], organisations: list[str], expected: tuple[str, tuple[str, ...]]
) -> None:
    (check,) = compare([SUBDOMAIN], {SUBDOMAIN.question: own, DMARC.question: organisations})
    assert (check.presence, check.seen) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("_dmarc.acme.test", ["_dmarc.acme.test"]),
        ("_dmarc.a.b.acme.test", ["_dmarc.a.b.acme.test", "_dmarc.acme.test"]),
        ("_dmarc.acme.co.uk", ["_dmarc.acme.co.uk"]),
        ("_dmarc.mail.acme.co.uk", ["_dmarc.mail.acme.co.uk", "_dmarc.acme.co.uk"]),
        ("_dmarc.co.uk", ["_dmarc.co.uk"]),
    ],
)
def test_the_policy_is_sought_at_the_domain_and_at_its_organisation(name: str, expected: list[str]) -> None:
    assert [place for place, _ in places(Record(name, "TXT", DMARC.value))] == expected


def test_only_a_dmarc_policy_is_sought_elsewhere() -> None:
    for record in (
        Record("mail.acme.test", "TXT", "v=spf1 mx -all"),
        Record("mail.acme.test", "MX", "10 a.test."),
        STS,
    ):
        assert places(record) == (record.question,)


def test_the_organisations_answer_is_needed_only_without_an_own_policy() -> None:
    own, organisations = {SUBDOMAIN.question: ()}, {DMARC.question: ()}
    assert is_answered(SUBDOMAIN, own | organisations)
    assert not is_answered(SUBDOMAIN, own)
    assert not is_answered(SUBDOMAIN, organisations)
    assert is_answered(SUBDOMAIN, {SUBDOMAIN.question: ("v=DMARC1; p=none",)})


# -- lists of tags


@pytest.mark.parametrize("text", ["a", "=b", "a=1;;b=2", "1a=2", "a=1;a=2", "a-b=1", "a=ü", "a=1;\xa0"])
def test_a_text_that_is_no_list_of_tags_is_not_read(text: str) -> None:
    assert read_tags(text) is None


@pytest.mark.parametrize("text", ["a", "a =1", "a= 1", "a=", "a=1;a=2", "a=1;;", "-a=1", "a" * 33 + "=1", "a=\n1"])
def test_a_text_that_is_no_list_of_fields_is_not_read(text: str) -> None:
    assert read_tags(text, FIELD) is None


@given(st.dictionaries(st.from_regex(r"[a-zA-Z][a-z0-9_]{0,5}", fullmatch=True), st.sampled_from(["1", "x y", "=a="])))
def test_written_tags_are_read_again(tags: dict[str, str]) -> None:
    assert read_tags(" ; ".join(f"{name} = {value}" for name, value in tags.items())) == tags
