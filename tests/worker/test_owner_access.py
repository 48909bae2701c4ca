"""Test who decides about an owner's access: the platform until the tenant is active, then an administrator."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from sandbox.simulators.authentik.records import User
from sandbox.simulators.authentik.server import AuthentikSimulator
from shared.accounts.user import Role
from shared.accounts.user import User as UserRecord
from shared.application.migrations import MIGRATIONS
from shared.operations.model import Mode, Operation
from shared.rights.policy import Caller
from shared.tenants.model import NewTenant, Owner, TenantPatch
from tests.platform_fixture import PlatformFixture
from tests.records import EVERY_SURFACE
from tests.simulators import PERMISSIONS, fault

OLGA = "olga@acme.test"
NEW = NewTenant("acme", "Acme GmbH", "starter", ("acme.test",), owner=Owner(OLGA, "Olga"))


@pytest.fixture
def platform(make_platform: Callable[..., PlatformFixture], authentik: AuthentikSimulator) -> PlatformFixture:
    """Workers with an Authentik that can send invitations."""
    authentik.state.invitations.set_recovery_flow()
    return make_platform(authentik_email_stage=authentik.state.invitations.add_email_stage())


def provision(platform: PlatformFixture) -> User:
    """Create an active tenant; return the account of its owner."""
    assert platform.finish(platform.services.tenants.create(NEW, platform.admin)).status == "succeeded"
    return platform.authentik.directory.users_by_name[OLGA]


def reconcile(platform: PlatformFixture, mode: Mode = Mode.APPLY) -> Operation:
    return platform.finish(platform.services.tenants.reconcile("acme", platform.admin, mode))


def invite(platform: PlatformFixture) -> Operation:
    return platform.finish(platform.services.tenants.invite_owner("acme", platform.admin))


def members(platform: PlatformFixture) -> set[str]:
    directory = platform.authentik.directory
    return {directory.users[pk].username for pk in directory.groups_by_name["tenant-acme"].users}


def mails(platform: PlatformFixture) -> list[str]:
    return [mail.to for mail in platform.authentik.state.invitations.mails]


def record(platform: PlatformFixture) -> UserRecord | None:
    return platform.store.users.find_by_subject(platform.tenant("acme").remote["ownerSubject"])


def role(platform: PlatformFixture) -> Role | None:
    found = record(platform)
    return found.role_in(platform.tenant("acme").id) if found else None


def leave(platform: PlatformFixture, person: User) -> None:
    """Do what an administrator does when the owner has left."""
    platform.authentik.directory.groups_by_name["tenant-acme"].users.discard(person.pk)
    found = record(platform)
    assert found is not None
    platform.services.users.delete(found.id, platform.admin, None)


@pytest.mark.parametrize("mode", [Mode.APPLY, Mode.DRY_RUN])
def test_an_owner_whose_username_and_address_change_keeps_access(platform: PlatformFixture, mode: Mode) -> None:
    person = provision(platform)
    changed = {"username": "olga.meier@acme.test", "email": "olga.meier@acme.test"}
    platform.authentik.directory.change_user(person, changed, whole=False)
    users = set(platform.authentik.directory.users_by_name)
    ended = reconcile(platform, mode)
    access = ended.step("access")
    assert (ended.status, access.changes, access.notes) == ("succeeded", (), {})
    assert members(platform) == {"olga.meier@acme.test"}
    assert set(platform.authentik.directory.users_by_name) == users
    assert mails(platform) == [OLGA]
    assert invite(platform).step("access").notes["invitation"] == "sent"
    assert mails(platform) == [OLGA, "olga.meier@acme.test"]


def test_an_owner_is_found_by_number_without_the_marker_and_by_the_marker_without_number(
    platform: PlatformFixture,
) -> None:
    person = provision(platform)
    directory = platform.authentik.directory
    platform.rows["tenants"].update_one({"slug": "acme"}, {"$unset": {"ownerAccountId": ""}})
    directory.change_user(person, {"username": "olga.meier@acme.test", "email": ""}, whole=False)
    assert reconcile(platform).step("access").notes == {}
    person.email = "olga.meier@acme.test"
    invite(platform)
    person.attributes = {"theirs": 1}
    assert reconcile(platform).step("access").notes == {}
    ended = invite(platform)
    assert any("marker back into the account" in one for one in ended.step("access").changes)
    assert person.attributes["theirs"] == 1
    assert members(platform) == {"olga.meier@acme.test"}


def test_an_owner_who_is_renamed_while_the_tenant_is_pending_is_no_former_owner(platform: PlatformFixture) -> None:
    fault(platform.authentik, kind="status", status=400, path="add_user", count=1)
    assert platform.finish(platform.services.tenants.create(NEW, platform.admin)).status == "failed"
    directory = platform.authentik.directory
    directory.change_user(
        directory.users_by_name[OLGA], {"username": "olga.meier", "email": "meier@acme.test"}, whole=False
    )
    assert reconcile(platform).status == "succeeded"
    assert members(platform) == {"olga.meier"}
    assert mails(platform) == ["meier@acme.test"]


def test_an_owner_who_was_taken_out_gets_no_access_from_a_reconcile(platform: PlatformFixture) -> None:
    person = provision(platform)
    leave(platform, person)
    ended = reconcile(platform)
    assert ended.status == "succeeded"
    assert "not in the tenant's group" in ended.step("access").notes["owner"]
    assert (members(platform), record(platform), mails(platform)) == (set(), None, [OLGA])


def test_a_deleted_account_of_an_owner_is_not_created_again_by_a_reconcile(platform: PlatformFixture) -> None:
    platform.authentik.directory.delete_user(provision(platform))
    assert "does not exist any more" in reconcile(platform).step("access").notes["owner"]
    assert members(platform) == set()
    assert mails(platform) == [OLGA]


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_requested_invitation_gives_the_owner_access_again_once(platform: PlatformFixture, is_deleted: bool) -> None:
    person = provision(platform)
    leave(platform, person)
    if is_deleted:
        platform.authentik.directory.delete_user(person)
    assert invite(platform).step("access").notes["invitation"] == "sent"
    assert (members(platform), role(platform), len(mails(platform))) == ({OLGA}, Role.OWNER, 2)
    leave(platform, platform.authentik.directory.users_by_name[OLGA])
    reconcile(platform)
    assert (members(platform), record(platform), len(mails(platform))) == (set(), None, 2)


def test_an_invitation_that_could_not_be_mailed_gives_no_access_later(
    make_platform: Callable[..., PlatformFixture], authentik: AuthentikSimulator
) -> None:
    platform = make_platform()
    leave(platform, provision(platform))
    authentik.state.invitations.set_recovery_flow()
    later = make_platform(authentik_email_stage=authentik.state.invitations.add_email_stage())
    reconcile(later)
    assert (members(later), mails(later)) == (set(), [])


def test_a_role_that_an_administrator_took_from_the_owner_stays_so(platform: PlatformFixture) -> None:
    provision(platform)
    found, tenant = record(platform), platform.tenant("acme")
    assert found is not None
    platform.services.users.change(found.id, {"roles": {tenant.id: Role.MEMBER}}, platform.admin, None)
    for repeat in (reconcile, invite):
        assert repeat(platform).status == "succeeded"
        assert role(platform) is Role.MEMBER


def test_an_owner_who_signs_in_before_the_tenant_is_active_becomes_its_owner(
    platform: PlatformFixture, authentik: AuthentikSimulator
) -> None:
    authentik.limit_token(sorted(PERMISSIONS - {"reset_user_password"}))
    assert platform.finish(platform.services.tenants.create(NEW, platform.admin)).status == "failed"
    subject = platform.tenant("acme").remote["ownerSubject"]
    caller = Caller(subject, OLGA, "Olga", ("tenant-acme",), EVERY_SURFACE, time.time())
    assert set(platform.services.sign_in.record(caller, "request").roles.values()) == {Role.MEMBER}
    authentik.limit_token(sorted(PERMISSIONS))
    ended = reconcile(platform)
    assert (ended.action, ended.status) == ("reconcile", "succeeded")
    assert role(platform) is Role.OWNER


def test_an_account_that_may_not_change_users_mails_an_invitation_once(
    platform: PlatformFixture, authentik: AuthentikSimulator
) -> None:
    authentik.limit_token(sorted(PERMISSIONS - {"change_user"}))
    provision(platform)
    reconcile(platform)
    assert mails(platform) == [OLGA]


def test_an_owner_who_was_never_given_access_gets_it_with_the_resume(platform: PlatformFixture) -> None:
    fault(platform.authentik, kind="status", status=400, path="/core/users/", method="POST")
    assert platform.finish(platform.services.tenants.create(NEW, platform.admin)).status == "failed"
    platform.authentik.faults.clear()
    suspended = platform.finish(platform.services.lifecycle.suspend("acme", "unpaid", platform.admin))
    assert suspended.status == "succeeded"
    assert platform.finish(platform.services.lifecycle.resume("acme", platform.admin)).status == "succeeded"
    assert (members(platform), role(platform), mails(platform)) == ({OLGA}, Role.OWNER, [OLGA])


def test_the_setting_names_a_tenants_group_in_authentik_and_in_tokens(
    make_platform: Callable[..., PlatformFixture],
) -> None:
    platform = make_platform(oidc_tenant_group_prefix="org-")
    assert platform.finish(platform.services.tenants.create(NEW, platform.admin)).status == "succeeded"
    assert [name for name in platform.authentik.directory.groups_by_name if "acme" in name] == ["org-acme"]
    found = []
    for subject, group in (("own", "org-acme"), ("foreign", "tenant-acme")):
        caller = Caller(subject, f"{subject}@acme.test", "A", (group,), EVERY_SURFACE, time.time())
        found.append(platform.services.sign_in.record(caller, "request").tenant_ids)
    assert found == [(platform.tenant("acme").id,), ()]


def test_a_resumed_owner_is_no_deviation(platform: PlatformFixture) -> None:
    provision(platform)
    platform.finish(platform.services.lifecycle.suspend("acme", "unpaid", platform.admin))
    assert members(platform) == set()
    ended = platform.finish(platform.services.lifecycle.resume("acme", platform.admin))
    assert ended.step("access").notes == {}
    assert members(platform) == {OLGA}


def test_a_record_that_an_older_workers_resume_left_adds_nobody_after_the_next_suspension(
    platform: PlatformFixture,
) -> None:
    person = provision(platform)
    directory = platform.authentik.directory
    former = directory.add_user({"username": "former"})
    left = {"removedMembers": {"heldMembers": [former.pk]}}
    platform.rows["tenants"].update_one({"slug": "acme"}, {"$set": left})
    platform.finish(platform.services.lifecycle.suspend("acme", "unpaid", platform.admin))
    assert platform.tenant("acme").remote["removedMembers"] == {"heldMembers": [person.pk]}
    # a record of this suspension stays when the closed tenant is deleted
    platform.finish(platform.services.lifecycle.delete("acme", platform.admin))
    assert platform.tenant("acme").remote["removedMembers"] == {"heldMembers": [person.pk]}
    platform.finish(platform.services.lifecycle.restore("acme", platform.admin))
    assert members(platform) == {OLGA}


def test_a_dry_run_shows_the_owners_account_membership_and_mail_though_there_is_no_group(
    platform: PlatformFixture,
) -> None:
    fault(platform.authentik, kind="status", status=400, path="/core/groups/", method="POST")
    assert platform.finish(platform.services.tenants.create(NEW, platform.admin)).status == "failed"
    platform.authentik.faults.clear()
    planned = reconcile(platform, Mode.DRY_RUN).step("access").changes
    assert reconcile(platform).step("access").changes == planned
    assert [one.split()[0] for one in planned] == ["create", "put", "send"]


@pytest.mark.parametrize("is_suspended", [False, True])
def test_owners_of_tenants_that_were_active_before_an_upgrade_get_no_access_again(
    platform: PlatformFixture, is_suspended: bool
) -> None:
    person = provision(platform)
    names = ("ownerAccountId", "ownerMailed", "ownerGranted", "activationId")
    platform.rows["tenants"].update_one({"slug": "acme"}, {"$unset": dict.fromkeys(names, "")})
    person.attributes = {"dezky": {"ownerOf": platform.tenant("acme").id, "invited": True, "invitations": 1}}
    leave(platform, person)
    if is_suspended:
        platform.finish(platform.services.lifecycle.suspend("acme", "unpaid", platform.admin))
    for _ in range(2):
        MIGRATIONS[2].apply(platform.rows, lambda: None)
    if is_suspended:
        platform.finish(platform.services.lifecycle.resume("acme", platform.admin))
    reconcile(platform)
    assert (members(platform), record(platform), mails(platform)) == (set(), None, [OLGA])


@pytest.mark.parametrize("settled_by", ["an older process", "a newer process"])
def test_owners_of_tenants_that_older_workers_made_active_get_access_again_only_by_an_invitation(
    platform: PlatformFixture, settled_by: str
) -> None:
    person = provision(platform)
    # activated after the migration
    names = ("ownerGranted", "activationId") if settled_by == "an older process" else ("ownerGranted",)
    platform.rows["tenants"].update_one({"slug": "acme"}, {"$unset": dict.fromkeys(names, "")})
    leave(platform, person)
    reconcile(platform)
    assert (members(platform), record(platform)) == (set(), None)
    invite(platform)
    assert (members(platform), role(platform)) == ({OLGA}, Role.OWNER)


def test_a_repeated_invitation_that_had_failed_before_an_upgrade_is_carried_out_after_it(
    platform: PlatformFixture,
) -> None:
    leave(platform, provision(platform))
    fault(platform.authentik, kind="status", status=400, path="add_user", count=1)
    assert invite(platform).status == "failed"
    platform.rows["tenants"].update_one({"slug": "acme"}, {"$unset": {"ownerGranted": "", "activationId": ""}})
    for _ in range(2):
        MIGRATIONS[2].apply(platform.rows, lambda: None)
    assert platform.tenant("acme").remote["ownerGranted"] == 1
    reconcile(platform)
    assert (members(platform), role(platform)) == ({OLGA}, Role.OWNER)


def test_a_name_corrected_while_pending_is_in_the_record_of_the_owner(platform: PlatformFixture) -> None:
    fault(platform.authentik, kind="status", status=400, path="add_user", count=1)
    assert platform.finish(platform.services.tenants.create(NEW, platform.admin)).status == "failed"
    patch: TenantPatch = {"owner": {"name": "Olga Meier"}}
    assert platform.finish(platform.services.tenants.change("acme", patch, platform.admin, None)).status == "succeeded"
    found = record(platform)
    assert found is not None
    assert found.name == "Olga Meier"
