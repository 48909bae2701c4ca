"""A purge is settled however many people belong to the tenant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from shared.accounts import user_repository as users
from shared.application.parts import open_settlement
from shared.core.errors import StoreUnavailable
from shared.provisioning import settlement
from shared.tenants.model import NewTenant
from tests.platform_fixture import PlatformFixture

PEOPLE = 47


@pytest.fixture
def platform(make_platform: Callable[..., PlatformFixture], monkeypatch: pytest.MonkeyPatch) -> PlatformFixture:
    """A deleted tenant with more people than one transaction erases; one belongs to another tenant too."""
    monkeypatch.setattr(users, "MAX_USERS_PER_TRANSACTION", 10)
    made = make_platform(delete_grace_days=0)
    made.finish(made.services.tenants.create(NewTenant("acme", "Acme", "starter"), made.admin))
    made.finish(made.services.lifecycle.delete("acme", made.admin))
    acme = made.tenant("acme").id
    made.rows["users"].insert_many([person(number, acme) for number in range(PEOPLE)])
    made.rows["users"].insert_one(person(PEOPLE, acme, "elsewhere"))
    return made


def person(number: int, *tenant_ids: str) -> dict[str, Any]:
    of_somebody_else = {"role": "member", "partnerId": None, "platformAdmin": False, "version": 1}
    return {
        "authentikSubjectId": f"s{number}",
        "email": "",
        "name": "",
        "tenantIds": list(tenant_ids),
        **of_somebody_else,
    }


def ended(platform: PlatformFixture) -> str:
    """Run a purge's steps without settling it; return its id."""
    return platform.end_unsettled(platform.services.lifecycle.purge("acme", platform.admin)).id


def belonging(platform: PlatformFixture) -> int:
    return platform.rows["users"].count_documents({"tenantIds": platform.tenant("acme").id})


def test_more_people_than_fit_in_one_transaction_are_all_erased_and_counted(platform: PlatformFixture) -> None:
    assert open_settlement(platform.store).settle(ended(platform)) is not None
    assert belonging(platform) == 0
    assert platform.rows["users"].count_documents({"tenantIds": ["elsewhere"]}) == 1
    assert platform.services.lifecycle.receipt("acme", platform.admin).users_removed == PEOPLE


def test_a_settlement_that_was_interrupted_is_completed_by_the_next_with_a_correct_count(
    platform: PlatformFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settlement, "MAX_BATCHES", 2)
    purge = ended(platform)
    left = []
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            open_settlement(platform.store).settle(purge)
        left.append(belonging(platform))
        assert platform.tenant("acme").purged_at is None
    assert left == [28, 8]
    assert open_settlement(platform.store).settle(purge) is not None
    assert platform.services.lifecycle.receipt("acme", platform.admin).users_removed == PEOPLE
