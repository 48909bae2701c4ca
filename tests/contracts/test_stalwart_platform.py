"""Run the platform's own steps against Stalwart with a key that has only the needed permissions.

Against a real server (0.16, not in recovery mode): as the other contract tests of Stalwart; STALWART_TEST_SMTP
(host:port that receives mail) lets the steps prove over SMTP that mail is refused.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared.db.documents import new_id
from shared.integrations.outcomes import Outcome, Result, TemporaryError
from tests.contracts.jmap_calls import Jmap
from tests.contracts.real_or_simulator import unique
from tests.contracts.smtp_calls import Mail, used
from tests.simulators import MakeStep, Saved
from tests.waiting import until
from worker.http.json_client import BearerToken, JsonClient
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.closed.recipient_rule import BRANCH, NEEDED, RULE
from worker.integrations.stalwart.closed.smtp_probe import SmtpProbe
from worker.integrations.stalwart.protocol.jmap import Jmap as JmapClient
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.stalwart.removal import remove_mail
from worker.integrations.step_context import StepContext

#: permissions of an administrator that the platform never uses
UNUSED = ("impersonate", "unlimitedRequests", "sysRoleCreate", "sysSystemSettingsUpdate", "sysBlockedIpCreate")


def client(jmap: Jmap, secret: str, mail: Mail) -> StalwartClient:
    host, _, port = mail.smtp.rpartition(":")
    ca_file = os.environ.get("EXTRA_CA_CERTS")
    api = JsonClient(jmap.server.url, authorize=BearerToken(secret), call_seconds=20, ca_file=ca_file)
    return StalwartClient(JmapClient(api), "off", SmtpProbe(host, int(port), False))


@pytest.fixture
def limited(jmap: Jmap, stalwart_smtp: Mail) -> Iterator[StalwartClient]:
    """Return the platform's client with a key without the unneeded permissions."""
    before = jmap.get("MtaStageRcpt", "singleton", "rewrite")["rewrite"]
    if before.get("match") and before["match"].get("0") != BRANCH:
        pytest.skip("this server rewrites recipients by a rule of its own")
    _, secret = jmap.key(**{"@type": "Disable", "permissions": dict.fromkeys(UNUSED, True)})
    yield client(jmap, secret, stalwart_smtp)
    if before.get("match") != RULE["match"]:
        jmap.change("MtaStageRcpt", "singleton", rewrite={"match": {}, "else": "false"})
        jmap.act("ReloadSettings")


def settled(step: Callable[[], Outcome]) -> Outcome:
    """Repeat a step as a worker does, until it ends."""
    for _ in range(20):
        try:
            return step()
        except TemporaryError as waiting:
            time.sleep(waiting.wait or 0.5)
    raise AssertionError("the step never ended")


def work_for(make_step: MakeStep, domain: str) -> Callable[[], StepContext]:
    tenant: dict[str, Any] = {"id": new_id(), "domains": (domain,)}
    return lambda: make_step("stalwart", **tenant)


def test_a_limited_key_can_set_up_refuse_accept_and_remove_a_tenants_mail(
    jmap: Jmap, limited: StalwartClient, stalwart_smtp: Mail, make_step: MakeStep, saved: Saved
) -> None:
    """Seen: b. `550 5.1.2 Relay not allowed.` for that domain only; 250 again when the key is gone."""
    domain = f"{unique('contract')}.test"
    step = work_for(make_step, domain)
    assert settled(lambda: ensure_mail(step(), limited)).result is Result.OK
    assert any("_domainkey" in record["name"] for record in saved["dnsRecords"])
    anna = jmap.user(jmap.made("Domain", saved["stalwartDomainId"]))
    address = f"anna@{domain}"

    outcome = settled(lambda: close_mail(step(), limited))
    assert outcome.notes["mail"] == "refused"
    assert "SMTP answered 550" in outcome.notes["mail_verified"]
    assert stalwart_smtp.rcpt(address)[0] == 550
    assert settled(lambda: ensure_mail(step(), limited)).result is Result.OK
    stalwart_smtp.send(address)
    until(lambda: used(jmap, anna) > 0)

    assert settled(lambda: remove_mail(step(), limited)).result is Result.OK
    assert jmap.ids("Domain", name=domain) == []


def test_without_the_rights_for_the_rule_a_tenants_mail_is_returned(
    jmap: Jmap, stalwart_smtp: Mail, make_step: MakeStep, saved: Saved
) -> None:
    """Seen: a. RCPT is answered 250, then a permanent-failure DSN, nothing is delivered; lists go on expanding."""
    _, secret = jmap.key(**{"@type": "Disable", "permissions": {name: True for name in NEEDED if "Mta" in name}})
    limited = client(jmap, secret, stalwart_smtp)
    domain = f"{unique('contract')}.test"
    other, elsewhere = jmap.domain()
    outside, sender = jmap.user(elsewhere, "bert"), jmap.user(elsewhere, "sender")
    step = work_for(make_step, domain)
    assert settled(lambda: ensure_mail(step(), limited)).result is Result.OK
    anna = jmap.user(jmap.made("Domain", saved["stalwartDomainId"]))
    recipients = {f"bert@{other}": True}
    jmap.create("MailingList", name="all", domainId=saved["stalwartDomainId"], recipients=recipients)

    assert settled(lambda: close_mail(step(), limited)).notes["mail"].startswith("returned")
    stalwart_smtp.send(f"anna@{domain}", sender=f"sender@{other}")
    until(lambda: used(jmap, sender) > 0)
    assert used(jmap, anna) == 0
    assert stalwart_smtp.rcpt(f"all@{domain}")[0] == 550
    assert settled(lambda: ensure_mail(step(), limited)).result is Result.OK
    stalwart_smtp.send(f"all@{domain}")
    until(lambda: used(jmap, outside) > 0)
    stalwart_smtp.send(f"anna@{domain}")
    until(lambda: used(jmap, anna) > 0)
    assert settled(lambda: remove_mail(step(), limited)).result is Result.OK


def test_our_own_account_is_found_and_never_locked(jmap: Jmap, stalwart_smtp: Mail, make_step: MakeStep) -> None:
    """Seen: the account that our key belongs to is `primaryAccounts["urn:stalwart:jmap"]` of the session."""
    account, secret = jmap.key()
    ours = client(jmap, secret, stalwart_smtp)
    # the account's domain is assigned to the tenant, as an operator could do by hand
    domain_id = jmap.get("Account", account, "domainId")["domainId"]
    domain = jmap.get("Domain", domain_id, "name")["name"]
    step = work_for(make_step, domain)
    marker = step().signer.text(step().tenant.id)
    assert jmap.change("Domain", domain_id, description=marker) is None
    jmap.user(domain_id)
    closing = step()
    outcome = settled(lambda: close_mail(closing, ours))
    assert f"keeper@{domain}" in outcome.notes["own_account"]
    (change,) = [one for one in closing.changes if "signing in" in one]
    assert change == f"keep anna@{domain} from signing in and receiving mail"
    assert jmap.get("Account", account, "permissions")["permissions"] == {"@type": "Inherit"}
    assert settled(lambda: ensure_mail(step(), ours)).result is Result.OK
