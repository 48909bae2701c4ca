"""Which domains a tenant may have, by who adds them, and which of them wait for a proof."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.accounts.user import NewUser, Role, UserChanges
from shared.core.errors import ActionNotPossible, DomainOverlaps, DomainTaken
from shared.core.naming import MAX_DOMAIN_LENGTH, domain_name
from shared.rights.policy import Actor
from shared.tenants.model import NewTenant
from tests.domains.conftest import World
from tests.records import EVERY_SURFACE

MakeWorld = Callable[..., World]


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world(domain_proof="staff")


def reseller(world: World, slug: str = "reseller") -> Actor:
    """An administrator of a new partner."""
    partner = world.plane.partners.create(slug, slug.title(), world.admin)
    new = NewUser(slug, f"{slug}@people.test", slug.title())
    rights: UserChanges = {"role": Role.ADMIN, "partner_id": partner.id}
    return Actor(world.plane.users.create(new, rights, world.admin), EVERY_SURFACE, "request-2")


def create(world: World, actor: Actor, slug: str, *domains: str) -> None:
    world.plane.tenants.create(NewTenant(slug, slug.title(), "starter", domains), actor)


def needs_proof(world: World, slug: str) -> dict[str, bool]:
    return {view.domain.name: view.domain.is_proof_required for view in world.plane.domains.list(slug, world.admin)}


@pytest.mark.parametrize(
    ("mode", "of_staff", "of_partner"), [("staff", False, True), ("required", True, True), ("off", False, False)]
)
def test_the_role_of_the_caller_decides_if_a_domain_needs_a_proof(
    make_world: MakeWorld, mode: str, of_staff: bool, of_partner: bool
) -> None:
    world = make_world(domain_proof=mode)
    partner = reseller(world)
    create(world, world.admin, "acme", "acme.test")
    create(world, partner, "beta", "beta.test")
    assert needs_proof(world, "acme") == {"acme.test": of_staff}
    assert needs_proof(world, "beta") == {"beta.test": of_partner}
    assert world.domain("beta.test").is_watched is of_partner


def test_a_change_requires_proofs_only_for_added_domains(world: World) -> None:
    partner = reseller(world)
    create(world, partner, "beta", "beta.test")
    world.finish("beta")
    world.plane.tenants.change("beta", {"domains": ("beta.test", "staff.test")}, world.admin, None)
    world.finish("beta")
    world.plane.tenants.change("beta", {"domains": ("beta.test", "staff.test", "own.test")}, partner, None)
    assert needs_proof(world, "beta") == {"beta.test": True, "staff.test": False, "own.test": True}
    waiting = world.store.domains.unproven_of(world.tenant("beta").id, is_always_required=False)
    assert waiting == {"beta.test", "own.test"}


def test_a_proof_releases_a_domain_and_starts_its_reconcile(world: World) -> None:
    create(world, reseller(world), "acme", "acme.test")
    world.finish()
    world.publish_proof()
    assert world.look().ownership.is_proven
    assert world.store.domains.unproven_of(world.tenant().id, is_always_required=False) == frozenset()
    assert world.watch().start_reconciles() == 1


def test_without_marker_keys_only_domains_that_need_a_proof_are_refused(make_world: MakeWorld) -> None:
    world = make_world(domain_proof="staff", stamp_keys="")
    partner = reseller(world)
    create(world, world.admin, "acme", "acme.test")
    create(world, partner, "empty")
    with pytest.raises(ActionNotPossible, match="STAMP_KEYS"):
        create(world, partner, "beta", "beta.test")
    assert world.store.tenants.find("beta") is None


def test_domains_of_an_earlier_version_need_no_proof_unless_one_was_required(make_world: MakeWorld) -> None:
    world = make_world(domain_proof="required")
    create(world, world.admin, "acme", "acme.test", "asked.test")
    world.rows.update_many({}, {"$unset": {"proofRequired": "", "registrable": ""}})
    world.rows.update_one({"domain": "acme.test"}, {"$set": {"askedAt": None}})
    tenant_id = world.tenant().id
    assert world.store.domains.unproven_of(tenant_id, is_always_required=True) == {"asked.test"}
    assert world.store.domains.unproven_of(tenant_id, is_always_required=False) == frozenset()
    world.plane.readiness.prepare()
    assert needs_proof(world, "acme") == {"acme.test": False, "asked.test": True}


@pytest.mark.parametrize(
    ("known", "added"),
    [
        ("acme.test", "mail.acme.test"),
        ("acme.test", "a.b.mail.acme.test"),
        ("mail.acme.test", "acme.test"),
        ("b.acme.co.uk", "acme.co.uk"),
    ],
)
def test_only_staff_add_a_parent_or_subdomain_of_another_tenants_domain(world: World, known: str, added: str) -> None:
    partner = reseller(world)
    create(world, partner, "acme", known)
    other = reseller(world, "other")
    with pytest.raises(DomainOverlaps):
        create(world, other, "beta", added)
    create(world, other, "beta")
    world.finish("beta")
    with pytest.raises(DomainOverlaps):
        world.plane.tenants.change("beta", {"domains": (added,)}, other, None)
    assert world.store.tenants.find("beta").domains == ()  # type: ignore[union-attr]
    world.plane.tenants.change("beta", {"domains": (added,)}, world.admin, None)
    world.finish("beta")
    # what is there stays, whoever changes the tenant next
    world.plane.tenants.change("beta", {"domains": (added, "beta.test")}, other, None)


def test_a_tenant_has_domains_above_and_below_its_own_and_siblings_of_others(world: World) -> None:
    partner = reseller(world)
    create(world, partner, "acme", "acme.test", "mail.acme.test", "one.shared.test")
    create(world, partner, "beta", "notacme.test", "two.shared.test", "acme.test.example.org")
    assert set(needs_proof(world, "beta")) == {"notacme.test", "two.shared.test", "acme.test.example.org"}


def test_a_domain_of_a_row_without_its_family_is_found_after_the_start(world: World) -> None:
    create(world, world.admin, "acme", "acme.test")
    world.rows.update_many({}, {"$unset": {"registrable": ""}})
    world.plane.readiness.prepare()
    with pytest.raises(DomainOverlaps):
        create(world, reseller(world), "beta", "mail.acme.test")


def test_of_two_that_add_a_domain_and_one_below_it_at_once_one_is_refused(world: World) -> None:
    one, other = reseller(world), reseller(world, "other")
    for attempt in range(8):
        jobs = [(one, f"acme{attempt}", f"acme{attempt}.test"), (other, f"beta{attempt}", f"mail.acme{attempt}.test")]
        with ThreadPoolExecutor(2) as pool:
            ended = [pool.submit(create, world, *job).exception() for job in jobs]  # type: ignore[arg-type]
        assert sorted(str(type(one).__name__) for one in ended) == ["DomainOverlaps", "NoneType"], attempt


def test_a_domain_of_another_tenant_is_refused_to_staff_too(world: World) -> None:
    create(world, world.admin, "acme", "acme.test")
    with pytest.raises(DomainTaken):
        create(world, world.admin, "beta", "acme.test")


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
