"""Check that the zone text of a mail server is read into records."""

from __future__ import annotations

import pytest

from sandbox.simulators.stalwart.mail.dkim_keys import zone_file
from shared.domains.dns_records import Presence, Record, compare
from shared.integrations.outcomes import TemporaryError
from worker.integrations.stalwart.protocol.zone_file import zone_records

ZONE = """\
v1-rsa._domainkey.acme.test. IN TXT (
    "v=DKIM1; k=rsa; h=sha256; p=AAAA"
    "BBBB"
)
acme.test. IN TXT "v=spf1 mx -all"
acme.test. IN MX 10 Mail.platform.test.
_imaps._tcp.acme.test. IN SRV 0 1 993 mail.platform.test.
autoconfig.acme.test. 300 IN CNAME mail.platform.test.
"""


def test_the_zone_text_of_the_mail_server_becomes_records_with_joined_texts() -> None:
    found = zone_records("acme.test", ZONE)
    assert found[0] == Record("v1-rsa._domainkey.acme.test", "TXT", "v=DKIM1; k=rsa; h=sha256; p=AAAABBBB")
    assert [record.type for record in found] == ["TXT", "TXT", "MX", "SRV", "CNAME"]


def test_the_simulators_zone_text_is_read_whole() -> None:
    text = zone_file({"name": "acme.test"}, [], "mail.platform.test")
    found = zone_records("acme.test", text)
    assert len(found) == len(text.splitlines())
    assert all(check.presence is Presence.MISSING for check in compare(found, {}))


def test_a_zone_text_may_have_relative_names_comments_blank_lines_and_repeated_records() -> None:
    text = "; mail\n\nmail IN 300 A 192.0.2.1\n@ IN MX 10 mail ; ours\nacme.test. 60 IN MX 10 mail.acme.test.\n"
    assert zone_records("acme.test", text) == (
        Record("mail.acme.test", "A", "192.0.2.1"),
        Record("acme.test", "MX", "10 mail.acme.test."),
    )


@pytest.mark.parametrize(
    "text",
    [
        *("acme.test. IN NOSUCH x", "$INCLUDE other", 'acme.test. IN TXT "open', "(((", "acme.test.", "acme.test. IN"),
        *(" IN TXT x", "acme.test. CH TXT x", "acme.test. IN A 1.2.3", "acme.test. IN MX 10 a.test. b.test."),
    ],
)
def test_an_unreadable_zone_text_is_reported(text: str) -> None:
    with pytest.raises(TemporaryError, match="cannot be read"):
        zone_records("acme.test", text)


def test_a_text_that_is_not_utf_8_is_kept_with_escaped_bytes() -> None:
    (record,) = zone_records("acme.test", 'acme.test. IN TXT "caf\\233"')
    assert record.value == "caf\\xe9"


@pytest.mark.parametrize("text", [None, 17, {}, "\x00"])
def test_a_zone_that_is_no_text_is_reported(text: object) -> None:
    with pytest.raises(TemporaryError, match="cannot be read"):
        zone_records("acme.test", text)
