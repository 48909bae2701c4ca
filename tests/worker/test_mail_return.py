"""Check that mail to closed domains is returned to its sender where the rule that refuses it cannot be used."""

from __future__ import annotations

import pytest

from sandbox.simulators.stalwart.callers import ALL_PERMISSIONS
from sandbox.simulators.stalwart.server import StalwartSimulator
from shared.integrations.outcomes import PermanentError, Result
from shared.integrations.ownership_marker import MarkerSigner
from tests.simulators import OTHER_ID, STAMP_KEYS, MakeStep, Saved, mail_treatment
from tests.worker.test_mail import control, objects, sets
from tests.worker.test_mail_refusal import FOREIGN, accepted, account, client, give_own_rule, locked
from worker.integrations.stalwart.client import StalwartClient
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.closed.recipient_rule import NEEDED
from worker.integrations.stalwart.models import HIDDEN
from worker.integrations.stalwart.provision import ensure_mail


@pytest.fixture
def mail(stalwart: StalwartSimulator) -> StalwartClient:
    return client(stalwart)


@pytest.fixture
def by_return(stalwart: StalwartSimulator) -> StalwartClient:
    """Return a client of a server that has its own rule for recipients."""
    give_own_rule(stalwart)
    return client(stalwart)


def narrow(stalwart: StalwartSimulator, *without: str) -> StalwartClient:
    control(stalwart, "add_key", key="API_narrow", permissions=sorted(ALL_PERMISSIONS - set(without)))
    return client(stalwart, token="API_narrow")


@pytest.mark.parametrize("lacking", sorted(NEEDED))
def test_without_a_right_that_the_rule_needs_mail_is_returned(
    stalwart: StalwartSimulator, make_step: MakeStep, lacking: str
) -> None:
    mail = narrow(stalwart, lacking)
    ensure_mail(make_step("stalwart"), mail)
    outcome = close_mail(make_step("stalwart"), mail)
    assert "may not" in outcome.notes["mail_not_refused_because"]
    assert outcome.notes["mail"].startswith("returned")
    assert mail_treatment(stalwart) == {"acme.test": "bounced"}
    ensure_mail(make_step("stalwart"), mail)
    assert mail_treatment(stalwart) == {"acme.test": "delivered"}


def test_a_rule_of_the_server_itself_is_not_changed_and_mail_is_returned(
    stalwart: StalwartSimulator, by_return: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart"), by_return)
    outcome = close_mail(make_step("stalwart"), by_return)
    assert outcome.notes["mail"].startswith("returned")
    assert objects(stalwart, "MtaStageRcpt")[0]["rewrite"] == FOREIGN
    assert objects(stalwart, "MemoryLookupKey") == []


def test_settings_that_cannot_be_reloaded_are_reported_and_mail_is_returned(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep
) -> None:
    control(stalwart, "set_broken_setting", kind="SpamPyzor")
    ensure_mail(make_step("stalwart"), mail)
    outcome = close_mail(make_step("stalwart"), mail)
    assert outcome.notes["mail"].startswith("returned")
    assert "validationFailed because of SpamPyzor" in outcome.notes["mail_not_refused_because"]
    assert mail_treatment(stalwart) == {"acme.test": "bounced"}


def test_a_rule_that_could_not_be_loaded_leaves_no_later_account_open(
    stalwart: StalwartSimulator, mail: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    """Seen: ReloadSettings needs DNS for public.pyzor.org (SpamPyzor)."""
    ensure_mail(make_step("stalwart", domains=("acme.test", "old.test")), mail)
    old = saved["stalwartDomains"][1]["id"]
    control(stalwart, "set_broken_setting", kind="SpamPyzor")
    ensure_mail(make_step("stalwart"), mail)
    late = {"@type": "Group", "name": "late", "domainId": old}
    control(stalwart, "create", kind="Account", given=late)
    assert ensure_mail(make_step("stalwart"), mail).result is Result.OK
    stalwart.mail.deliver("", "late@old.test", 100)
    assert [one["usedDiskQuota"] for one in objects(stalwart, "Account")] == [0] * 3
    control(stalwart, "set_broken_setting", kind=None)
    ensure_mail(make_step("stalwart"), mail)
    assert mail_treatment(stalwart)["old.test"] == "refused"


def test_aliases_of_other_domains_accounts_and_lists_in_a_returning_domain_take_no_mail(
    stalwart: StalwartSimulator, by_return: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), by_return)
    outside = control(stalwart, "create", kind="Domain", given={"name": "outside.test"})["id"]
    inside = saved["stalwartDomainId"]
    aliases = {"0": {"name": "own", "domainId": outside}, "1": {"name": "anna", "domainId": inside}}
    account(stalwart, outside, "anna", aliases=aliases)
    team = {"name": "team", "domainId": outside, "recipients": {"anna@outside.test": True}}
    aliases = {"0": {"name": "team", "domainId": inside}}
    control(stalwart, "create", kind="MailingList", given={**team, "aliases": aliases})
    before = {kind: objects(stalwart, kind) for kind in ("Account", "MailingList")}
    close_mail(make_step("stalwart"), by_return)
    assert not accepted(stalwart, "anna@acme.test")
    assert not accepted(stalwart, "team@acme.test")
    assert all(accepted(stalwart, f"{name}@outside.test") for name in ("anna", "own", "team"))
    stalwart.journal.clear()
    close_mail(make_step("stalwart"), by_return)
    assert sets(stalwart) == []
    ensure_mail(make_step("stalwart"), by_return)
    assert {kind: objects(stalwart, kind) for kind in before} == before


def test_accounts_groups_lists_and_the_catch_all_address_are_closed_and_opened_as_they_were(
    stalwart: StalwartSimulator, by_return: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    ensure_mail(make_step("stalwart"), by_return)
    domain = saved["stalwartDomainId"]
    outside = control(stalwart, "create", kind="Domain", given={"name": "outside.test"})["id"]
    account(stalwart, outside, "friend")
    account(stalwart, domain, "ann")
    muted = {"@type": "Merge", "disabledPermissions": {"emailReceive": True}}
    account(stalwart, domain, "bob", permissions=muted)
    given = {"name": "all", "domainId": domain, "recipients": {"friend@outside.test": True}}
    aliases = {"0": {"name": "everybody", "domainId": domain}}
    control(stalwart, "create", kind="MailingList", given={**given, "aliases": aliases})
    control(stalwart, "update", kind="Domain", id_=domain, patch={"catchAllAddress": "friend@outside.test"})
    before = {kind: objects(stalwart, kind) for kind in ("Account", "MailingList", "Domain")}

    close_mail(make_step("stalwart"), by_return)
    flow = stalwart.mail
    for address in ("ann@acme.test", "all@acme.test", "everybody@acme.test", "nobody@acme.test"):
        flow.deliver("", address, 100)
    assert [one["usedDiskQuota"] for one in objects(stalwart, "Account")] == [0] * 4
    assert locked(stalwart) == ["ann@acme.test", "bob@acme.test"]
    assert objects(stalwart, "MailingList")[0]["name"] == f"all{HIDDEN}"

    assert ensure_mail(make_step("stalwart"), by_return).result is Result.OK
    assert {kind: objects(stalwart, kind) for kind in before} == before
    assert (saved["stalwartReturning"], saved["stalwartLocked"]) == ([], [])


def test_closing_by_return_again_changes_nothing(
    stalwart: StalwartSimulator, by_return: StalwartClient, make_step: MakeStep
) -> None:
    ensure_mail(make_step("stalwart"), by_return)
    close_mail(make_step("stalwart"), by_return)
    stalwart.journal.clear()
    assert close_mail(make_step("stalwart"), by_return).result is Result.OK
    assert sets(stalwart) == []


def test_a_domain_that_fails_while_another_is_opened_is_opened_later_as_it_was(
    stalwart: StalwartSimulator, by_return: StalwartClient, make_step: MakeStep, saved: Saved
) -> None:
    both = ("acme.test", "b.test")
    ensure_mail(make_step("stalwart", domains=both), by_return)
    failing, _ = objects(stalwart, "Domain")
    account(stalwart, failing["id"])
    before = objects(stalwart, "Account")
    close_mail(make_step("stalwart", domains=both), by_return)
    foreign = {"description": MarkerSigner("stalwart", STAMP_KEYS).text(OTHER_ID)}
    control(stalwart, "update", kind="Domain", id_=failing["id"], patch=foreign)
    with pytest.raises(PermanentError, match="taken"):
        ensure_mail(make_step("stalwart", domains=both), by_return)
    assert mail_treatment(stalwart) == {"acme.test": "bounced", "b.test": "delivered"}
    assert locked(stalwart) == ["ann@acme.test"]
    marker = {"description": failing["description"]}
    control(stalwart, "update", kind="Domain", id_=failing["id"], patch=marker)
    assert ensure_mail(make_step("stalwart", domains=both), by_return).result is Result.OK
    assert mail_treatment(stalwart) == dict.fromkeys(both, "delivered")
    assert objects(stalwart, "Account") == before
    assert (saved["stalwartReturning"], saved["stalwartLocked"]) == ([], [])


def test_a_reconcile_reads_accounts_and_lists_of_the_server_once_for_all_removed_domains(
    stalwart: StalwartSimulator, by_return: StalwartClient, make_step: MakeStep
) -> None:
    removed = ("b.test", "c.test", "d.test")
    ensure_mail(make_step("stalwart", domains=("acme.test", *removed)), by_return)
    counts = []
    for domains in (("acme.test", *removed[1:]), ("acme.test",)):
        ensure_mail(make_step("stalwart", domains=domains), by_return)
        stalwart.journal.clear()
        ensure_mail(make_step("stalwart", domains=domains), by_return)
        bodies = [one["body"] for one in stalwart.journal]
        counts.append((sum("x:MailingList/query" in one for one in bodies), sum('y", {}' in one for one in bodies)))
    assert counts[0] == counts[1]
    assert min(counts[0]) > 0


def test_an_account_with_aliases_in_several_returning_domains_takes_no_mail_in_any(
    stalwart: StalwartSimulator, by_return: StalwartClient, make_step: MakeStep
) -> None:
    both = ("acme.test", "b.test")
    ensure_mail(make_step("stalwart", domains=both), by_return)
    first, second = (one["id"] for one in objects(stalwart, "Domain"))
    outside = control(stalwart, "create", kind="Domain", given={"name": "outside.test"})["id"]
    aliases = {str(number): {"name": "anna", "domainId": id_} for number, id_ in enumerate((first, second))}
    account(stalwart, outside, "anna", aliases=aliases)
    team = {"name": "team", "domainId": first, "recipients": {"anna@outside.test": True}}
    aliases = {"0": {"name": "all", "domainId": first}, "1": {"name": "all", "domainId": second}}
    control(stalwart, "create", kind="MailingList", given={**team, "aliases": aliases})
    before = {kind: objects(stalwart, kind) for kind in ("Account", "MailingList")}
    close_mail(make_step("stalwart", domains=both), by_return)
    names = ("anna@acme.test", "anna@b.test", "team@acme.test", "all@acme.test", "all@b.test")
    assert not any(accepted(stalwart, name) for name in names)
    ensure_mail(make_step("stalwart", domains=both), by_return)
    assert {kind: objects(stalwart, kind) for kind in before} == before


@pytest.mark.parametrize(("own", "other"), [("acme.test", "old.test"), ("old.test", "acme.test")])
def test_a_list_with_addresses_in_an_opened_and_in_a_closed_domain_takes_no_mail_for_the_closed_one(
    stalwart: StalwartSimulator, by_return: StalwartClient, make_step: MakeStep, own: str, other: str
) -> None:
    both = ("acme.test", "old.test")
    ensure_mail(make_step("stalwart", domains=both), by_return)
    ids = {one["name"]: one["id"] for one in objects(stalwart, "Domain")}
    aliases = {"0": {"name": "all", "domainId": ids[other]}}
    given = {"name": "team", "domainId": ids[own], "recipients": {"friend@elsewhere.test": True}, "aliases": aliases}
    control(stalwart, "create", kind="MailingList", given=given)
    before = objects(stalwart, "MailingList")
    ensure_mail(make_step("stalwart"), by_return)
    close_mail(make_step("stalwart"), by_return)
    ensure_mail(make_step("stalwart"), by_return)
    # a list of a closed domain takes no mail at all, as it goes on expanding to people outside
    taken = [name for name in ("team@acme.test", "all@acme.test", "all@old.test") if accepted(stalwart, name)]
    assert taken == (["team@acme.test"] if own == "acme.test" else [])
    stalwart.journal.clear()
    ensure_mail(make_step("stalwart"), by_return)
    assert sets(stalwart) == []
    ensure_mail(make_step("stalwart", domains=both), by_return)
    assert objects(stalwart, "MailingList") == before
