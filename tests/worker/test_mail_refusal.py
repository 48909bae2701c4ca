"""Check that mail to closed domains is refused at SMTP time, and accepted when they are open again."""

from __future__ import annotations

import smtplib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import pytest
import requests

from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.integrations.outcomes import PermanentError, Result, TemporaryError
from shared.tenants.model import Status
from tests.simulators import API_TOKEN, OTHER_ID, MakeStep, Saved, fault, mail_treatment
from tests.worker.test_mail import control, objects
from worker.http.deadline import within
from worker.http.json_client import BearerToken, JsonClient
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.closed.recipient_rule import NAMESPACE
from worker.integrations.stalwart.closed.smtp_probe import SmtpProbe
from worker.integrations.stalwart.protocol.jmap import Jmap
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.stalwart.removal import delete_domain, remove_mail
from worker.integrations.step_context import StepContext
from worker.jobs.orphan_scans import RemovalRecorder

FOREIGN = {"match": {"0": {"if": "rcpt_domain == 'old.test'", "then": "'all@new.test'"}}, "else": "false"}


def client(stalwart: StalwartSimulator, token: str = API_TOKEN, probe: SmtpProbe | None = None) -> StalwartClient:
    return StalwartClient(Jmap(JsonClient(stalwart.url, authorize=BearerToken(token), call_seconds=2.0)), "off", probe)


def probe_of(stalwart: StalwartSimulator) -> SmtpProbe:
    host, _, port = stalwart.smtp_url.removeprefix("smtp://").rpartition(":")
    return SmtpProbe(host, int(port), False)


@pytest.fixture
def mail(stalwart: StalwartSimulator) -> StalwartClient:
    return client(stalwart)


def account(stalwart: StalwartSimulator, domain: str, name: str = "ann", **fields: Any) -> str:
    given = {"@type": "User", "name": name, "domainId": domain, **fields}
    made: str = control(stalwart, "create", kind="Account", given=given)["id"]
    return made


def locked(stalwart: StalwartSimulator) -> list[str]:
    """Addresses of accounts that cannot sign in."""
    return [
        one["emailAddress"]
        for one in objects(stalwart, "Account")
        if one["permissions"].get("disabledPermissions", {}).get("authenticate")
    ]


def accepted(stalwart: StalwartSimulator, address: str) -> bool:
    probe = probe_of(stalwart)
    with smtplib.SMTP(probe.host, probe.port, local_hostname="test.platform.test", timeout=5) as session:
        session.ehlo()
        session.mail("")
        return session.rcpt(address)[0] == 250


def give_own_rule(stalwart: StalwartSimulator) -> None:
    """Give the server its own rule for recipients, so that mail to closed domains is returned."""
    control(stalwart, "update", kind="MtaStageRcpt", id_="singleton", patch={"rewrite": FOREIGN})


def close_with_former_name(
    stalwart: StalwartSimulator, mail: StalwartClient, step: StepContext, domain_id: str, former: str
) -> None:
    """Close the tenant's mail, and then remove an alias of its domain, whose key stays."""
    control(stalwart, "update", kind="Domain", id_=domain_id, patch={"aliases": {former: True}})
    close_mail(step, mail)
    control(stalwart, "update", kind="Domain", id_=domain_id, patch={"aliases": {}})


# -- refused


def test_mail_of_a_closed_tenant_is_refused_and_the_step_records_the_verification(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    outcome = close_mail(make_step("stalwart"), mail)
    assert outcome.notes["mail"] == "refused"
    assert "read back" in outcome.notes["mail_verified"]
    assert "STALWART_SMTP_URL" in outcome.notes["mail_verified"]
    assert "IMAP" in outcome.notes["open_sessions"]
    assert not accepted(stalwart, "postmaster@acme.test")
    assert ensure_mail(make_step("stalwart"), mail).result is Result.OK
    assert accepted(stalwart, "postmaster@acme.test")
    assert objects(stalwart, "MemoryLookupKey") == []


def test_smtp_proves_the_refusal_where_its_address_is_set(stalwart: StalwartSimulator, make_step: MakeStep) -> None:
    mail = client(stalwart, probe=probe_of(stalwart))
    ensure_mail(make_step("stalwart"), mail)
    outcome = close_mail(make_step("stalwart"), mail)
    assert (outcome.notes["mail"], "SMTP answered 550" in outcome.notes["mail_verified"]) == ("refused", True)


def test_closing_many_domains_ends_though_the_server_waits_before_it_refuses_a_recipient(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    """The product waits 5 s before each refusal, and bans an address after 35 refusals a day."""
    mail = client(stalwart, probe=probe_of(stalwart))
    names = tuple(f"d{number}.test" for number in range(4))
    ensure_mail(make_step("stalwart", domains=names), mail)
    stalwart.mail.wait_on_fail = 5.2
    with within(10):
        verified = close_mail(make_step("stalwart", domains=names), mail).notes["mail_verified"]
    assert "read back" in verified
    (asked,) = stalwart.mail.refused
    assert f"for {asked}, one recipient for all" in verified


def test_mail_is_not_reported_as_refused_while_smtp_accepts_it(
    stalwart: StalwartSimulator, make_step: MakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.integrations.stalwart.closed.mail_stop.TIMEOUT", 0.3)
    ensure_mail(make_step("stalwart"), client(stalwart))
    with StalwartSimulator(api_key=API_TOKEN).running() as other:
        assert isinstance(other, StalwartSimulator)
        domain = control(other, "create", kind="Domain", given={"name": "acme.test"})["id"]
        account(other, domain, "postmaster")
        with pytest.raises(TemporaryError, match=r"answered 250 .* for postmaster"):
            close_mail(make_step("stalwart"), client(stalwart, probe=probe_of(other)))


def test_the_refusal_of_an_unknown_mailbox_does_not_prove_the_rule(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart"), client(stalwart))
    with StalwartSimulator(api_key=API_TOKEN).running() as other:
        assert isinstance(other, StalwartSimulator)
        control(other, "create", kind="Domain", given={"name": "acme.test"})
        with pytest.raises(TemporaryError, match="Mailbox does not exist"):
            close_mail(make_step("stalwart"), client(stalwart, probe=probe_of(other)))


@pytest.fixture
def silent() -> Iterator[SmtpProbe]:
    """A mail server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield SmtpProbe("127.0.0.1", server.getsockname()[1], False)


def test_a_hung_or_absent_smtp_server_verifies_nothing_and_delays_only_its_attempt(
    stalwart: StalwartSimulator, make_step: MakeStep, silent: SmtpProbe
) -> None:
    ensure_mail(make_step("stalwart"), client(stalwart))
    began = time.monotonic()
    with within(3), pytest.raises(TemporaryError, match="could not be asked"):
        close_mail(make_step("stalwart"), client(stalwart, probe=silent))
    assert time.monotonic() - began < 6
    with pytest.raises(TemporaryError, match="could not be asked"):
        close_mail(make_step("stalwart"), client(stalwart, probe=SmtpProbe("127.0.0.1", 1, False)))
    # the mail is still refused
    assert mail_treatment(stalwart) == {"acme.test": "refused"}


def test_mail_to_an_alias_of_a_closed_domain_is_refused_too(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    patch = {"aliases": {"acme-group.test": True}}
    control(stalwart, "update", kind="Domain", id_=saved["stalwartDomainId"], patch=patch)
    assert accepted(stalwart, "postmaster@acme-group.test")
    close_mail(make_step("stalwart"), mail)
    assert not accepted(stalwart, "postmaster@acme-group.test")
    ensure_mail(make_step("stalwart"), mail)
    assert accepted(stalwart, "postmaster@acme-group.test")


def test_the_rule_is_written_once_for_all_tenants_and_closing_again_changes_nothing(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    for names in ({}, {"id": OTHER_ID, "domains": ("beta.test",)}):
        ensure_mail(make_step("stalwart", **names), mail)
    ids = {one["name"]: one["id"] for one in stalwart.snapshot()["Domain"]}
    # both steps share these saved values
    first = make_step("stalwart", elsewhere=[ids["beta.test"]])
    second = make_step("stalwart", elsewhere=[ids["acme.test"]], id=OTHER_ID, domains=("beta.test",))
    close_mail(first, mail)
    close_mail(second, mail)
    rule = "set Stalwart's rule that refuses mail to suspended domains"
    assert (rule in first.changes, rule in second.changes) == (True, False)
    again = make_step("stalwart", elsewhere=[ids["beta.test"]])
    assert close_mail(again, mail).notes["mail"] == "refused"
    assert again.changes == []
    assert len(objects(stalwart, "MemoryLookupKey")) == 2


def test_a_rule_that_was_written_but_not_loaded_is_loaded(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    mail.rule.write()
    mail.rule.add_key("acme.test")
    assert mail_treatment(stalwart) == {"acme.test": "delivered"}
    assert close_mail(make_step("stalwart"), mail).notes["mail"] == "refused"
    assert mail_treatment(stalwart) == {"acme.test": "refused"}


def test_a_purge_leaves_no_key_that_would_refuse_the_next_owners_mail(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_mail(make_step("stalwart"), mail)
    assert remove_mail(make_step("stalwart"), mail).result is Result.OK
    assert objects(stalwart, "MemoryLookupKey") == []
    ensure_mail(make_step("stalwart", id=OTHER_ID), mail)
    assert accepted(stalwart, "postmaster@acme.test")


def test_a_leftover_key_is_removed_when_its_domain_is_set_up(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    for _ in range(2):
        control(stalwart, "create", kind="MemoryLookupKey", given={"namespace": NAMESPACE, "key": "acme.test"})
    step = make_step("stalwart", is_first=True)
    ensure_mail(step, mail)
    assert "accept mail to acme.test again" in step.changes
    assert objects(stalwart, "MemoryLookupKey") == []


def test_a_resume_accepts_mail_though_a_person_destroyed_the_key(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    """Seen: only the key destroyed and ReloadLookupStores gives 250 again."""
    ensure_mail(make_step("stalwart"), mail)
    close_mail(make_step("stalwart"), mail)
    (key,) = objects(stalwart, "MemoryLookupKey")
    control(stalwart, "destroy", kind="MemoryLookupKey", id_=key["id"])
    assert not accepted(stalwart, "postmaster@acme.test")
    ensure_mail(make_step("stalwart"), mail)
    assert accepted(stalwart, "postmaster@acme.test")
    assert saved["stalwartRefused"] == []


def test_a_resume_accepts_mail_though_an_older_build_recorded_no_names_and_the_key_was_destroyed(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_mail(make_step("stalwart"), mail)
    del saved["stalwartRefused"]
    (key,) = objects(stalwart, "MemoryLookupKey")
    control(stalwart, "destroy", kind="MemoryLookupKey", id_=key["id"])
    ensure_mail(make_step("stalwart", status=Status.SUSPENDED), mail)
    assert accepted(stalwart, "postmaster@acme.test")


def test_with_mail_received_a_suspended_domain_accepts_mail_and_a_removed_one_refuses(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart", domains=("acme.test", "old.test")), mail)
    outcome = close_mail(replace(make_step("stalwart"), suspended_mail="receive"), mail)
    assert outcome.notes["mail"] == "received"
    assert mail_treatment(stalwart) == {"acme.test": "delivered", "old.test": "refused"}


def test_no_mail_reaches_a_closed_account_through_addresses_of_open_domains(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    """The rule sees only the address that the sender gave, not a list's member, an alias or a catch-all address."""
    ensure_mail(make_step("stalwart"), mail)
    outside = control(stalwart, "create", kind="Domain", given={"name": "outside.test"})["id"]
    ann = account(stalwart, saved["stalwartDomainId"], aliases={"0": {"name": "info", "domainId": outside}})
    members = {"ann@acme.test": True, "postmaster@acme.test": True}
    control(stalwart, "create", kind="MailingList", given={"name": "all", "domainId": outside, "recipients": members})
    control(stalwart, "update", kind="Domain", id_=outside, patch={"catchAllAddress": "ann@acme.test"})
    before = objects(stalwart, "Account")

    def received() -> list[int]:
        for name in ("info", "all", "nobody"):
            stalwart.mail.deliver("", f"{name}@outside.test", 100)
        return [one["usedDiskQuota"] for one in objects(stalwart, "Account")]

    assert close_mail(make_step("stalwart"), mail).notes["mail"] == "refused"
    assert received() == [0, 0]
    # direct mail is refused before it is accepted
    assert not accepted(stalwart, "ann@acme.test")
    again = make_step("stalwart")
    close_mail(again, mail)
    assert again.changes == []
    ensure_mail(make_step("stalwart"), mail)
    assert objects(stalwart, "Account") == before
    assert saved["stalwartReturning"] == []
    assert received() == [100, 300]
    assert ann in [one["id"] for one in before]


@pytest.mark.parametrize("is_returned", [False, True], ids=["refused", "returned"])
def test_mail_that_was_stopped_is_received_when_closing_again_after_the_setting_was_changed(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved, is_returned: bool
) -> None:
    if is_returned:
        give_own_rule(stalwart)
    ensure_mail(make_step("stalwart", domains=("acme.test", "old.test")), mail)
    account(stalwart, saved["stalwartDomainId"])
    stopped = "bounced" if is_returned else "refused"
    close_mail(make_step("stalwart"), mail)
    assert mail_treatment(stalwart) == {"acme.test": stopped, "old.test": stopped}
    step = replace(make_step("stalwart", status=Status.SUSPENDED), suspended_mail="receive")
    assert close_mail(step, mail).notes["mail"] == "received"
    assert mail_treatment(stalwart) == {"acme.test": "delivered", "old.test": stopped}
    assert locked(stalwart) == ["ann@acme.test"]
    again = replace(make_step("stalwart", status=Status.SUSPENDED), suspended_mail="receive")
    close_mail(again, mail)
    assert again.changes == []
    ensure_mail(make_step("stalwart"), mail)
    assert (locked(stalwart), mail_treatment(stalwart)["old.test"]) == ([], stopped)


def test_an_account_that_is_locked_and_receives_again_in_one_attempt_stays_locked(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    ann = account(stalwart, saved["stalwartDomainId"])
    close_mail(make_step("stalwart"), mail)
    by_hand = {"permissions": {"@type": "Merge", "disabledPermissions": {"emailReceive": True}}}
    control(stalwart, "update", kind="Account", id_=ann, patch=by_hand)
    close_mail(replace(make_step("stalwart"), suspended_mail="receive"), mail)
    assert locked(stalwart) == ["ann@acme.test"]
    stalwart.mail.deliver("", "ann@acme.test", 100)
    assert next(one for one in objects(stalwart, "Account") if one["id"] == ann)["usedDiskQuota"] == 100


# -- domains that left their tenant


def test_accounts_of_a_removed_domain_are_locked_and_unlocked_when_it_returns(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    both = ("acme.test", "old.test")
    ensure_mail(make_step("stalwart", domains=both), mail)
    account(stalwart, objects(stalwart, "Domain")[1]["id"])
    ensure_mail(make_step("stalwart"), mail)
    assert (locked(stalwart), mail_treatment(stalwart)["old.test"]) == (["ann@old.test"], "refused")
    # a suspension in between closes and opens the tenant's own domain only
    close_mail(make_step("stalwart"), mail)
    ensure_mail(make_step("stalwart"), mail)
    assert (locked(stalwart), mail_treatment(stalwart)) == (
        ["ann@old.test"],
        {"acme.test": "delivered", "old.test": "refused"},
    )
    ensure_mail(make_step("stalwart", domains=both), mail)
    assert (locked(stalwart), mail_treatment(stalwart)["old.test"]) == ([], "delivered")
    assert (saved["stalwartLocked"], saved["stalwartClosedDomains"]) == ([], [])


def test_a_domain_that_a_person_renamed_is_suspended_and_resumed_as_the_tenants_own(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    on_record = saved["stalwartDomains"]
    rename = {"kind": "Domain", "id_": saved["stalwartDomainId"], "patch": {"name": "other.test"}}
    # before the suspension, and again during it
    control(stalwart, "update", **rename)
    close_mail(make_step("stalwart"), mail)
    assert (saved["stalwartDomains"], saved.get("stalwartClosedDomains")) == (on_record, None)
    assert mail_treatment(stalwart) == {"other.test": "refused"}
    ensure_mail(make_step("stalwart"), mail)
    close_mail(make_step("stalwart"), mail)
    control(stalwart, "update", **rename)
    opened = ["let postmaster@acme.test receive mail again", "accept mail to acme.test again"]
    for changes in (["set name of the mail domain other.test", *opened], [], []):
        step = make_step("stalwart")
        assert ensure_mail(step, mail).notes == {}
        assert step.changes == changes
    assert (mail_treatment(stalwart), objects(stalwart, "MemoryLookupKey")) == ({"acme.test": "delivered"}, [])
    assert (saved["stalwartDomains"], saved["stalwartRefused"]) == (on_record, [])


def test_the_key_of_an_alias_that_was_removed_during_a_suspension_is_removed(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_with_former_name(stalwart, mail, make_step("stalwart"), saved["stalwartDomainId"], "acme-group.test")
    ensure_mail(make_step("stalwart"), mail)
    assert (objects(stalwart, "MemoryLookupKey"), saved["stalwartRefused"]) == ([], [])


def test_a_removed_domain_is_verified_once_and_a_reconcile_reports_open_sessions(
    stalwart: StalwartSimulator, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart", domains=("acme.test", "old.test")), client(stalwart))
    notes = ensure_mail(make_step("stalwart"), client(stalwart, probe=probe_of(stalwart))).notes
    assert "old.test: mail is refused" in notes["closed_domains"]
    assert "SMTP answered 550" in notes["closed_domains"]
    assert "IMAP" in notes["closed_domains"]
    # a later outage of SMTP stops no reconcile of the tenant
    outcome = ensure_mail(make_step("stalwart"), client(stalwart, probe=SmtpProbe("127.0.0.1", 1, False)))
    assert (outcome.result, outcome.notes) == (Result.OK, {})


def test_an_orphaned_domain_with_our_own_account_is_not_removed(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    control(stalwart, "use_account", account=account(stalwart, saved["stalwartDomainId"], "platform"))
    before = {kind: objects(stalwart, kind) for kind in ("Account", "Domain", "DkimSignature")}
    (domain,) = mail.list_domains()
    with pytest.raises(PermanentError, match="own account"):
        delete_domain(RemovalRecorder(), mail, domain)
    assert {kind: objects(stalwart, kind) for kind in before} == before


def test_an_account_that_appears_in_a_closed_domain_is_locked_by_a_reconcile(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart", domains=("acme.test", "old.test")), mail)
    ensure_mail(make_step("stalwart"), mail)
    account(stalwart, objects(stalwart, "Domain")[1]["id"], "late")
    dry_run = replace(make_step("stalwart"), is_dry_run=True)
    ensure_mail(dry_run, mail)
    assert dry_run.changes == ["keep late@old.test from signing in and receiving mail"]
    assert locked(stalwart) == []
    ensure_mail(make_step("stalwart"), mail)
    assert locked(stalwart) == ["late@old.test"]


def test_the_drift_check_of_a_suspended_tenant_finds_reopened_objects(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_mail(make_step("stalwart"), mail)
    account(stalwart, saved["stalwartDomainId"], "late")
    control(stalwart, "destroy", kind="MemoryLookupKey", id_=objects(stalwart, "MemoryLookupKey")[0]["id"])
    dry_run = replace(make_step("stalwart"), is_dry_run=True)
    outcome = close_mail(dry_run, mail)
    assert dry_run.changes == ["keep late@acme.test from signing in and receiving mail", "refuse mail to acme.test"]
    assert "mail" not in outcome.notes


# -- our own account


@pytest.mark.parametrize("way", ["refused", "returned"])
def test_our_own_account_is_never_locked(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved, way: str
) -> None:
    mail = client(stalwart)
    if way == "returned":
        give_own_rule(stalwart)
    ensure_mail(make_step("stalwart"), mail)
    ours = account(stalwart, saved["stalwartDomainId"], "platform", roles={"@type": "Admin"})
    account(stalwart, saved["stalwartDomainId"])
    control(stalwart, "use_account", account=ours)
    outcome = close_mail(make_step("stalwart"), mail)
    assert locked(stalwart) == ["ann@acme.test"]
    assert "platform@acme.test" in outcome.notes["own_account"]
    kept = next(one for one in objects(stalwart, "Account") if one["id"] == ours)
    assert kept["permissions"] == {"@type": "Inherit"}


def test_a_domain_with_our_own_account_is_not_emptied_by_a_purge(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart", domains=("acme.test", "old.test")), mail)
    ours = account(stalwart, saved["stalwartDomains"][1]["id"], "platform")
    control(stalwart, "use_account", account=ours)
    before = {kind: objects(stalwart, kind) for kind in ("Account", "Domain", "DkimSignature")}
    with pytest.raises(PermanentError, match=r"own account platform@old\.test is in the domain old\.test"):
        remove_mail(make_step("stalwart", domains=("acme.test", "old.test")), mail)
    assert {kind: objects(stalwart, kind) for kind in before} == before


def test_our_own_account_with_an_alias_in_a_tenants_domain_stays(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    elsewhere = control(stalwart, "create", kind="Domain", given={"name": "platform.test"})["id"]
    alias = {"0": {"name": "help", "domainId": saved["stalwartDomainId"]}}
    control(stalwart, "use_account", account=account(stalwart, elsewhere, "platform", aliases=alias))
    with pytest.raises(PermanentError, match="in_use"):
        remove_mail(make_step("stalwart"), mail)
    assert [one["emailAddress"] for one in objects(stalwart, "Account")] == ["platform@platform.test"]


@pytest.fixture
def unanswered(stalwart: StalwartSimulator) -> Callable[[str], AbstractContextManager[Any]]:
    """Require that a step fails because the removal of a key has its effect and no answer."""

    @contextmanager
    def until_it_fails(kind: str) -> Iterator[None]:
        fault(stalwart, kind=kind, contains="MemoryLookupKey/set")
        with pytest.raises(TemporaryError):
            yield
        requests.delete(f"{stalwart.url}/__sim/faults", timeout=5).raise_for_status()
        # the key is gone, and the server still refuses mail
        assert (objects(stalwart, "MemoryLookupKey"), mail_treatment(stalwart)) == ([], {"acme.test": "refused"})

    return until_it_fails


@pytest.mark.parametrize("kind", ["lost", "empty_body", "applied_then_status"])
def test_a_key_whose_removal_was_not_answered_is_unloaded_by_the_next_attempt(
    stalwart: StalwartSimulator,
    mail: StalwartClient,
    make_step: MakeStep,
    saved: Saved,
    unanswered: Callable[[str], AbstractContextManager[Any]],
    kind: str,
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_mail(make_step("stalwart"), mail)
    with unanswered(kind):
        ensure_mail(make_step("stalwart"), mail)
    ensure_mail(make_step("stalwart"), mail)
    assert mail_treatment(stalwart) == {"acme.test": "delivered"}
    assert saved["stalwartRefused"] == []


@pytest.mark.parametrize("kind", ["lost", "empty_body", "applied_then_status"])
def test_a_key_that_stays_loaded_does_not_refuse_the_next_owners_mail(
    stalwart: StalwartSimulator,
    mail: StalwartClient,
    make_step: MakeStep,
    saved: Saved,
    unanswered: Callable[[str], AbstractContextManager[Any]],
    kind: str,
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_mail(make_step("stalwart"), mail)
    with unanswered(kind):
        remove_mail(make_step("stalwart"), mail)
    remove_mail(make_step("stalwart"), mail)
    saved.clear()
    ensure_mail(make_step("stalwart", id=OTHER_ID), mail)
    assert mail_treatment(stalwart) == {"acme.test": "delivered"}
