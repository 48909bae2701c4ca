"""Decide by the caller's role which domains a tenant may have and which of them need a proof."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.accounts.user import NewUser, Role, UserChanges
from shared.core.errors import ActionNotPossible, DomainOverlaps, DomainTaken
from shared.core.naming import MAX_DOMAIN_LENGTH, domain_name
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant
from tests.domains.conftest import DomainFixture
from tests.records import EVERY_SURFACE

MakeFixture = Callable[..., DomainFixture]


@pytest.fixture
def fixture(make_fixture: MakeFixture) -> DomainFixture:
    return make_fixture(domain_proof="staff")


def reseller(fixture: DomainFixture, slug: str = "reseller") -> Actor:
    """Create a partner; return its administrator."""
    partner = fixture.services.partners.create(slug, slug.title(), fixture.admin)
    new = NewUser(slug, f"{slug}@people.test", slug.title())
    rights: UserChanges = {"role": Role.ADMIN, "partner_id": partner.id}
    return Actor(fixture.services.users.create(new, rights, fixture.admin), EVERY_SURFACE, "request-2")


def create(fixture: DomainFixture, actor: Actor, slug: str, *domains: str) -> None:
    fixture.services.tenants.create(NewTenant(slug, slug.title(), "starter", domains), actor)


def needs_proof(fixture: DomainFixture, slug: str) -> dict[str, bool]:
    return {
        view.domain.name: view.domain.is_proof_required for view in fixture.services.domains.list(slug, fixture.admin)
    }


@pytest.mark.parametrize(
    ("mode", "of_staff", "of_partner"), [("staff", False, True), ("required", True, True), ("off", False, False)]
)
def test_the_role_of_the_caller_decides_if_a_domain_needs_a_proof(
    make_fixture: MakeFixture, mode: str, of_staff: bool, of_partner: bool
) -> None:
    fixture = make_fixture(domain_proof=mode)
    partner = reseller(fixture)
    create(fixture, fixture.admin, "acme", "acme.test")
    create(fixture, partner, "beta", "beta.test")
    assert needs_proof(fixture, "acme") == {"acme.test": of_staff}
    assert needs_proof(fixture, "beta") == {"beta.test": of_partner}
    assert fixture.domain("beta.test").is_watched is of_partner


def test_a_change_requires_proofs_only_for_added_domains(fixture: DomainFixture) -> None:
    partner = reseller(fixture)
    create(fixture, partner, "beta", "beta.test")
    fixture.finish("beta")
    fixture.services.tenants.change("beta", {"domains": ("beta.test", "staff.test")}, fixture.admin, None)
    fixture.finish("beta")
    fixture.services.tenants.change("beta", {"domains": ("beta.test", "staff.test", "own.test")}, partner, None)
    assert needs_proof(fixture, "beta") == {"beta.test": True, "staff.test": False, "own.test": True}
    waiting = fixture.store.domains.unproven_of(fixture.tenant("beta").id, is_always_required=False)
    assert waiting == {"beta.test", "own.test"}


def test_a_proof_releases_a_domain_and_starts_its_reconcile(fixture: DomainFixture) -> None:
    create(fixture, reseller(fixture), "acme", "acme.test")
    fixture.finish()
    fixture.publish_proof()
    assert fixture.check().ownership.is_proven
    assert fixture.store.domains.unproven_of(fixture.tenant().id, is_always_required=False) == frozenset()
    assert fixture.monitor().start_reconciles() == 1


def test_without_marker_keys_only_domains_that_need_a_proof_are_refused(make_fixture: MakeFixture) -> None:
    fixture = make_fixture(domain_proof="staff", stamp_keys="")
    partner = reseller(fixture)
    create(fixture, fixture.admin, "acme", "acme.test")
    create(fixture, partner, "empty")
    with pytest.raises(ActionNotPossible, match="STAMP_KEYS"):
        create(fixture, partner, "beta", "beta.test")
    assert fixture.store.tenants.find("beta") is None


def test_domains_of_an_earlier_version_need_no_proof_unless_one_was_required(make_fixture: MakeFixture) -> None:
    fixture = make_fixture(domain_proof="required")
    create(fixture, fixture.admin, "acme", "acme.test", "asked.test")
    fixture.rows.update_many({}, {"$unset": {"proofRequired": "", "registrable": ""}})
    fixture.rows.update_one({"domain": "acme.test"}, {"$set": {"askedAt": None}})
    tenant_id = fixture.tenant().id
    assert fixture.store.domains.unproven_of(tenant_id, is_always_required=True) == {"asked.test"}
    assert fixture.store.domains.unproven_of(tenant_id, is_always_required=False) == frozenset()
    fixture.services.readiness.prepare()
    assert needs_proof(fixture, "acme") == {"acme.test": False, "asked.test": True}


@pytest.mark.parametrize(
    ("known", "added"),
    [
        ("acme.test", "mail.acme.test"),
        ("acme.test", "a.b.mail.acme.test"),
        ("mail.acme.test", "acme.test"),
        ("b.acme.co.uk", "acme.co.uk"),
    ],
)
def test_only_staff_add_a_parent_or_subdomain_of_another_tenants_domain(
    fixture: DomainFixture, known: str, added: str
) -> None:
    partner = reseller(fixture)
    create(fixture, partner, "acme", known)
    other = reseller(fixture, "other")
    with pytest.raises(DomainOverlaps):
        create(fixture, other, "beta", added)
    create(fixture, other, "beta")
    fixture.finish("beta")
    with pytest.raises(DomainOverlaps):
        fixture.services.tenants.change("beta", {"domains": (added,)}, other, None)
    assert fixture.store.tenants.find("beta").domains == ()  # type: ignore[union-attr]
    fixture.services.tenants.change("beta", {"domains": (added,)}, fixture.admin, None)
    fixture.finish("beta")
    # an existing domain stays, whichever caller changes the tenant next
    fixture.services.tenants.change("beta", {"domains": (added, "beta.test")}, other, None)


@pytest.mark.parametrize("is_child_first", [False, True])
def test_a_suffix_that_a_company_gives_to_customers_hides_no_parent(
    fixture: DomainFixture, *, is_child_first: bool
) -> None:
    first, second = "amazonaws.com", "b.s3.amazonaws.com"
    if is_child_first:
        first, second = second, first
    create(fixture, fixture.admin, "acme", first)
    assert not fixture.store.domains.is_free(second, may_overlap=False)
    assert fixture.store.domains.is_free(second, may_overlap=True)
    with pytest.raises(DomainOverlaps):
        create(fixture, reseller(fixture), "beta", second)
    create(fixture, reseller(fixture, "other"), "gamma", "c.s3.amazonaws.de")


def test_a_tenant_has_domains_above_and_below_its_own_and_siblings_of_others(fixture: DomainFixture) -> None:
    partner = reseller(fixture)
    create(fixture, partner, "acme", "acme.test", "mail.acme.test", "one.shared.test")
    create(fixture, partner, "beta", "notacme.test", "two.shared.test", "acme.test.example.org")
    assert set(needs_proof(fixture, "beta")) == {"notacme.test", "two.shared.test", "acme.test.example.org"}


def test_a_domain_of_a_document_without_its_family_is_found_after_the_start(fixture: DomainFixture) -> None:
    create(fixture, fixture.admin, "acme", "acme.test")
    fixture.rows.update_many({}, {"$unset": {"registrable": ""}})
    fixture.services.readiness.prepare()
    with pytest.raises(DomainOverlaps):
        create(fixture, reseller(fixture), "beta", "mail.acme.test")


def test_of_two_tenants_that_add_a_domain_and_its_subdomain_at_once_one_is_refused(fixture: DomainFixture) -> None:
    one, other = reseller(fixture), reseller(fixture, "other")
    for attempt in range(8):
        jobs = [(one, f"acme{attempt}", f"acme{attempt}.test"), (other, f"beta{attempt}", f"mail.acme{attempt}.test")]
        with ThreadPoolExecutor(2) as pool:
            ended = [pool.submit(create, fixture, *job).exception() for job in jobs]  # type: ignore[arg-type]
        assert sorted(str(type(one).__name__) for one in ended) == ["DomainOverlaps", "NoneType"], attempt


def test_a_domain_of_another_tenant_is_refused_to_staff_too(fixture: DomainFixture) -> None:
    create(fixture, fixture.admin, "acme", "acme.test")
    with pytest.raises(DomainTaken):
        create(fixture, fixture.admin, "beta", "acme.test")


@pytest.mark.parametrize("name", ["co.uk", "github.io", "kawasaki.jp", "xn--55qx5d.cn"])
def test_a_public_suffix_is_no_domain_of_a_tenant(name: str) -> None:
    with pytest.raises(ValueError, match="public suffix"):
        domain_name(name)


@pytest.mark.parametrize(
    "name", ["acme.com", "acme.co.uk", "mail.acme.co.uk", "acme.github.io", "acme.test", "a.city.kawasaki.jp"]
)
def test_a_registrable_name_or_one_below_it_is(name: str) -> None:
    assert domain_name(name) == name


def test_a_domain_is_short_enough_for_the_names_of_its_records() -> None:
    longest = ("a" * 60 + ".") * 5
    fits = longest[-(MAX_DOMAIN_LENGTH - len("acme.test")) :].lstrip(".") + "acme.test"
    assert len(fits) <= MAX_DOMAIN_LENGTH
    assert domain_name(fits) == fits
    assert len(f"_dezky-challenge.{fits}") <= 253
    with pytest.raises(ValueError, match="fit 253"):
        domain_name("b." + "a" * (MAX_DOMAIN_LENGTH - len(fits)) + fits)
