"""The people of a suspended tenant read it and change nothing; its partner and the platform still do."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from shared.accounts.user import NewUser, Role, User
from shared.core.errors import Forbidden, NotFound
from shared.operations.model import Mode
from shared.rights.policy import Actor, Caller
from shared.tenants.model import NewTenant
from shared.webhooks.model import NewWebhook
from tests.platform_fixture import PlatformFixture
from tests.records import EVERY_SURFACE


class Acme:
    """A tenant of a partner, its owner and a member, whose tokens have no `groups`."""

    def __init__(self, platform: PlatformFixture) -> None:
        self.services = platform.services
        self.platform = platform
        self.partner = self.services.partners.create("reseller", "Reseller", platform.admin)
        new = NewTenant("acme", "Acme GmbH", "starter", ("acme.test",), partner_id=self.partner.id)
        assert platform.finish(self.services.tenants.create(new, platform.admin)).status == "succeeded"
        self.tenant = platform.tenant("acme")
        self.member = self.add("subject-member", Role.MEMBER)
        self.add("subject-owner", Role.OWNER)

    def add(self, subject: str, role: Role) -> User:
        rights = {"tenant_ids": (self.tenant.id,), "roles": {self.tenant.id: role}}
        return self.services.users.create(
            NewUser(subject, f"{subject}@acme.test", subject), rights, self.platform.admin
        )

    def actor(self, subject: str) -> Actor:
        caller = Caller(subject, f"{subject}@acme.test", subject, None, EVERY_SURFACE, time.time())
        return self.services.sign_in.actor_for(caller, "request")


@pytest.fixture
def acme(platform: PlatformFixture) -> Acme:
    return Acme(platform)


def changes(acme: Acme) -> dict[str, Callable[[Actor], object]]:
    """Return everything that an owner may change of an active tenant."""
    services, tenant, member = acme.services, acme.tenant, acme.member
    promoted = {"tenant_ids": (tenant.id,), "roles": {tenant.id: Role.OWNER}}
    hook = NewWebhook("https://hooks.acme.test/", ("tenant.*",))
    return {
        "billing": lambda actor: services.tenants.change("acme", {"billing_info": {"company": "Mine"}}, actor, None),
        "name": lambda actor: services.tenants.change("acme", {"name": "Mine"}, actor, None),
        "reconcile": lambda actor: services.tenants.reconcile("acme", actor, Mode.APPLY),
        "check a domain": lambda actor: services.domains.request_check("acme", "acme.test", actor),
        "invite": lambda actor: services.tenants.invite_owner("acme", actor),
        "new user": lambda actor: services.users.create(NewUser("x", "x@acme.test", "X"), promoted, actor),
        "role": lambda actor: services.users.change(member.id, {"roles": {tenant.id: Role.ADMIN}}, actor, None),
        "remove": lambda actor: services.users.delete(member.id, actor, None),
        "webhook": lambda actor: services.webhooks.create(hook, tenant.id, None, actor),
    }


def test_an_owner_of_a_suspended_tenant_changes_nothing_and_still_reads(acme: Acme) -> None:
    services = acme.services
    acme.platform.finish(services.lifecycle.suspend("acme", "unpaid", acme.platform.admin))
    owner = acme.actor("subject-owner")
    for name, change in changes(acme).items():
        with pytest.raises(Forbidden, match="The tenant is suspended"):
            pytest.fail(f"{name}: {change(owner)}")
    assert services.tenants.get("acme", owner).tenant.status == "suspended"
    assert services.users.get(acme.member.id, owner).id == acme.member.id
    assert services.lifecycle.export("acme", owner)
    acme.platform.finish(services.lifecycle.resume("acme", acme.platform.admin))
    changed = services.tenants.change("acme", {"billing_info": {"company": "Mine"}}, owner, None)
    assert changed.tenant.billing_info is not None


def test_a_refusal_names_the_suspension_only_to_people_who_may_change_the_active_tenant(acme: Acme) -> None:
    acme.platform.finish(acme.services.lifecycle.suspend("acme", "unpaid", acme.platform.admin))
    member = acme.actor("subject-member")
    for name, change in changes(acme).items():
        with pytest.raises((Forbidden, NotFound)) as refused:
            pytest.fail(f"{name}: {change(member)}")
        assert "suspended" not in str(refused.value), name


def test_the_partner_of_a_suspended_tenant_still_changes_it(acme: Acme) -> None:
    services = acme.services
    rights = {"partner_id": acme.partner.id, "role": Role.ADMIN}
    services.users.create(NewUser("subject-partner", "p@reseller.test", "P"), rights, acme.platform.admin)
    services.lifecycle.suspend("acme", "unpaid", acme.platform.admin)
    partner = acme.actor("subject-partner")
    changed = services.tenants.change("acme", {"billing_info": {"company": "Theirs"}}, partner, None)
    assert changed.tenant.billing_info is not None
    assert services.users.change(acme.member.id, {"roles": {acme.tenant.id: Role.ADMIN}}, partner, None)
