"""DKIM keys, DMARC, MTA-STS and TLS reporting: differences that matter to their readers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domains.dns_records import Record, compare
from shared.domains.tag_list import read_tags, unpasted

DKIM = Record("k1._domainkey.acme.test", "TXT", "v=DKIM1; k=rsa; h=sha256; p=AAAA+/BBBB==")
ED25519 = Record("k2._domainkey.acme.test", "TXT", "v=DKIM1; k=ed25519; h=sha256; p=CCCC=")
DMARC = Record("_dmarc.acme.test", "TXT", "v=DMARC1; p=reject; rua=mailto:postmaster@acme.test")
STS = Record("_mta-sts.acme.test", "TXT", "v=STSv1; id=1234567890")
REPORTS = Record("_smtp._tls.acme.test", "TXT", "v=TLSRPTv1; rua=mailto:postmaster@acme.test")


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
        (ED25519, "v=DKIM1; k=ed25519; p=CCCC="),
        (DMARC, "v=DMARC1; p=none"),
        (DMARC, "v=DMARC1;p=quarantine;rua=mailto:reports@customer.test,mailto:d@vendor.test!10m;pct=50"),
        (DMARC, "v=DMARC1; P=Reject; sp=none; adkim=s; aspf=r; fo=1; ri=3600; x=unknown;"),
        (STS, "v=STSv1; id=20260101T000000Z;"),
        (REPORTS, "v=TLSRPTv1;rua=mailto:tls@vendor.test,https://report.vendor.test/v1"),
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
        (ED25519, "p=CCCC="),
        (DMARC, "v=DMARC1"),
        (DMARC, "v=DMARC1; p=strict"),
        (DMARC, "v=DMARC1; rua=mailto:x@acme.test"),
        (DMARC, "v=DMARC1; p=none; pct=lots"),
        (DMARC, "v=DMARC1; p=none; p=reject"),
        (DMARC, "v=DMARC1 p=none"),
        (DMARC, "v=dmarc1; p=none"),
        (DMARC, "v=DMARC1\\; p=none"),
        (DMARC, '"v=DMARC1; p=none"'),
        (STS, "v=STSv1"),
        (STS, "v=STSv1; id=not-alphanumeric"),
        (STS, "v=STSv1; id=" + "1" * 33),
        (REPORTS, "v=TLSRPTv1"),
        (REPORTS, "v=TLSRPTv1; rua=postmaster@acme.test"),
    ],
)
def test_a_record_without_it_is_shown(record: Record, seen: str) -> None:
    assert presence(record, seen) == ("different", (seen,))


@pytest.mark.parametrize("record", [DKIM, DMARC, STS, REPORTS])
def test_a_second_record_of_the_kind_undoes_the_first(record: Record) -> None:
    assert presence(record, record.value, record.value + " ;") == ("different", (record.value + " ;",))
    assert presence(record, record.value, "some-site-verification=abc") == ("ok", ())
    assert presence(record, "some-site-verification=abc") == ("missing", ())
    assert presence(record) == ("missing", ())


@pytest.mark.parametrize("text", ["a", "=b", "a=1;;b=2", "1a=2", "a=1;A=2", "a-b=1"])
def test_a_text_that_is_no_list_of_tags_is_none(text: str) -> None:
    assert read_tags(text) is None


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), st.sampled_from(["1", "x y", "=a="])))
def test_written_tags_are_read_again(tags: dict[str, str]) -> None:
    assert read_tags(" ; ".join(f"{name} = {value}" for name, value in tags.items())) == tags


@given(st.text(st.characters(exclude_characters='"\\'), max_size=80))
def test_pasted_quotes_are_removed_and_nothing_else(text: str) -> None:
    assert unpasted(f'"{text}"') == text.strip()
    assert unpasted(text.replace(";", "\\;")) == text.strip()
