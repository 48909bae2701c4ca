"""The second space of a tenant, made by a request whose effect came late: removed only if it is seen to be empty."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.simulators.ocis.server import OcisSimulator
from sandbox.simulators.ocis.spaces import Space
from shared.integrations.outcomes import PermanentError, TemporaryError
from tests.ocis.spaces import only, spaces
from tests.simulators import MakeStep, Saved, fault
from worker.integrations.ocis.client import OcisClient
from worker.integrations.ocis.space import ensure_files

ENABLE = "enable the second space Acme GmbH, to remove it if it holds no files"


@pytest.fixture
def second(ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, saved: Saved) -> Space:
    """Return the second space, which an attempt created and could not remove."""
    fault(ocis, kind="second_creator", count=1)
    fault(ocis, kind="status", status=500, method="DELETE", count=1)
    with pytest.raises(TemporaryError):
        ensure_files(make_step("ocis"), files)
    return ocis.storage.spaces[saved["ocisNewSpaceId"]]


def fill_trash(ocis: OcisSimulator, space: Space) -> None:
    ocis.storage.put_file(space, "plan.txt", 17)
    ocis.storage.delete_file(space, "plan.txt")


@pytest.mark.parametrize("path", ["dav/spaces/[^/]*$", "trash-bin"])
@pytest.mark.parametrize(
    "rule",
    [{"kind": "storage_down"}, {"kind": "status", "status": 404}, {"kind": "status", "status": 403}],
    ids=["storage-down", "proxy-404", "proxy-403"],
)
def test_files_that_are_not_shown_for_a_moment_are_read_again(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, second: Space, path: str, rule: dict[str, Any]
) -> None:
    fault(ocis, method="PROPFIND", path=path, count=1, **rule)
    with pytest.raises(TemporaryError, match="not shown at the moment"):
        ensure_files(make_step("ocis"), files)
    ensure_files(make_step("ocis"), files)
    assert only(ocis) is not second


@pytest.mark.parametrize("is_filled", [True, False])
def test_a_dry_run_does_not_say_that_a_disabled_second_space_is_removed(
    ocis: OcisSimulator, files: OcisClient, make_step: MakeStep, second: Space, is_filled: bool
) -> None:
    if is_filled:
        fill_trash(ocis, second)
    second.disabled = True
    planned, run = make_step("ocis", is_dry_run=True), make_step("ocis")
    ensure_files(planned, files)
    assert planned.changes[0] == ENABLE
    assert not any(change.startswith("remove the space") for change in planned.changes)
    assert second.disabled is True
    if is_filled:
        with pytest.raises(PermanentError, match="ambiguous"):
            ensure_files(run, files)
        assert run.changes == [ENABLE]
    else:
        ensure_files(run, files)
        assert run.changes[:3] == [ENABLE, "disable the space Acme GmbH", "remove the space Acme GmbH with its data"]
    assert len(spaces(ocis)) == (2 if is_filled else 1)


def test_a_disabled_second_space_with_other_members_is_not_enabled(
    files: OcisClient, make_step: MakeStep, second: Space
) -> None:
    second.grants["u:somebody"] = "viewer"
    second.disabled = True
    for is_dry_run in (True, False):
        with pytest.raises(PermanentError, match="ambiguous"):
            ensure_files(make_step("ocis", is_dry_run=is_dry_run), files)
    assert second.disabled is True
