"""Check that what cannot be opened again stays on record, is named, and keeps nothing else closed."""

from __future__ import annotations

import pytest

from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.integrations.outcomes import PermanentError, Result, TemporaryError
from tests.simulators import MakeStep, Saved, mail_treatment
from tests.worker.test_mail import control, objects
from tests.worker.test_mail_refusal import (
    accepted,
    account,
    client,
    close_with_former_name,
    give_own_rule,
    locked,
    probe_of,
)
from tests.worker.test_mail_return import narrow
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.closed.smtp_probe import SmtpProbe
from worker.integrations.stalwart.domain_faults import named_change
from worker.integrations.stalwart.protocol.answers import ReferenceRefused
from worker.integrations.stalwart.provision import ensure_mail
from worker.integrations.stalwart.removal import remove_mail


@pytest.fixture
def mail(stalwart: StalwartSimulator) -> StalwartClient:
    return client(stalwart)


# -- permissions that were taken while the mail was refused

READING = ("sysMemoryLookupKeyGet", "sysMemoryLookupKeyQuery")


def test_a_resume_without_the_right_to_read_keys_fails_and_keeps_the_names_on_record(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    account(stalwart, saved["stalwartDomainId"])
    close_mail(make_step("stalwart"), mail)
    with pytest.raises(PermanentError, match=r"missing_permission: Mail to acme\.test .*sysMemoryLookupKeyQuery"):
        ensure_mail(make_step("stalwart"), narrow(stalwart, *READING))
    assert saved["stalwartRefused"] == ["acme.test"]
    assert (mail_treatment(stalwart), locked(stalwart)) == ({"acme.test": "refused"}, [])
    assert ensure_mail(make_step("stalwart"), mail).result is Result.OK
    assert (mail_treatment(stalwart), saved["stalwartRefused"]) == ({"acme.test": "delivered"}, [])


def test_a_resume_notices_at_once_that_the_account_has_the_right_again(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_mail(make_step("stalwart"), mail)
    narrowed = narrow(stalwart, *READING)
    with pytest.raises(PermanentError, match="missing_permission"):
        ensure_mail(make_step("stalwart"), narrowed)
    narrow(stalwart)
    assert ensure_mail(make_step("stalwart"), narrowed).result is Result.OK
    assert mail_treatment(stalwart) == {"acme.test": "delivered"}


def test_the_key_of_a_former_name_stays_on_record_without_the_right_to_read_keys(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_with_former_name(stalwart, mail, make_step("stalwart"), saved["stalwartDomainId"], "acme-group.test")
    for _ in range(2):
        with pytest.raises(PermanentError, match="missing_permission"):
            ensure_mail(make_step("stalwart"), narrow(stalwart, *READING))
    assert saved["stalwartRefused"] == ["acme-group.test", "acme.test"]


def test_a_purge_without_the_right_to_read_keys_removes_nothing(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_mail(make_step("stalwart"), mail)
    with pytest.raises(PermanentError, match="missing_permission"):
        remove_mail(make_step("stalwart"), narrow(stalwart, *READING))
    assert len(objects(stalwart, "Domain")) == 1
    assert remove_mail(make_step("stalwart"), mail).result is Result.OK
    assert objects(stalwart, "MemoryLookupKey") == []


# -- addresses that something else has now


@pytest.fixture
def returning(stalwart: StalwartSimulator) -> StalwartClient:
    """Return a client of a server that returns mail, as it has its own rule for recipients."""
    give_own_rule(stalwart)
    return client(stalwart)


def test_a_list_whose_address_was_given_away_keeps_no_account_and_no_other_address_closed(
    stalwart: StalwartSimulator, returning: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    both = ("acme.test", "b.test")
    ensure_mail(make_step("stalwart", domains=both), returning)
    first, second = (one["id"] for one in objects(stalwart, "Domain"))
    for domain in (first, second):
        account(stalwart, domain)
    for name in ("sales", "team"):
        given = {"name": name, "domainId": first, "recipients": {"ann@acme.test": True}}
        control(stalwart, "create", kind="MailingList", given=given)
    close_mail(make_step("stalwart", domains=both), returning)
    thief = account(stalwart, first, "sales")
    told = rf"taken: Could not let mail reach the mailing list sales@acme\.test .*Account {thief} \(sales@acme\.test\)"
    for _ in range(2):
        with pytest.raises(PermanentError, match=told):
            ensure_mail(make_step("stalwart", domains=both), returning)
        assert (locked(stalwart), saved["stalwartLocked"]) == ([], [])
        assert mail_treatment(stalwart) == dict.fromkeys(both, "delivered")
        assert accepted(stalwart, "team@acme.test")
    control(stalwart, "update", kind="Account", id_=thief, patch={"name": "sales2"})
    assert ensure_mail(make_step("stalwart", domains=both), returning).result is Result.OK
    assert sorted(one["name"] for one in objects(stalwart, "MailingList")) == ["sales", "team"]
    assert saved["stalwartReturning"] == []


def test_an_alias_that_was_given_away_is_named_with_its_holder(
    stalwart: StalwartSimulator, returning: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), returning)
    outside = control(stalwart, "create", kind="Domain", given={"name": "outside.test"})["id"]
    aliases = {"0": {"name": "info", "domainId": saved["stalwartDomainId"]}}
    account(stalwart, outside, "anna", aliases=aliases)
    close_mail(make_step("stalwart"), returning)
    account(stalwart, saved["stalwartDomainId"], "info")
    with pytest.raises(PermanentError, match=r"aliases info@acme\.test of anna@outside\.test .*\(info@acme\.test\)"):
        ensure_mail(make_step("stalwart"), returning)
    assert mail_treatment(stalwart)["acme.test"] == "delivered"


def test_a_refused_reload_of_the_keys_keeps_no_account_locked(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    account(stalwart, saved["stalwartDomainId"])
    close_mail(make_step("stalwart"), mail)
    with pytest.raises(PermanentError, match=r"missing_permission: .*acme\.test"):
        ensure_mail(make_step("stalwart"), narrow(stalwart, "actionReloadLookupStores"))
    assert (locked(stalwart), saved["stalwartRefused"]) == ([], ["acme.test"])


# -- domains that left and cannot be closed


def test_a_domain_that_left_and_cannot_be_closed_stops_no_other_and_is_named(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart", domains=("acme.test", "old.test")), mail)
    old = saved["stalwartDomains"][1]
    account(stalwart, old["id"])
    told = r"missing_permission: Could not keep ann@old\.test from signing in and receiving mail\. .*imapAuthenticate"
    for _ in range(2):
        with pytest.raises(PermanentError, match=told):
            ensure_mail(make_step("stalwart", domains=("acme.test", "new.test")), narrow(stalwart, "imapAuthenticate"))
        assert mail_treatment(stalwart) == {"acme.test": "delivered", "new.test": "delivered", "old.test": "refused"}
        assert {one["domain"] for one in saved["dnsRecords"]} == {"acme.test", "new.test"}
        assert old in saved["stalwartDomains"]
    with pytest.raises(PermanentError, match=told):
        ensure_mail(make_step("stalwart", domains=()), narrow(stalwart, "imapAuthenticate"))
    assert ensure_mail(make_step("stalwart", domains=("acme.test", "new.test")), mail).result is Result.OK
    assert (locked(stalwart), saved["stalwartClosedDomains"]) == (["ann@old.test"], [old])


def test_an_smtp_server_that_is_down_while_a_domain_is_removed_stops_no_other_domain(
    stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved
) -> None:
    absent = client(stalwart, probe=SmtpProbe("127.0.0.1", 1, False))
    ensure_mail(make_step("stalwart", domains=("acme.test", "old.test")), absent)
    for _ in range(2):
        with pytest.raises(TemporaryError, match="could not be asked"):
            ensure_mail(make_step("stalwart", domains=("acme.test", "new.test")), absent)
        assert mail_treatment(stalwart) == {"acme.test": "delivered", "new.test": "delivered", "old.test": "refused"}
    ensure_mail(make_step("stalwart", domains=("acme.test", "new.test")), client(stalwart, probe=probe_of(stalwart)))
    assert [one["domain"] for one in saved["stalwartClosedDomains"]] == ["old.test"]


def test_a_suspension_that_may_lock_nobody_says_which_permission_is_missing(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    account(stalwart, saved["stalwartDomainId"])
    with pytest.raises(PermanentError, match=r"missing_permission: .*ann@acme\.test .*imapAuthenticate"):
        close_mail(make_step("stalwart"), narrow(stalwart, "imapAuthenticate"))
    assert mail_treatment(stalwart) == {"acme.test": "refused"}


# -- what a person moved or made meanwhile


def test_the_key_of_a_name_that_moved_to_a_domain_outside_the_platform_is_removed_and_reported(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_with_former_name(stalwart, mail, make_step("stalwart"), saved["stalwartDomainId"], "acme-group.test")
    outside = control(stalwart, "create", kind="Domain", given={"name": "acme-group.test"})["id"]
    account(stalwart, outside, "postmaster")
    assert mail_treatment(stalwart)["acme-group.test"] == "refused"
    assert "acme-group.test" in ensure_mail(make_step("stalwart"), mail).notes["former_names"]
    assert mail_treatment(stalwart) == {"acme.test": "delivered", "acme-group.test": "delivered"}
    assert (saved["stalwartRefused"], objects(stalwart, "MemoryLookupKey")) == ([], [])
    assert ensure_mail(make_step("stalwart"), mail).notes == {}


def test_the_key_of_a_name_that_another_tenant_has_now_stays_and_is_forgotten(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    close_with_former_name(stalwart, mail, make_step("stalwart"), saved["stalwartDomainId"], "beta.test")
    other = control(stalwart, "create", kind="Domain", given={"name": "beta.test"})["id"]
    account(stalwart, other, "postmaster")
    ensure_mail(make_step("stalwart", elsewhere=[other]), mail)
    assert mail_treatment(stalwart) == {"acme.test": "delivered", "beta.test": "refused"}
    assert saved["stalwartRefused"] == []


def test_a_purge_removes_the_keys_of_former_names_too(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    domain = {"kind": "Domain", "id_": saved["stalwartDomainId"]}
    close_mail(make_step("stalwart"), mail)
    control(stalwart, "update", **domain, patch={"name": "renamed.test"})
    assert remove_mail(make_step("stalwart"), mail).result is Result.OK
    assert (objects(stalwart, "MemoryLookupKey"), saved["stalwartRefused"]) == ([], [])


@pytest.mark.parametrize("is_taken", [False, True], ids=["outside", "of-another-tenant"])
def test_an_account_that_was_moved_while_it_was_locked_is_unlocked_or_named(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved, is_taken: bool
) -> None:
    ensure_mail(make_step("stalwart"), mail)
    ann = account(stalwart, saved["stalwartDomainId"])
    close_mail(make_step("stalwart"), mail)
    outside = control(stalwart, "create", kind="Domain", given={"name": "outside.test"})["id"]
    control(stalwart, "update", kind="Account", id_=ann, patch={"domainId": outside})
    notes = ensure_mail(make_step("stalwart", elsewhere=[outside] if is_taken else []), mail).notes
    if is_taken:
        assert "ann@outside.test" in notes["moved_accounts"]
    assert locked(stalwart) == (["ann@outside.test"] if is_taken else [])
    assert (saved["stalwartLocked"], saved["stalwartReturning"]) == ([], [])


@pytest.mark.parametrize("is_returned", [False, True], ids=["refused", "returned"])
def test_a_domain_that_a_person_made_with_the_tenants_marker_closes_and_opens_with_the_tenant(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved, is_returned: bool
) -> None:
    if is_returned:
        give_own_rule(stalwart)
    ensure_mail(make_step("stalwart"), mail)
    described = {"name": "copy.test", "description": objects(stalwart, "Domain")[0]["description"]}
    copied = control(stalwart, "create", kind="Domain", given=described)["id"]
    account(stalwart, copied)
    account(stalwart, copied, "postmaster")
    given = {"name": "all", "domainId": copied, "recipients": {"ann@copy.test": True}}
    control(stalwart, "create", kind="MailingList", given=given)
    before = {kind: objects(stalwart, kind) for kind in ("Account", "MailingList")}
    close_mail(make_step("stalwart"), mail)
    assert mail_treatment(stalwart)["copy.test"] == ("bounced" if is_returned else "refused")
    assert locked(stalwart) == ["ann@copy.test", "postmaster@copy.test"]
    assert ensure_mail(make_step("stalwart"), mail).result is Result.OK
    assert mail_treatment(stalwart) == {"acme.test": "delivered", "copy.test": "delivered"}
    assert {kind: objects(stalwart, kind) for kind in before} == before
    assert not saved.get("stalwartClosedDomains")
    assert (saved["stalwartLocked"], saved["stalwartReturning"]) == ([], [])


# -- references that the server refuses


@pytest.mark.parametrize("refusals", [1, 2])
def test_a_change_is_repeated_once_after_a_refused_reference(
    mail: StalwartClient, make_step: MakeStep, refusals: int
) -> None:
    attempts: list[int] = []

    def act() -> None:
        attempts.append(len(attempts))
        if len(attempts) <= refusals:
            raise ReferenceRefused("Account", "g")

    step = make_step("stalwart")
    if refusals == 1:
        named_change(step, mail, "keep ann@acme.test from signing in", act)
        assert step.changes == ["keep ann@acme.test from signing in"]
    else:
        with pytest.raises(PermanentError, match=r"invalid: Could not keep ann@acme\.test .*Account g"):
            named_change(step, mail, "keep ann@acme.test from signing in", act)
    assert len(attempts) == 2
