"""Test the owner's account: created once and only if it could sign in, invited as asked, never deleted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from sandbox.simulators.authentik.records import User
from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.integrations.outcomes import Outcome, PermanentError, Result, TemporaryError
from shared.tenants.model import Owner, Status
from tests.simulators import API_TOKEN, TENANT_ID, MakeStep, Saved, fault, writes
from worker.http.json_client import BearerToken, JsonClient
from worker.integrations.authentik.client import AuthentikClient
from worker.integrations.authentik.group import ensure_group, remove_group
from worker.integrations.authentik.membership import ensure_access

OLGA = Owner("Olga@Acme.test", "Olga")
THREE_DAYS = 3 * 86400


@pytest.fixture
def identity(authentik: AuthentikSimulator, make_step: MakeStep) -> Iterator[AuthentikClient]:
    api = JsonClient(authentik.url, authorize=BearerToken(API_TOKEN), call_seconds=1.0)
    identity = AuthentikClient(api)
    ensure_group(make_step("authentik"), identity)
    yield identity
    api.close()


@pytest.fixture
def stage(authentik: AuthentikSimulator) -> str:
    """The e-mail stage of a brand that can invite."""
    authentik.state.invitations.set_recovery_flow()
    return authentik.state.invitations.add_email_stage()


@pytest.fixture
def give(identity: AuthentikClient, make_step: MakeStep) -> Callable[..., Outcome]:
    """Run the access step for a tenant with this owner."""

    def run(owner: Owner = OLGA, *, status: Status = Status.PENDING, **given: Any) -> Outcome:
        return ensure_access(replace(make_step("authentik", owner=owner, status=status), **given), identity)

    return run


Give = Callable[..., Outcome]


def person(authentik: AuthentikSimulator, username: str = OLGA.email) -> User:
    return authentik.directory.users_by_name[username]


def members(authentik: AuthentikSimulator) -> set[str]:
    group = authentik.directory.groups_by_name["tenant-acme"]
    return {authentik.directory.users[pk].username for pk in group.users}


def mails(authentik: AuthentikSimulator) -> int:
    return len(authentik.state.invitations.mails)


def test_the_owner_gets_an_account_with_our_marker_and_membership(
    authentik: AuthentikSimulator, give: Give, saved: Saved
) -> None:
    assert give().result is Result.OK
    assert person(authentik).attributes["dezky"]["ownerOf"] == TENANT_ID
    assert members(authentik) == {OLGA.email}
    assert saved["ownerSubject"] == person(authentik).uid
    authentik.journal.clear()
    give()
    assert writes(authentik) == []


@pytest.mark.parametrize(
    "twin",
    [
        {"username": "olga@acme.test"},
        {"username": "OLGA@ACME.TEST"},
        {"username": "olga", "email": "olga@acme.test"},
        {"username": "olga", "email": "OLGA@acme.TEST", "is_active": False},
    ],
)
def test_an_existing_account_of_the_address_gets_no_access_and_no_duplicate(
    authentik: AuthentikSimulator, give: Give, twin: dict[str, Any]
) -> None:
    authentik.directory.add_user({"username": "prefix-olga@acme.test"})
    authentik.directory.add_user(twin)
    authentik.journal.clear()
    outcome = give()
    assert (outcome.result, outcome.reason) == (Result.SKIPPED, "owner_has_account")
    assert writes(authentik) == []
    assert members(authentik) == set()


def test_addresses_that_only_contain_the_owners_are_other_people(authentik: AuthentikSimulator, give: Give) -> None:
    for number in range(130):
        authentik.directory.add_user({"username": f"{number}olga@acme.test", "email": f"x{number}-olga@acme.test"})
    assert give().result is Result.OK
    assert members(authentik) == {OLGA.email}


@pytest.mark.parametrize("status", [Status.PENDING, Status.ACTIVE])
def test_an_older_account_that_appears_later_blocks_the_sign_in_of_ours(
    authentik: AuthentikSimulator, give: Give, status: Status
) -> None:
    older = authentik.directory.add_user({"username": "olga"})
    give()
    older.email = OLGA.email
    assert give(status=status).reason == "owner_has_account"


@pytest.mark.parametrize(
    "rule",
    [{"kind": "lost"}, {"kind": "applied_then_status", "status": 405, "body": ""}, {"kind": "empty_body"}],
    ids=lambda rule: rule["kind"],
)
def test_an_account_whose_response_was_lost_is_found_and_not_created_twice(
    authentik: AuthentikSimulator, give: Give, rule: dict[str, Any]
) -> None:
    fault(authentik, method="POST", path="/core/users/$", count=1, **rule)
    assert give().result is Result.OK
    assert members(authentik) == {OLGA.email}


def test_an_account_that_takes_the_address_at_the_same_moment_gets_no_access(
    authentik: AuthentikSimulator, give: Give
) -> None:
    fault(authentik, kind="race_lost", path="/core/users/", count=1)
    assert give().reason == "owner_has_account"
    assert members(authentik) == set()


@pytest.mark.parametrize("email", [f"{'o' * 64}@{'a' * 60}.{'b' * 60}.test", "\u00f6lga@acme.test"])
def test_an_address_that_authentik_refuses_ends_the_step(give: Give, email: str) -> None:
    with pytest.raises(PermanentError, match="invalid"):
        give(Owner(email, "Olga"))


def test_an_invitation_is_sent_once_and_expires_after_the_configured_time(
    authentik: AuthentikSimulator, give: Give, stage: str
) -> None:
    for _ in range(2):
        give(email_stage=stage)
    assert mails(authentik) == 1
    [token] = authentik.state.invitations.recovery.values()
    left = (token.expires - authentik.state.clock.now()).total_seconds()
    assert THREE_DAYS - 60 < left <= THREE_DAYS
    give(replace(OLGA, invitations=2), email_stage=stage, invitation_duration="hours=1")
    [token] = authentik.state.invitations.recovery.values()
    assert (token.expires - authentik.state.clock.now()).total_seconds() <= 3600


def test_a_repeated_request_for_an_invitation_sends_it_once_more(
    authentik: AuthentikSimulator, give: Give, stage: str
) -> None:
    give(email_stage=stage)
    again = replace(OLGA, invitations=2)
    assert [give(again, email_stage=stage).notes["invitation"] for _ in range(2)] == ["sent", "sent before"]
    assert mails(authentik) == 2


def test_an_account_that_was_invited_before_invitations_were_counted_is_not_invited_again(
    authentik: AuthentikSimulator, give: Give, stage: str
) -> None:
    give()
    person(authentik).attributes = {"dezky": {"ownerOf": TENANT_ID, "invited": True}, "theirs": 1}
    assert give(email_stage=stage).notes["invitation"] == "sent before"
    give(replace(OLGA, invitations=2), email_stage=stage)
    assert mails(authentik) == 1
    assert person(authentik).attributes["theirs"] == 1


def test_without_a_recovery_flow_the_step_reports_that_nothing_was_sent(
    authentik: AuthentikSimulator, give: Give, stage: str
) -> None:
    authentik.state.invitations.set_recovery_flow(None)
    assert give(email_stage=stage).notes["invitation"].startswith("not sent")
    authentik.state.invitations.set_recovery_flow()
    assert give(email_stage=stage).notes["invitation"] == "sent"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ({"non_field_errors": "No recovery flow set."}, "no recovery flow"),
        ({"non_field_errors": "Email stage not found."}, "no such e-mail stage"),
        ({"non_field_errors": "User does not have an email address set."}, "no e-mail address"),
        ({"email_stage": ["Must be a valid UUID."]}, "the email_stage."),
        ({"token_duration": ["x"], "email_stage": ["x"]}, "the email_stage and the token_duration."),
        ({"secret": "s3cret"}, "the request"),
        (["s3cret"], "the request"),
    ],
)
def test_the_step_tells_why_no_invitation_was_sent_in_our_own_words(
    authentik: AuthentikSimulator, give: Give, stage: str, said: Any, cause: str
) -> None:
    body = json.dumps(said)
    fault(authentik, kind="status", status=400, body=body, content_type="application/json", path="recovery_email")
    note = give(email_stage=stage).notes["invitation"]
    assert note.startswith("not sent: ")
    assert cause in note
    assert "s3cret" not in note


def test_an_owner_who_is_replaced_leaves_the_group_and_keeps_the_account(
    authentik: AuthentikSimulator, give: Give
) -> None:
    give(Owner("wrong@acme.test", "Wrong"))
    person(authentik, "wrong@acme.test").attributes["theirs"] = 1
    give()
    assert members(authentik) == {OLGA.email}
    assert person(authentik, "wrong@acme.test").attributes == {"theirs": 1}


@pytest.mark.parametrize("successor", [{}, {"username": "olga@acme.test"}], ids=["free", "given-to-another"])
def test_an_owner_who_gets_another_name_in_authentik_stays_the_owner(
    authentik: AuthentikSimulator, give: Give, saved: Saved, successor: dict[str, str]
) -> None:
    give()
    subject, new = saved["ownerSubject"], "olga.new@acme.test"
    authentik.directory.change_user(person(authentik), {"username": new, "email": new}, whole=False)
    if successor:
        authentik.directory.add_user(successor)
    authentik.journal.clear()
    outcome = give(status=Status.ACTIVE)
    assert outcome.result is Result.OK
    assert (saved["ownerSubject"], members(authentik)) == (subject, {new})
    assert writes(authentik) == []


def test_a_purge_keeps_the_owners_account_without_our_marker_and_names_it(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, give: Give
) -> None:
    give()
    person(authentik).attributes["theirs"] = 1
    context = make_step("authentik", owner=OLGA)
    outcome = remove_group(context, identity)
    assert OLGA.email in outcome.notes["accounts"]
    assert any(OLGA.email in one and "stays" in one for one in context.changes)
    assert person(authentik).attributes == {"theirs": 1}
    assert "tenant-acme" not in authentik.directory.groups_by_name
    assert not any(entry["method"] == "DELETE" and "/users/" in entry["path"] for entry in authentik.journal)


def test_an_interrupted_purge_continues_with_the_accounts(
    authentik: AuthentikSimulator, identity: AuthentikClient, make_step: MakeStep, give: Give
) -> None:
    give()
    fault(authentik, kind="status", status=500, method="PATCH", path="/users/", count=1)
    with pytest.raises(TemporaryError):
        remove_group(make_step("authentik"), identity)
    assert OLGA.email in remove_group(make_step("authentik"), identity).notes["accounts"]
    assert "dezky" not in person(authentik).attributes


def test_an_owner_with_the_address_of_our_own_account_gets_no_access(authentik: AuthentikSimulator, give: Give) -> None:
    person(authentik, "akadmin").email = "akadmin@acme.test"
    assert give(Owner("AKADMIN@acme.test", "Admin")).reason == "owner_has_account"
    assert members(authentik) == set()
