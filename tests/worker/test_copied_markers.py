"""A tenant's ownership marker on another tenant's objects: the record decides who owns them."""

from __future__ import annotations

from typing import Any

import pytest

from shared.operations.model import Operation
from tests.platform_fixture import PlatformFixture
from tests.simulators import mail_treatment
from tests.worker.test_mail import control


@pytest.fixture
def copied(platform: PlatformFixture) -> PlatformFixture:
    """Copy acme's markers to all objects of beta, as a careless copy of descriptions would."""
    acme, beta = platform.grown("acme"), platform.grown("beta")
    groups = platform.authentik.directory.groups_by_name
    groups["tenant-beta"].attributes = dict(groups["tenant-acme"].attributes)
    described = {one["name"]: one["description"] for one in platform.stalwart.snapshot()["Domain"]}
    patch = {"description": described["acme.test"]}
    control(platform.stalwart, "update", kind="Domain", id_=beta.remote["stalwartDomainId"], patch=patch)
    spaces = platform.ocis.storage.spaces
    spaces[beta.remote["ocisSpaceId"]].description = spaces[acme.remote["ocisSpaceId"]].description
    platform.authentik.ensure_person("bea", "password", "Bea", "bea@beta.test", ["tenant-beta"])
    return platform


def state(platform: PlatformFixture, slug: str) -> dict[str, Any]:
    """Return the products that a member of the tenant can still use."""
    space = platform.ocis.storage.spaces.get(platform.tenant(slug).remote["ocisSpaceId"])
    group = platform.authentik.directory.groups_by_name.get(f"tenant-{slug}")
    return {
        "members": len(platform.clients["authentik"].get_group(group.pk).member_ids) if group else None,
        "mail": mail_treatment(platform.stalwart).get(f"{slug}.test"),
        "files": space is not None and not space.disabled,
    }


OPEN = {"members": 1, "mail": "delivered", "files": True}


def reasons(operation: Operation) -> dict[str, str | None]:
    return {step.name: step.reason for step in operation.steps if step.status == "error"}


def test_the_other_tenant_keeps_its_objects_while_the_markers_tenant_is_purged(
    copied: PlatformFixture,
) -> None:
    lifetime = copied.services.lifecycle
    for begin in (lifetime.delete, lifetime.purge):
        assert copied.finish(begin("acme", copied.admin)).status == "succeeded"
        assert state(copied, "beta") == OPEN
    copied.scan()
    assert copied.orphans() == []


def test_a_suspension_of_the_copied_tenant_closes_its_recorded_objects_or_reports_a_failure(
    copied: PlatformFixture,
) -> None:
    ended = copied.finish(copied.services.lifecycle.suspend("beta", "unpaid", copied.admin))
    assert set(reasons(ended).values()) == {"taken", "marker_replaced"}
    assert state(copied, "beta")["files"] is False
    assert state(copied, "acme") == OPEN | {"members": 0}


def test_an_object_on_the_record_of_another_tenant_is_no_orphan(copied: PlatformFixture) -> None:
    copied.scan()
    assert copied.orphans() == []
    copied.forget("acme")
    copied.scan()
    assert {one.object_id for one in copied.orphans()}.isdisjoint(
        {copied.tenant("beta").remote[field] for field in ("authentikGroupId", "stalwartDomainId", "ocisSpaceId")}
    )
    assert len(copied.orphans()) == 3
