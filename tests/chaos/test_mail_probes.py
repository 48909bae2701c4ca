"""Check that probes and invariants see each effect on mail that was broken in Stalwart on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.simulators.stalwart.server import StalwartSimulator
from tests.chaos.evidence_fixture import given
from tests.simulators import TENANT_ID, MakeStep, Saved
from tests.worker.test_mail import client, control, objects
from tools.chaos.checks.effects import mail_accounts_open_for_active_tenants_only, mail_arrives_at_active_tenants_only
from tools.chaos.checks.evidence import Evidence
from tools.chaos.checks.mail_probes import fates_of_mail, sign_ins
from tools.chaos.checks.product_invariants import mail_domains_match
from tools.chaos.load.members import PASSWORD
from worker.integrations.stalwart.closed.closing import close_mail
from worker.integrations.stalwart.closed.recipient_rule import NAMESPACE, RULE
from worker.integrations.stalwart.provision import ensure_mail

MEMBER, POSTMASTER = "member@acme.test", "postmaster@acme.test"
LOCKED = {"permissions": {"@type": "Merge", "disabledPermissions": {"authenticate": True}}}
MUTED = {"permissions": {"@type": "Merge", "disabledPermissions": {"emailReceive": True}}}
OPEN = {"permissions": {"@type": "Inherit"}}
IS_IN, IS_OUT = "in a domain of an active tenant", "in no domain of an active tenant"


@dataclass(frozen=True)
class Server:
    """A Stalwart with the mail of one tenant, whose member has an account."""

    stalwart: StalwartSimulator
    record: Mapping[str, Any]

    @property
    def smtp(self) -> tuple[str, int]:
        address = urlsplit(self.stalwart.smtp_url)
        return str(address.hostname), int(address.port or 0)

    def state(self, product: str) -> dict[str, Any]:
        found: dict[str, Any] = self.stalwart.snapshot()
        return found

    def account(self, address: str, patch: dict[str, Any]) -> None:
        """Change an account as a person could."""
        (id_,) = [one["id"] for one in objects(self.stalwart, "Account") if one["emailAddress"] == address]
        control(self.stalwart, "update", kind="Account", id_=id_, patch=patch)

    def refuse_mail(self, *names: str) -> None:
        """Let the server have the rule with keys of these names, and load both."""
        control(self.stalwart, "update", kind="MtaStageRcpt", id_="singleton", patch={"rewrite": RULE})
        for key in objects(self.stalwart, "MemoryLookupKey"):
            control(self.stalwart, "destroy", kind="MemoryLookupKey", id_=key["id"])
        for name in names:
            control(self.stalwart, "create", kind="MemoryLookupKey", given={"namespace": NAMESPACE, "key": name})
        for action in ("ReloadSettings", "ReloadLookupStores"):
            control(self.stalwart, "create", kind="Action", given={"@type": action})

    def let_mail_reach(self, address: str) -> None:
        """Undo both measures against mail to a closed account."""
        self.refuse_mail()
        self.account(address, OPEN)

    def add_domain(self) -> None:
        """Copy the domain with its ownership marker to a name that nobody asked for."""
        copied = {"name": "acme-c.test", "description": objects(self.stalwart, "Domain")[0]["description"]}
        control(self.stalwart, "create", kind="Domain", given=copied)

    def remove_postmaster(self) -> None:
        (id_,) = [one["id"] for one in objects(self.stalwart, "Account") if one["name"] == "postmaster"]
        control(self.stalwart, "destroy", kind="Account", id_=id_)

    def violations(self, *, is_active: bool) -> str:
        """Probe the mail, and return the sentences of all invariants about it."""
        made = given()
        if is_active:
            made["entries"] = made["entries"][:1]
        made["tenants"][0]["dnsRecords"] = self.record["dnsRecords"]
        made["products"]["stalwart"] = self.state("stalwart")
        fates = fates_of_mail(self, [POSTMASTER, MEMBER])
        made["effects"] = replace(made["effects"], mail=fates, mailboxes=sign_ins(self, [MEMBER], PASSWORD))
        evidence = Evidence(**made)
        invariants = (
            mail_arrives_at_active_tenants_only,
            mail_accounts_open_for_active_tenants_only,
            mail_domains_match,
        )
        return "\n".join(sentence for invariant in invariants for sentence in invariant(evidence))


@pytest.fixture
def active(stalwart: StalwartSimulator, make_step: MakeStep, saved: Saved) -> Server:
    ensure_mail(make_step("stalwart"), client(stalwart))
    secret = {"0": {"@type": "Password", "secret": PASSWORD}}
    control(
        stalwart,
        "create_account",
        domain="acme.test",
        given={"@type": "User", "name": "member", "credentials": secret},
    )
    return Server(stalwart, saved)


@pytest.fixture
def suspended(active: Server, make_step: MakeStep) -> Server:
    close_mail(make_step("stalwart"), client(active.stalwart))
    return active


def test_the_mail_of_an_active_and_of_a_suspended_tenant_breaks_no_invariant(
    active: Server, make_step: MakeStep
) -> None:
    assert TENANT_ID in objects(active.stalwart, "Domain")[0]["description"]
    assert active.violations(is_active=True) == ""
    close_mail(make_step("stalwart"), client(active.stalwart))
    assert active.violations(is_active=False) == ""


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda server: server.let_mail_reach(MEMBER), f"mail to {MEMBER}, {IS_OUT}, was delivered"),
        (lambda server: server.let_mail_reach(POSTMASTER), f"mail to {POSTMASTER}, {IS_OUT}, was delivered"),
        (lambda server: server.account(MEMBER, OPEN), f"the mail account {MEMBER} can sign in"),
        (lambda server: server.add_domain(), "['acme-c.test', 'acme.test']; ['acme.test'] were accepted"),
    ],
    ids=["member-gets-mail", "postmaster-gets-mail", "member-signs-in", "another-domain"],
)
def test_mail_of_a_suspended_tenant_that_is_not_closed_is_reported(
    suspended: Server, damage: Callable[[Server], None], sentence: str
) -> None:
    damage(suspended)
    assert sentence in suspended.violations(is_active=False)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (
            lambda server: server.refuse_mail("acme.test"),
            f"mail to {POSTMASTER}, {IS_IN}, was refused",
        ),
        (
            lambda server: server.account(POSTMASTER, MUTED),
            f"mail to {POSTMASTER}, {IS_IN}, was returned",
        ),
        (
            lambda server: server.account(MEMBER, MUTED),
            f"mail to {MEMBER}, {IS_IN}, was returned",
        ),
        (lambda server: server.account(MEMBER, LOCKED), f"the mail account {MEMBER} cannot sign in"),
        (lambda server: server.remove_postmaster(), "acme has 0 postmasters in one domain"),
    ],
    ids=["refused", "postmaster-returned", "member-returned", "member-locked-out", "no-postmaster"],
)
def test_mail_of_an_active_tenant_that_is_not_open_is_reported(
    active: Server, damage: Callable[[Server], None], sentence: str
) -> None:
    assert active.violations(is_active=True) == ""
    damage(active)
    assert sentence in active.violations(is_active=True)
