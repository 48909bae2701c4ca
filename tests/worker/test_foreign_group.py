"""A foreign group of a tenant's name opens nothing, and the command that writes a group's marker back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from shared.operations.model import Mode
from shared.rights.policy import Caller
from tests.platform_fixture import PlatformFixture
from tests.records import EVERY_SURFACE
from tests.simulators import OTHER_ID, fault
from worker import ownership_markers


def enter(platform: PlatformFixture) -> tuple[str, ...]:
    """Return the tenants of a stranger whose token names the group `tenant-acme`."""
    caller = Caller("subject-eve", "eve@evil.test", "Eve", ("tenant-acme",), EVERY_SURFACE, time.time())
    return platform.services.sign_in.record(caller, "request").tenant_ids


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_foreign_group_in_place_of_ours_gives_a_stranger_no_membership(
    make_platform: Callable[..., PlatformFixture], is_deleted: bool
) -> None:
    platform = make_platform(ocis_username="spaces")
    tenant = platform.grown("acme")
    assert tenant.remote["ocisMembers"] == "pending"
    directory = platform.authentik.directory
    ours = directory.groups_by_name["tenant-acme"]
    if is_deleted:
        directory.delete_group(ours)
    else:
        directory.change_group(ours, {"name": "acme people"}, whole=False)
    foreign = directory.add_group({"name": "tenant-acme"})
    platform.ocis.storage.add_group("tenant-acme")
    for _ in range(2):
        ended = platform.finish(platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY))
        assert ended.step("authentik").reason == "taken"
        assert ended.step("ocis").notes["members"] == "pending"
        assert enter(platform) == ()
    directory.delete_group(foreign)
    ended = platform.finish(platform.services.tenants.reconcile("acme", platform.admin, Mode.APPLY))
    assert ended.step("ocis").notes["members"] == "invited"
    assert (platform.tenant("acme").remote["authentikGroupId"] == ours.pk) is not is_deleted
    assert enter(platform) == (tenant.id,)


def call(platform: PlatformFixture, *arguments: str) -> tuple[int, str]:
    given = [*arguments, "authentik"]
    result = CliRunner().invoke(ownership_markers.main, given, obj=platform.settings)
    return result.exit_code, result.output


def test_the_marker_of_a_group_is_printed_and_repaired(platform: PlatformFixture) -> None:
    platform.grown("acme")
    group = platform.authentik.directory.groups_by_name["tenant-acme"]
    marker = dict(group.attributes)
    code, printed = call(platform, "show", "acme")
    assert (code, json.loads(printed)) == (0, marker)
    group.attributes = {"theirs": 1, "dezky": {"heldMembers": [7]}}
    assert call(platform, "repair", "acme")[0] == 0
    assert group.attributes == {"theirs": 1, "dezky": {**marker["dezky"], "heldMembers": [7]}}
    assert "already" in call(platform, "repair", "acme")[1]


def test_a_group_of_another_tenant_or_none_is_not_repaired(platform: PlatformFixture) -> None:
    platform.grown("acme")
    directory = platform.authentik.directory
    group = directory.groups_by_name["tenant-acme"]
    group.attributes = {"dezky": {"tenantId": OTHER_ID}}
    code, output = call(platform, "repair", "acme")
    assert (code, "delete the key" in output) == (1, True)
    assert group.attributes == {"dezky": {"tenantId": OTHER_ID}}
    answer = {"status": 404, "body": "{}", "content_type": "application/json"}
    fault(platform.authentik, kind="status", path=f"/groups/{group.pk}/", **answer)
    code, output = call(platform, "repair", "acme")
    assert (code, "answers 404 for it" in output, "not there any more" in output) == (1, True, False)
    platform.authentik.faults.clear()
    directory.delete_group(group)
    assert "not there any more" in call(platform, "repair", "acme")[1]
