"""Classification of a found object as an orphan, by the records at the time of the scan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.orphans.model import Cause, Known, MarkedObject, OrphanKind, orphans_among
from shared.tenants.model import Status
from tests.simulators import OTHER_ID, TENANT_ID, tenant

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)
BEFORE, AFTER = BEGAN - timedelta(seconds=1), BEGAN + timedelta(seconds=1)
ONE, TWO = (
    MarkedObject(OrphanKind.SPACE, "one", "One", TENANT_ID),
    MarkedObject(OrphanKind.SPACE, "two", "Two", TENANT_ID),
)


def cause(found: list[MarkedObject], busy: bool = False, **fields: Any) -> dict[str, Cause]:
    """Classify objects by id; without fields the tenant is not on record."""
    known = {TENANT_ID: tenant(**{"updated_at": BEFORE, **fields})} if fields else {}
    on_record = Known(BEGAN, known, {TENANT_ID} if busy else ())
    return {one.id: found_cause for one, found_cause in orphans_among(found, on_record).items()}


def test_an_object_of_a_tenant_that_is_not_on_record_is_an_orphan() -> None:
    assert cause([ONE]) == {"one": Cause.TENANT_UNKNOWN}


@pytest.mark.parametrize("status", Status)
def test_an_object_of_a_recorded_tenant_in_any_status_is_no_orphan(status: Status) -> None:
    assert cause([ONE], status=status, remote={"ocisSpaceId": "one"}) == {}
    assert cause([ONE], status=status) == {}


def test_an_object_of_a_tenant_purged_before_the_scan_began_is_an_orphan() -> None:
    assert cause([ONE], status=Status.DELETED, purged_at=BEFORE) == {"one": Cause.TENANT_PURGED}


@pytest.mark.parametrize("purged_at", [BEGAN, AFTER])
def test_an_object_that_a_purge_may_have_removed_during_the_scan_is_left_to_the_next(purged_at: datetime) -> None:
    assert cause([ONE], status=Status.DELETED, purged_at=purged_at) == {}


def test_a_second_object_is_an_orphan_unless_its_tenant_is_busy_or_just_changed() -> None:
    known = {"remote": {"ocisSpaceId": "one"}}
    assert cause([ONE, TWO], **known) == {"two": Cause.OTHER_OBJECT}
    assert cause([ONE, TWO], busy=True, **known) == {}
    assert cause([ONE, TWO], updated_at=BEGAN, **known) == {}


def test_a_second_object_is_an_orphan_only_beside_a_marked_one_on_record() -> None:
    known = {"remote": {"ocisSpaceId": "one"}}
    assert cause([TWO], **known) == {}
    assert cause([MarkedObject(OrphanKind.SPACE, "one", "One", OTHER_ID), TWO], **known) == {
        "one": Cause.TENANT_UNKNOWN
    }
    assert cause([MarkedObject(OrphanKind.GROUP, "one", "One", TENANT_ID), TWO], **known) == {}


def test_a_mail_domain_of_a_living_tenant_is_no_orphan_whether_or_not_the_tenant_lists_it() -> None:
    domain = MarkedObject(OrphanKind.MAIL_DOMAIN, "d", "old.test", TENANT_ID)
    assert cause([domain], domains=("acme.test",), remote={"stalwartDomainId": "other"}) == {}


def test_an_id_in_a_name_proves_nothing_without_a_marker() -> None:
    weak = MarkedObject(OrphanKind.MAIL_TENANT, "t", f"Acme {TENANT_ID}", TENANT_ID, is_proof=False)
    assert cause([weak]) == {}
    assert cause([weak, ONE]) == {"t": Cause.TENANT_UNKNOWN, "one": Cause.TENANT_UNKNOWN}
    assert cause([weak], status=Status.DELETED, purged_at=BEFORE) == {"t": Cause.TENANT_PURGED}
