"""Compare records with DNS: hosts, texts, and values that stand beside ours."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.simulators.dns.zone import data_of
from shared.domains.dns_records import Record, canonical, compare, value_of

SPF = Record("acme.test", "TXT", "v=spf1 mx -all")
MX = Record("acme.test", "MX", "10 mail.platform.test.")
CNAME = Record("autoconfig.acme.test", "CNAME", "mail.platform.test.")
DKIM = Record("k._domainkey.acme.test", "TXT", "v=DKIM1; k=rsa; h=sha256; p=AAAABBBB")


def presence(record: Record, *answers: str) -> tuple[str, tuple[str, ...]]:
    (check,) = compare([record], {record.question: answers})
    return check.presence, check.seen


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (MX, "10 MAIL.platform.test."),
        (MX, "20 mail.platform.test."),
        (MX, "0 mail.platform.test."),
        (CNAME, "Mail.Platform.Test."),
        (SPF, "V=SPF1  mx   -ALL"),
        (DKIM, "v=DKIM1;k=rsa;h=sha256;p=AAAA BBBB;"),
        (Record("_dmarc.acme.test", "TXT", "v=DMARC1; p=reject"), "v=DMARC1;p=reject ;"),
        (Record("_imaps._tcp.acme.test", "SRV", "0 1 993 mail.platform.test."), "0 1 993 mail.PLATFORM.test."),
    ],
)
def test_case_and_spaces_that_readers_ignore_make_no_difference(record: Record, answer: str) -> None:
    assert presence(record, answer) == ("ok", ())


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (MX, "10 mail.elsewhere.test."),
        (CNAME, "mail.elsewhere.test."),
        # the console of a DNS provider that adds the domain to a name without a dot at its end
        (CNAME, "mail.platform.test.acme.test."),
        (MX, "10 mail.platform.test.acme.test."),
        (MX, "0 ."),
        (SPF, "v=spf1 include:other.test -all"),
        (DKIM, "v=DKIM1; k=rsa; h=sha256; p=aaaaBBBB"),
    ],
)
def test_other_data_in_the_place_of_ours_is_shown(record: Record, answer: str) -> None:
    assert presence(record, answer) == ("different", (answer,))


def test_a_text_of_another_kind_is_neither_ours_nor_in_its_place() -> None:
    assert presence(SPF, "other-site-verification=abc") == ("missing", ())
    assert presence(SPF, "other-site-verification=abc", "v=spf1 mx -all") == ("ok", ())


def test_a_second_policy_invalidates_ours() -> None:
    assert presence(SPF, "v=spf1 mx -all", "v=spf1 ~all") == ("different", ("v=spf1 ~all",))


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        ("5 old.test.", "different"),
        ("10 old.test.", "different"),
        ("50 backup.test.", "ok"),
        ("0 .", "different"),
        ("nonsense", "different"),
    ],
)
def test_a_foreign_mail_host_matters_only_with_a_priority_like_ours(beside: str, expected: str) -> None:
    assert presence(MX, "10 mail.platform.test.", beside)[0] == expected


def test_several_records_of_one_name_and_type_are_no_rivals_of_each_other() -> None:
    second = Record("acme.test", "MX", "10 mail2.platform.test.")
    answers = {MX.question: ("10 mail.platform.test.", "10 mail2.platform.test.")}
    assert [check.presence for check in compare([MX, second], answers)] == ["ok", "ok"]
    assert [check.presence for check in compare([MX, second], {MX.question: (MX.value,)})] == ["ok", "missing"]


def test_data_that_is_not_of_its_type_is_refused_when_wanted_and_shown_when_seen() -> None:
    with pytest.raises(ValueError, match="MX"):
        canonical("MX", "mail.platform.test.")
    assert presence(MX, "nonsense") == ("different", ("nonsense",))


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        # (first of ours, second of ours, foreign)
        ((10, 30, 20), ["ok", "ok"]),
        ((30, 10, 20), ["ok", "ok"]),
        ((10, 30, 40), ["ok", "ok"]),
        ((10, 30, 10), ["different", "different"]),
        ((10, 10, 5), ["different", "different"]),
    ],
)
def test_a_foreign_host_between_two_of_ours_is_a_backup(ranks: tuple[int, int, int], expected: list[str]) -> None:
    second = Record("acme.test", "MX", "10 mail2.platform.test.")
    names = ("mail.platform.test.", "mail2.platform.test.", "elsewhere.test.")
    answers = {MX.question: [f"{rank} {name}" for rank, name in zip(ranks, names, strict=True)]}
    assert [check.presence for check in compare([MX, second], answers)] == expected


@pytest.mark.parametrize("rank", ["²", "٣", "-1", "1.0", "999999"])
def test_a_rank_that_is_no_number_is_no_host_of_ours(rank: str) -> None:
    assert presence(MX, f"{rank} mail.platform.test.")[0] == "different"


@given(st.text(max_size=700))
def test_any_text_survives_being_cut_into_strings_and_joined(text: str) -> None:
    assert value_of(data_of("TXT", text)) == text


def test_a_foreign_host_is_compared_with_the_preference_that_the_owner_gave_ours() -> None:
    assert presence(MX, "50 mail.platform.test.", "60 backup.test.") == ("ok", ())
    assert presence(MX, "50 mail.platform.test.", "20 old.test.") == ("different", ("20 old.test.",))
    assert presence(MX, "50 mail.platform.test.", "10 mail.platform.test.", "20 old.test.") == ("ok", ())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("5 9 993 mail.platform.test.", "ok"),
        ("0 1 143 mail.platform.test.", "different"),
        ("0 1 993 mail.elsewhere.test.", "different"),
        ("0 0 0 .", "different"),
    ],
)
def test_an_srv_record_is_compared_by_host_and_port_and_not_by_weight(answer: str, expected: str) -> None:
    record = Record("_imaps._tcp.acme.test", "SRV", "0 1 993 mail.platform.test.")
    assert presence(record, answer)[0] == expected


@pytest.mark.parametrize(
    "answer",
    [
        *('"v=spf1 mx -all"', '\\"v=spf1 mx -all\\"', '"v=spf1 " "mx -all"', "“v=spf1 mx -all”", "'v=spf1 mx -all'"),
        *(
            " v=spf1 mx -all",
            "v=spf1\tmx -all",
            "v=spf1\n",
            "v = spf1 mx -all",
            "v=spf1; mx -all",
            "\ufeffv=spf1 mx -all",
        ),
    ],
)
def test_a_policy_that_was_pasted_or_begins_wrongly_does_not_work_and_is_shown(answer: str) -> None:
    assert presence(SPF, answer) == ("different", (answer,))
    assert presence(SPF, answer, SPF.value) == ("ok", ())


@pytest.mark.parametrize(
    "answer",
    [
        "v=DKIM1\\; k=rsa\\; h=sha256\\; p=AAAABBBB",
        '"v=DKIM1; k=rsa; h=sha256; " "p=AAAABBBB"',
        '"v=DKIM1\\; p=AAAABBBB"',
        "v=DKIM1; k=rsa; p=",
    ],
)
def test_a_key_that_was_pasted_or_revoked_is_shown(answer: str) -> None:
    assert presence(DKIM, answer) == ("different", (answer,))


def test_two_keys_at_one_selector_are_reported() -> None:
    assert presence(DKIM, DKIM.value, "k=rsa; p=CCCC") == ("different", ("k=rsa; p=CCCC",))
    assert presence(DKIM, "p=CCCC", "p=DDDD") == ("different", ("p=CCCC", "p=DDDD"))


@pytest.mark.parametrize(
    "unit", [".", " ", "%", "/", "-", "a", "1", "a.", "%{d", "%{d}", " ;", "a=", "\\", '"', " a:b.c"]
)
@pytest.mark.parametrize(
    "start", ["", "v=spf1 ", "v=spf1 a:", "v=spf1 redirect=x.", "v=DMARC1; ", "v=TLSRPTv1; rua=", "v"]
)
def test_the_longest_text_of_dns_is_compared_in_milliseconds(start: str, unit: str) -> None:
    text = start + unit * (65_000 // len(unit)) + "\x00"
    began = time.process_time()
    for record in (SPF, DKIM, MX, *(Record("a.test", "TXT", f"v={one}; p=none") for one in ("DMARC1", "TLSRPTv1"))):
        presence(record, text)
    assert time.process_time() - began < 2


@given(st.lists(st.text(max_size=60), max_size=3))
def test_any_published_value_is_compared_without_an_error(answers: list[str]) -> None:
    for record in (SPF, DKIM, MX, CNAME, Record("_dmarc.acme.test", "TXT", "v=DMARC1; p=reject")):
        state, seen = presence(record, *answers)
        assert state in ("missing", "different") or not seen
        assert set(seen) <= set(answers)
