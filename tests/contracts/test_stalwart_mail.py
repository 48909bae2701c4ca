"""Check which changes stop mail to an account or a domain of Stalwart, and which do not.

Against a real server (0.16, not in recovery mode): as the other contract tests of Stalwart, and STALWART_TEST_SMTP
(host:port that receives mail) and STALWART_TEST_SUBMISSION (host:port where accounts sign in).
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.jmap_calls import STRONG, Jmap, password
from tests.contracts.real_or_simulator import unique
from tests.contracts.smtp_calls import Mail, used
from tests.waiting import until

CLOSED = {"@type": "Merge", "disabledPermissions": {"authenticate": True, "emailReceive": True}}
NAMESPACE = "dezky-contract"
RULE = {
    "match": {"0": {"if": f"key_exists('{NAMESPACE}', rcpt_domain)", "then": "'suspended@suspended.invalid'"}},
    "else": "false",
}


@pytest.fixture
def rule(jmap: Jmap) -> Iterator[None]:
    """Install the rule that refuses mail to domains with a key; remove it at the end."""
    before = jmap.get("MtaStageRcpt", "singleton", "rewrite")["rewrite"]
    if before.get("match"):
        pytest.skip("this server rewrites recipients by a rule of its own")
    assert jmap.change("MtaStageRcpt", "singleton", rewrite=RULE) is None
    jmap.act("ReloadSettings")
    yield
    assert jmap.change("MtaStageRcpt", "singleton", rewrite={"match": {}, "else": "false"}) is None
    jmap.act("ReloadSettings")


def test_a_domain_that_is_not_enabled_receives_mail_and_its_accounts_sign_in(jmap: Jmap, stalwart_smtp: Mail) -> None:
    """Seen: isEnabled has no effect on mail or sign-in whatever."""
    name, domain = jmap.domain(isEnabled=False)
    anna = jmap.user(domain, credentials=password(STRONG))
    stalwart_smtp.send(f"anna@{name}")
    until(lambda: used(jmap, anna) > 0)
    assert jmap.server.caller(basic=(f"anna@{name}", STRONG))("GET", "/api/account").status_code == 200


def test_mail_to_an_account_without_the_permission_to_receive_is_returned(jmap: Jmap, stalwart_smtp: Mail) -> None:
    """Seen: a. `permissions/disabledPermissions/emailReceive: true`: RCPT is answered 250, then a permanent-failure
    DSN, nothing is delivered.
    """
    name, domain = jmap.domain()
    anna = jmap.user(domain, permissions=CLOSED)
    sender = jmap.user(domain, "sender")
    assert stalwart_smtp.rcpt(f"anna@{name}")[0] == 250
    stalwart_smtp.send(f"anna@{name}", sender=f"sender@{name}")
    until(lambda: used(jmap, sender) > 0)
    assert used(jmap, anna) == 0
    assert jmap.change("Account", anna, permissions={"@type": "Inherit"}) is None
    stalwart_smtp.send(f"anna@{name}")
    until(lambda: used(jmap, anna) > 0)


def test_mail_to_a_group_without_the_permission_to_receive_is_returned(jmap: Jmap, stalwart_smtp: Mail) -> None:
    """Seen: a. on each user and group."""
    name, domain = jmap.domain()
    team = jmap.create("Account", **{"@type": "Group"}, name="team", domainId=domain, permissions=CLOSED)
    sender = jmap.user(domain, "sender")
    stalwart_smtp.send(f"team@{name}", sender=f"sender@{name}")
    until(lambda: used(jmap, sender) > 0)
    assert used(jmap, team) == 0


def test_a_list_still_expands_while_its_domains_accounts_are_closed(jmap: Jmap, stalwart_smtp: Mail) -> None:
    """Seen: a. a list goes on expanding (to members outside too)."""
    name, domain = jmap.domain()
    other, elsewhere = jmap.domain()
    jmap.user(domain, permissions=CLOSED)
    bert = jmap.user(elsewhere, "bert")
    recipients = {f"anna@{name}": True, f"bert@{other}": True}
    everybody = jmap.create("MailingList", name="all", domainId=domain, recipients=recipients)
    stalwart_smtp.send(f"all@{name}")
    until(lambda: used(jmap, bert) > 0)
    # mail to the former name does not reach it
    assert jmap.change("MailingList", everybody, name="all.closed") is None
    assert stalwart_smtp.rcpt(f"all@{name}")[0] == 550
    assert jmap.change("MailingList", everybody, name="all") is None
    assert stalwart_smtp.rcpt(f"all@{name}")[0] == 250


def test_a_key_and_the_rule_refuse_mail_for_that_domain_only(jmap: Jmap, stalwart_smtp: Mail, rule: None) -> None:
    """Seen: b. `550 5.1.2 Relay not allowed.` for that domain only; the key destroyed and ReloadLookupStores: 250
    again.
    """
    name, domain = jmap.domain()
    other, elsewhere = jmap.domain()
    for place in (domain, elsewhere):
        jmap.user(place)
    key = jmap.create("MemoryLookupKey", namespace=NAMESPACE, key=name)
    jmap.act("ReloadLookupStores")
    assert stalwart_smtp.rcpt(f"anna@{name}") == (550, "5.1.2 Relay not allowed.")
    assert stalwart_smtp.rcpt(f"anna@{other}")[0] == 250
    assert jmap.destroy("MemoryLookupKey", key) is None
    jmap.act("ReloadLookupStores")
    assert stalwart_smtp.rcpt(f"anna@{name}")[0] == 250


def test_keys_are_found_by_their_namespace(jmap: Jmap) -> None:
    """Seen: b. `x:MemoryLookupKey {namespace "dezky-suspended", key <domain>}`."""
    namespace = unique("contract")
    key = jmap.create("MemoryLookupKey", namespace=namespace, key="acme.test")
    jmap.create("MemoryLookupKey", namespace=unique("contract"), key="acme.test")
    assert jmap.ids("MemoryLookupKey", namespace=namespace) == [key]
    shown = jmap.get("MemoryLookupKey", key, "namespace", "key")
    assert (shown["namespace"], shown["key"]) == (namespace, "acme.test")


@pytest.mark.parametrize("change", [{"permissions": {"@type": "Replace"}}, {"credentials__0__secret": STRONG[::-1]}])
def test_an_open_smtp_session_continues_and_new_ones_are_refused(
    jmap: Jmap, stalwart_smtp: Mail, change: dict[str, Any]
) -> None:
    """Seen: sessions that are open at that moment go on (SMTP MAIL/RCPT/DATA), even with every permission taken and
    after a new password. HTTP and JMAP are cut at once (403). New sign-ins are refused on every protocol.
    """
    name, domain = jmap.domain()
    anna = jmap.user(domain, credentials=password(STRONG))
    bert = jmap.user(domain, "bert")
    address = f"anna@{name}"
    with stalwart_smtp.signed_in(address, STRONG) as session:
        assert jmap.change("Account", anna, **change) is None
        session.sendmail(address, [f"bert@{name}"], f"From: {address}\r\nSubject: contract\r\n\r\nHello\r\n")
        until(lambda: used(jmap, bert) > 0)
        with pytest.raises(smtplib.SMTPException):
            stalwart_smtp.signed_in(address, STRONG)
        refused = jmap.server.caller(basic=(address, STRONG))("GET", "/api/account").status_code
        assert refused == (403 if "permissions" in change else 401)


def test_only_destroying_the_account_ends_an_open_session(jmap: Jmap, stalwart_smtp: Mail) -> None:
    """Seen: only destroying the account ends them."""
    name, domain = jmap.domain()
    anna = jmap.user(domain, credentials=password(STRONG))
    with stalwart_smtp.signed_in(f"anna@{name}", STRONG) as session:
        assert jmap.destroy("Account", anna) is None
        try:
            code, _ = session.mail(f"anna@{name}")
        except smtplib.SMTPServerDisconnected:
            return
        assert code >= 400
